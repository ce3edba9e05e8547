"""What buses promise, and what only a broker can do."""
