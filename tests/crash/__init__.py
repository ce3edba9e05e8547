"""The router killed at every step of an image's way, and what it makes of that by itself."""
