"""What a study owes."""

from services.forwarder.routing import Candidate, Frozen, Owed, owed

A, B, OFF = (
    Candidate("a", enabled=True),
    Candidate("b", enabled=True),
    Candidate("c", enabled=False),
)


def test_every_enabled_destination_is_owed_every_revision() -> None:
    unowed = [Frozen("r1", 1), Frozen("r2", 1), Frozen("r3", 2)]
    assert owed([B, OFF, A], unowed, 0, 2) == [
        Owed(1, "a", ("r1", "r2")),
        Owed(1, "b", ("r1", "r2")),
        Owed(2, "a", ("r3",)),
        Owed(2, "b", ("r3",)),
    ]


def test_a_revision_with_nothing_to_send_needs_no_delivery() -> None:
    assert owed([A], [Frozen("r3", 3)], 1, 3) == [Owed(3, "a", ("r3",))]
    assert owed([A], [], 0, 1) == []


def test_what_was_unrouted_travels_with_the_first_revision_that_finds_a_destination() -> None:
    unowed = [Frozen("r1", 1), Frozen("r2", 2), Frozen("r3", 3), Frozen("r4", 4)]
    assert owed([A], unowed, 2, 4) == [Owed(3, "a", ("r1", "r2", "r3")), Owed(4, "a", ("r4",))]


def test_an_unrouted_study_goes_as_its_last_revision() -> None:
    unowed = [Frozen("r1", 1), Frozen("r2", 2)]
    assert owed([A], unowed, 2, 2) == [Owed(2, "a", ("r1", "r2"))]


def test_without_an_enabled_destination_nothing_is_owed() -> None:
    assert owed([OFF], [Frozen("r1", 1)], 0, 1) == []
