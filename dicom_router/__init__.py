"""What the services share; each module is named for what it is."""

VERSION = "3.0.0-dev"
