"""What the services share; each module is named for what it is."""
