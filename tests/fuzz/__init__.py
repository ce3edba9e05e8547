"""Hostile PDUs and data sets at a whole router: `python -m tests.fuzz --help`."""
