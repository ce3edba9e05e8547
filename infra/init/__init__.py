"""What must be there before the first container starts: secrets, and the data folder's owner."""
