"""What a study owes."""

from services.forwarder.routing import Frozen, Newcomers, Owed, owed


def test_every_destination_is_owed_every_revision() -> None:
    unowed = [Frozen("r1", 1), Frozen("r2", 1), Frozen("r3", 2)]
    assert owed(["b", "a"], unowed, 0, 2) == [
        Owed(1, "a", ("r1", "r2")),
        Owed(1, "b", ("r1", "r2")),
        Owed(2, "a", ("r3",)),
        Owed(2, "b", ("r3",)),
    ]


def test_a_revision_with_nothing_to_send_needs_no_delivery() -> None:
    assert owed(["a"], [Frozen("r3", 3)], 1, 3) == [Owed(3, "a", ("r3",))]
    assert owed(["a"], [], 0, 1) == []
    assert owed(["a", "b"], [], 1, 2, Newcomers(["b"], ("r1",))) == []


def test_what_was_unrouted_travels_with_the_first_revision_that_finds_a_destination() -> None:
    unowed = [Frozen("r1", 1), Frozen("r2", 2), Frozen("r3", 3), Frozen("r4", 4)]
    assert owed(["a"], unowed, 2, 4) == [Owed(3, "a", ("r1", "r2", "r3")), Owed(4, "a", ("r4",))]


def test_an_unrouted_study_goes_as_its_last_revision() -> None:
    unowed = [Frozen("r1", 1), Frozen("r2", 2)]
    assert owed(["a"], unowed, 2, 2) == [Owed(2, "a", ("r1", "r2"))]


def test_without_a_destination_nothing_is_owed() -> None:
    assert owed([], [Frozen("r1", 1)], 0, 1) == []


def test_a_destination_that_a_late_image_leads_to_is_owed_the_whole_study() -> None:
    newcomers = Newcomers(["b"], ("r1", "r2", "r3"))
    assert owed(["a", "b"], [Frozen("r3", 2)], 1, 2, newcomers) == [
        Owed(2, "a", ("r3",)),
        Owed(2, "b", ("r1", "r2", "r3")),
    ]
