"""What integrators build: a client generated in another language, and the examples of the guide."""
