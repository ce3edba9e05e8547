"""A study completes once, with its evidence; what comes later makes a new revision."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from pydicom.uid import generate_uid

from dicom_router.events import message
from dicom_router.models import Sender, StudyState
from dicom_router.tasks import Task
from services.organizer.handlers import Handlers
from tests.integration.organizer.conftest import Bench
from tests.support.instances import Scanner, data_set


def send(bench: Bench, scanner: Scanner, study: str, *uids: str, release: bool = True) -> None:
    """Store instances of a study and end the association, as its messages tell the organizer."""
    handlers = Handlers(
        bench.intake,
        bench.quarantine(),
        bench.database,
        Task("idle", lambda: None, every=1),
        Task("idle", lambda: None, every=1),
        bench.clock,
    )
    events = [
        scanner.store(
            data_set(StudyInstanceUID=study, SOPInstanceUID=uid, SeriesInstanceUID="1.2"), uid
        )
        for uid in uids
    ]
    payloads = [*events, *([scanner.release()] if release else [])]
    handlers.on_intake(
        [message(each, id=str(n), source="/receiver/test") for n, each in enumerate(payloads)]
    )


def test_a_study_completes_once_however_many_organizers_look(bench: Bench) -> None:
    study = generate_uid()
    send(bench, bench.scanner(), study, generate_uid(), generate_uid())
    bench.completing().complete_quiet_studies()
    assert bench.outbox("study-complete") == []
    bench.clock.forward(seconds=31)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: bench.completing().complete_quiet_studies(), range(8)))
    (event,) = bench.outbox("study-complete")
    assert event["data"]["study_uid"] == study
    assert (event["data"]["revision"], event["data"]["new_instances"]) == (1, 2)
    assert event["data"]["evidence"]["rule"] == "settled"
    row = bench.study(study)
    assert (row.state, row.revision, row.receiving) == (StudyState.COMPLETE, 1, False)


def test_events_name_no_patient_and_no_folder(bench: Bench) -> None:
    study = generate_uid()
    send(bench, bench.scanner(), study, generate_uid())
    bench.clock.forward(seconds=31)
    bench.completing().complete_quiet_studies()
    (event,) = bench.outbox("study-complete")
    assert not any(word in str(event) for word in ("P001", "DOE", bench.study(study).folder))


def test_nothing_completes_before_the_first_sweep(bench: Bench) -> None:
    send(bench, bench.scanner(), generate_uid(), generate_uid())
    bench.clock.forward(hours=1)
    bench.swept.clear()
    bench.completing().complete_quiet_studies()
    assert bench.outbox("study-complete") == []


def test_an_open_association_holds_a_study_until_the_idle_time(bench: Bench) -> None:
    study = generate_uid()
    send(bench, bench.scanner(), study, generate_uid(), release=False)
    bench.clock.forward(seconds=59)
    bench.completing().complete_quiet_studies()
    assert bench.study(study).state == StudyState.RECEIVING
    bench.clock.forward(seconds=2)
    bench.completing().complete_quiet_studies()
    completeness = bench.study(study).completeness
    assert completeness is not None
    assert completeness["rule"] == "idle"


def test_a_study_does_not_wait_for_the_time_that_the_clock_was_set_back(bench: Bench) -> None:
    study = generate_uid()
    bench.clock.forward(hours=2)  # as at a start before the time server has been asked
    send(bench, bench.scanner(), study, generate_uid())
    bench.clock.forward(hours=-2)
    bench.completing().complete_quiet_studies()
    assert bench.study(study).state == StudyState.COMPLETE


def test_an_organizer_whose_clock_is_behind_completes_nothing_early(bench: Bench) -> None:
    study = generate_uid()
    send(bench, bench.scanner(), study, generate_uid())
    bench.clock.forward(minutes=-5)
    bench.completing().complete_quiet_studies()
    assert bench.study(study).state == StudyState.RECEIVING


def test_a_sender_that_settles_sooner_completes_sooner(bench: Bench) -> None:
    with bench.database.write() as session:
        session.add(
            Sender(
                name="ct-1",
                ae_title="CT1",
                addresses=[],
                host="",
                settle_seconds=5,
                created_at=bench.clock(),
                updated_at=bench.clock(),
            )
        )
    study = generate_uid()
    send(bench, bench.scanner(), study, generate_uid())
    bench.clock.forward(seconds=6)
    bench.completing().complete_quiet_studies()
    assert bench.study(study).state == StudyState.COMPLETE


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_a_uid_that_is_none_keeps_no_study_from_completing(bench: Bench) -> None:
    study = "9" * 250
    send(bench, bench.scanner(), study, generate_uid())
    bench.clock.forward(seconds=61)
    bench.completing().complete_quiet_studies()
    assert bench.study(study).state == StudyState.COMPLETE
    bench.relay.relay()


def test_a_late_image_makes_a_new_revision_with_it_alone(bench: Bench) -> None:
    study = generate_uid()
    send(bench, bench.scanner(), study, generate_uid(), generate_uid())
    bench.clock.forward(seconds=31)
    bench.completing().complete_quiet_studies()
    bench.mark_sent(study)
    send(bench, bench.scanner("b" * 16), study, generate_uid())
    assert bench.study(study).state == StudyState.RECEIVING
    assert bench.study(study).sent_at is None
    bench.clock.forward(seconds=31)
    bench.completing().complete_quiet_studies()
    events = bench.outbox("study-complete")
    assert [(e["data"]["revision"], e["data"]["new_instances"]) for e in events] == [(1, 2), (2, 1)]
    assert bench.study(study).image_count == 3


def test_the_same_images_before_they_are_sent_change_nothing(bench: Bench) -> None:
    study, uids = generate_uid(), [generate_uid() for _ in range(3)]
    send(bench, bench.scanner(), study, *uids)
    bench.clock.forward(seconds=31)
    bench.completing().complete_quiet_studies()
    send(bench, bench.scanner("b" * 16), study, *uids)
    bench.clock.forward(hours=1)
    bench.completing().complete_quiet_studies()
    assert bench.study(study).state == StudyState.COMPLETE
    assert len(bench.outbox("study-complete")) == 1


def test_the_same_images_after_they_were_sent_are_a_new_revision(bench: Bench) -> None:
    study, uids = generate_uid(), [generate_uid() for _ in range(3)]
    send(bench, bench.scanner(), study, *uids)
    bench.clock.forward(seconds=31)
    bench.completing().complete_quiet_studies()
    bench.mark_sent(study)
    send(bench, bench.scanner("b" * 16), study, *uids)
    bench.clock.forward(seconds=31)
    bench.completing().complete_quiet_studies()
    row = bench.study(study)
    assert (row.revision, row.image_count) == (2, 3)
    assert bench.outbox("study-complete")[-1]["data"]["new_instances"] == 3
    assert len(bench.files()) == 3
    assert bench.aside() == {}


def test_the_same_images_again_on_the_association_that_sent_them_are_noted(bench: Bench) -> None:
    study, uid, scanner = generate_uid(), generate_uid(), bench.scanner()
    send(bench, scanner, study, uid, release=False)
    bench.clock.forward(seconds=61)
    bench.completing().complete_quiet_studies()
    bench.mark_sent(study)
    send(bench, scanner, study, uid)
    assert bench.study(study).state == StudyState.SENT
