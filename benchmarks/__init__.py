"""How fast it is, measured: `python -m benchmarks`. What each one means is in README.md here."""
