"""Brings instances from the spool into study folders and rows; completes and retires studies."""
