"""Errors, sorted by what the one who catches them must do.

RouterError
├── ConfigurationError    stop: the process cannot start, a person must change a setting
├── Unavailable           wait: the other side (database, broker, disk, peer) is away
├── TryAgain              retry: this work failed and may succeed later; attempts are counted
└── Unprocessable         park: this work can never succeed as it is (quarantine, dead letter)

Third-party errors are wrapped where they enter, with `raise … from error`. The text of each is one
sentence for a person: what happened, to what, what to do.
"""


class RouterError(Exception):
    """The base of every error the router raises on purpose."""


class ConfigurationError(RouterError):
    """A setting is unknown or bad; its text is the one line that ends the start."""


class Unavailable(RouterError):
    """The other side is away: wait for it and do the same again; uses up no attempt."""


class TryAgain(RouterError):
    """This piece of work failed and is to be retried later; uses up an attempt."""


class Unprocessable(RouterError):
    """This piece of work can never succeed as it is: park it where a person sees it."""
