"""What becomes of an image whose SOP Instance UID has been received before."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydicom.uid import generate_uid

from dicom_router.models import Receipt, ReceiptState, StudyState
from services.organizer.completing import Completing
from tests.integration.organizer.conftest import Bench
from tests.support.instances import data_set


def ended(bench: Bench, state: ReceiptState) -> list[Receipt]:
    return [each for each in bench.receipts().values() if each.state == state]


@pytest.mark.parametrize("same", [True, False], ids=["same-bytes", "other-bytes"])
def test_on_several_associations_at_once_through_several_organizers_nothing_is_lost(
    bench: Bench, same: bool
) -> None:
    study, uid = str(generate_uid()), str(generate_uid())
    sent = [
        data_set(
            StudyInstanceUID=study,
            SeriesInstanceUID="1.2.3",
            SOPInstanceUID=uid,
            StudyDescription="SAME" if same else f"NUMBER {number}",
        )
        for number in range(4)
    ]
    events = [
        bench.scanner(f"{number}" * 16).store(encoded, uid) for number, encoded in enumerate(sent)
    ]
    start = threading.Barrier(4)

    def organize(number: int) -> None:
        intake = bench.another_intake()
        start.wait(10)
        intake.organize([events[number]])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(organize, range(4)))
    (current,) = ended(bench, ReceiptState.ORGANIZED)
    others = ended(bench, ReceiptState.DUPLICATE if same else ReceiptState.SUPERSEDED)
    assert len(others) == 3
    (content,) = bench.files().values()
    kept = [content]
    if not same:
        kept += [bench.archive.path(str(each.file_name)).read_bytes() for each in others]
    assert all(any(file.endswith(encoded) for file in kept) for encoded in sent)
    assert content.endswith(sent[[e.receipt_id for e in events].index(current.receipt_id)])
    assert (bench.spooled(), bench.study(study).image_count) == ([], 1)


def test_within_one_batch_the_last_of_several_counts_and_all_are_kept(bench: Bench) -> None:
    study, uid, scanner = str(generate_uid()), str(generate_uid()), bench.scanner()
    sent = [
        data_set(StudyInstanceUID=study, SOPInstanceUID=uid, StudyDescription=f"NUMBER {number}")
        for number in range(3)
    ]
    bench.intake.organize([scanner.store(encoded, uid) for encoded in sent])
    (content,) = bench.files().values()
    assert content.endswith(sent[-1])
    aside = [
        bench.archive.path(str(each.file_name)).read_bytes()
        for each in ended(bench, ReceiptState.SUPERSEDED)
    ]
    assert len(aside) == 2
    assert all(any(file.endswith(encoded) for file in aside) for encoded in sent[:2])


def test_the_same_uid_in_two_studies_is_two_instances(bench: Bench) -> None:
    uid, scanner, studies = str(generate_uid()), bench.scanner(), [str(generate_uid()), "1.2.3.4"]
    bench.intake.organize(
        [
            scanner.store(data_set(StudyInstanceUID=study, SOPInstanceUID=uid), uid)
            for study in studies
        ]
    )
    assert len(ended(bench, ReceiptState.ORGANIZED)) == 2
    assert len(bench.files()) == 2
    assert [bench.study(study).image_count for study in studies] == [1, 1]
    assert bench.aside() == {}


def test_the_same_bytes_while_a_delivery_runs_are_noted_and_owe_nothing_more(bench: Bench) -> None:
    study, uid = str(generate_uid()), str(generate_uid())
    encoded = data_set(StudyInstanceUID=study, SOPInstanceUID=uid)
    bench.intake.organize([bench.scanner().store(encoded, uid)])
    complete(bench.completing(), bench)
    bench.intake.organize([bench.scanner("b" * 16).store(encoded, uid)])
    complete(bench.completing(), bench)
    row = bench.study(study)
    assert (row.revision, row.receiving) == (1, False)
    assert len(ended(bench, ReceiptState.DUPLICATE)) == 1


def test_other_bytes_while_a_delivery_runs_make_a_revision_of_their_own(bench: Bench) -> None:
    study, uid = str(generate_uid()), str(generate_uid())
    for association, description in (("a", "OLD"), ("b", "NEW")):
        encoded = data_set(StudyInstanceUID=study, SOPInstanceUID=uid, StudyDescription=description)
        bench.intake.organize([bench.scanner(association * 16).store(encoded, uid)])
        complete(bench.completing(), bench)
    row = bench.study(study)
    assert (row.revision, row.state) == (2, StudyState.COMPLETE)
    told = bench.outbox("study-complete")
    assert [each["data"]["new_instances"] for each in told] == [1, 1]


def complete(completing: Completing, bench: Bench) -> None:
    bench.clock.forward(seconds=61)
    completing.complete_quiet_studies()
