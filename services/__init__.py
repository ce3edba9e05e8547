"""One folder, one process, one container; services meet only at events."""
