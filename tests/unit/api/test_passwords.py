"""Passwords: which are taken, and how they are compared."""

import threading

import pytest

from dicom_router.errors import Unavailable
from services.api.passwords import Passwords, trouble_with

GOOD = "four words are fine"


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("short", "12 characters"),
        ("aaaaaaaaaaaaaaaa", "different"),
        ("121212121212", "different"),
        ("Maria.Silva 2026!", "name"),
        (GOOD, None),
        ("senha com acentuação", None),
    ],
)
def test_length_counts_and_the_name_does_not(password: str, why: str | None) -> None:
    trouble = trouble_with(password, "maria.silva")
    assert trouble is None if why is None else why in str(trouble)


def test_a_password_matches_its_own_hash_and_no_other() -> None:
    passwords = Passwords()
    kept = passwords.hash(GOOD)
    assert kept.startswith("$argon2id$")
    assert GOOD not in kept
    assert kept != passwords.hash(GOOD)
    assert passwords.matches(GOOD, kept)
    assert not passwords.matches(GOOD.upper(), kept)
    assert not passwords.matches(GOOD, None)
    assert not passwords.matches("nobody's password", None)
    assert not passwords.matches(GOOD, "no hash")


def test_it_is_the_same_password_however_a_keyboard_composes_it() -> None:
    passwords = Passwords()
    composed, decomposed = "acentua\u00e7\u00e3o longa", "acentuac\u0327a\u0303o longa"
    assert passwords.matches(decomposed, passwords.hash(composed))


def test_more_than_some_at_once_are_sent_away() -> None:
    passwords = Passwords()
    together, refused = threading.Barrier(40), []

    def guess() -> None:
        together.wait()
        try:
            passwords.matches("a wrong password", None)
        except Unavailable:
            refused.append(True)

    threads = [threading.Thread(target=guess) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused
    assert passwords.hash(GOOD)  # and those who come later are served
