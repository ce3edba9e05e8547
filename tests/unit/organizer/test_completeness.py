"""When a study counts as complete."""

from datetime import UTC, datetime, timedelta

from services.organizer.completeness import AssociationView, Evidence, judge

START = datetime(2026, 1, 22, 12, 0, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def association(
    outcome: str | None = "released",
    *,
    made: int | None = 10,
    ended: int = 10,
    end_seen: float = 0,
    settle: float | None = None,
) -> AssociationView:
    seen = None if outcome is None else after(end_seen)
    return AssociationView("a1", "CT1", outcome, made, ended, seen, settle)


def judged(*associations: AssociationView, at: float) -> Evidence | None:
    return judge(START, associations, after(at), settle_seconds=30, idle_seconds=60)


def test_a_released_association_with_all_its_receipts_settles() -> None:
    assert judged(association(), at=29) is None
    evidence = judged(association(), at=30)
    assert evidence is not None
    assert evidence.rule == "settled"


def test_quiet_is_counted_from_the_last_release() -> None:
    assert judged(association(), association(end_seen=20), at=49) is None
    assert judged(association(), association(end_seen=20), at=50) is not None


def test_a_sender_may_have_its_own_settle_time() -> None:
    assert judged(association(settle=5), at=5) is not None
    assert judged(association(settle=5), association(settle=90), at=89) is None


def test_a_receipt_that_has_not_ended_keeps_the_study_from_settling() -> None:
    assert judged(association(made=11), at=59) is None
    evidence = judged(association(made=11), at=60)
    assert evidence is not None
    assert (evidence.rule, "1 receipts outstanding" in evidence.text) == ("idle", True)


def test_an_aborted_lost_or_open_association_completes_by_the_idle_time_alone() -> None:
    for outcome in ("aborted", "lost", None):
        made = None if outcome is None else 10
        assert judged(association(outcome, made=made), at=59) is None
        evidence = judged(association(outcome, made=made), at=60)
        assert evidence is not None
        assert evidence.rule == "idle"
        assert (outcome or "open") in evidence.text


def test_one_open_association_outweighs_a_released_one() -> None:
    assert judged(association(), association(None, made=None), at=59) is None


def test_a_study_without_a_known_association_completes_by_the_idle_time() -> None:
    assert judged(at=59) is None
    assert judged(at=60) is not None
