"""What the API decides without a network."""
