"""Passwords: which are good, and argon2id, which is slow on purpose and therefore rationed."""

import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from dicom_router.errors import Unavailable
from dicom_router.said import Said, said

SHORTEST, LONGEST = 12, 256
_LEAST_CHARACTERS = 5  # different ones
_AT_ONCE = 2  # hashes; each takes 19 MiB, and a core for some 30 ms
_MOST_IN_HAND = 12  # those that wait included; who comes after them is sent away

# What OWASP's Password Storage Cheat Sheet asks of argon2id where memory is shared with other work.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


class Passwords:
    """Makes and compares hashes, so many at a time that guesses can't use up the machine."""

    def __init__(self) -> None:
        self._in_hand = threading.BoundedSemaphore(_MOST_IN_HAND)
        self._at_work = threading.BoundedSemaphore(_AT_ONCE)
        # Of no password that there is: compared with where there is nobody, for the time it takes.
        self._nobody_s = _HASHER.hash("nobody's password")

    def hash(self, password: str) -> str:
        """What is kept of a password."""
        with self._turn():
            return _HASHER.hash(_normal(password))

    def matches(self, password: str, kept: str | None) -> bool:
        """Whether it is the one; without a hash never, after the same time."""
        with self._turn():
            try:
                _HASHER.verify(kept or self._nobody_s, _normal(password))
            except (Argon2Error, InvalidHashError):
                return False
        return kept is not None

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._in_hand.acquire(blocking=False):
            raise Unavailable(said("Too many passwords are being checked at once"))
        try:
            with self._at_work:
                yield
        finally:
            self._in_hand.release()


def trouble_with(password: str, name: str) -> Said | None:
    """Why a password is not good enough; None if it is. Its length counts, not its characters."""
    normal = _normal(password)
    if len(normal) < SHORTEST:
        return said(
            "it needs {count} characters or more; a few words are easier to remember",
            count=SHORTEST,
        )
    if len(set(normal)) < _LEAST_CHARACTERS:
        return said("it needs {count} different characters or more", count=_LEAST_CHARACTERS)
    if name and normal.casefold().replace(name.casefold(), "") != normal.casefold():
        return said("it must not contain the user's name")
    return None


def _normal(password: str) -> str:
    """The same text, whichever way a keyboard composes it (NIST SP 800-63B, 5.1.1.2)."""
    return unicodedata.normalize("NFKC", password)
