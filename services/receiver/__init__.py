"""Takes instances from scanners into the spool, durable, and announces them."""
