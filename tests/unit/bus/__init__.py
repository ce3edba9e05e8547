"""The pure parts of the bus, and the in-process bus with a clock of its own."""
