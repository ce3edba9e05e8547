"""Studies: the same as in the history and more, page by page, found by what people know of them."""

import os
import shutil
from contextlib import closing
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import event, text

from dicom_router.archive import Archive
from dicom_router.database import Database
from dicom_router.history import history_entry
from dicom_router.models import (
    Association,
    DeliveryInstance,
    Receipt,
    Series,
    Study,
    StudyState,
    TimelineEntry,
)
from services.api.paging import Cursor
from services.api.queries.studies import StudyFilter, cursor_of, gathered, studies
from tests.integration.api.conftest import NOON, Api, a_delivery, a_study
from tests.support.instances import Scanner, data_set


def test_a_study_has_what_the_history_says_and_more(api: Api) -> None:
    study = a_study(
        state="sent", sent_at=NOON, image_count=2, revision=1, completeness={"why": "released"}
    )
    owed = [
        DeliveryInstance(delivery_id="d1", receipt_id="r1", state="delivered"),
        DeliveryInstance(delivery_id="d1", receipt_id="r2", state="waiting"),
        DeliveryInstance(delivery_id="d1", receipt_id="r0", state="superseded"),
    ]
    api.add(
        study, a_delivery("d1", created_at=NOON + timedelta(hours=1)), a_delivery("d0", revision=0)
    )
    api.add(*owed)
    shown = api.get("/studies/1.2.3")
    assert history_entry(study).items() <= shown.items()
    assert api.get("/studies")["items"] == [shown]
    assert shown["completeness"] == {"why": "released"}
    assert shown["sent"] is True
    assert [each["id"] for each in shown["deliveries"]] == ["d0", "d1"]
    assert (shown["deliveries"][1]["sent"], shown["deliveries"][1]["total"]) == (1, 2)


def test_a_study_tells_which_of_its_files_are_there(api: Api) -> None:
    study = a_study(image_count=4)
    api.add(study, *(_receipt(number, file_name=f"{number}.dcm") for number in range(4)))
    folder = api.settings.data_dir / study.folder
    folder.mkdir()
    for number, written_at in ((0, NOON), (1, NOON), (2, NOON + timedelta(hours=1))):
        file = folder / f"{number}.dcm"
        file.write_bytes(b"not looked at unless written to later")
        os.utime(file, (written_at.timestamp(), written_at.timestamp()))
    assert api.get("/studies/1.2.3/files") == {"there": 2, "replaced": 1, "missing": 1}
    api.get("/studies/1.2.4/files", status=404)


def test_a_file_that_was_put_back_later_is_there(api: Api) -> None:
    sent = Scanner(Archive(api.settings.data_dir)).store(data_set(), "1.9")
    study = a_study(image_count=1)
    api.add(study, _receipt(0, receipt_id=sent.receipt_id, file_name="0.dcm"))
    (api.settings.data_dir / study.folder).mkdir()
    shutil.copy(
        api.settings.data_dir / sent.spool_path, api.settings.data_dir / study.folder / "0.dcm"
    )
    assert api.get("/studies/1.2.3/files") == {"there": 1, "replaced": 0, "missing": 0}


def test_a_delivery_that_has_ended_well_knows_how_many_images_it_had(api: Api) -> None:
    api.add(a_study(), a_delivery("d1", state="delivered", images=245))
    (shown,) = api.get("/studies/1.2.3")["deliveries"]
    assert (shown["sent"], shown["total"]) == (245, 245)


def test_pages_show_every_study_once_while_studies_arrive(api: Api) -> None:
    api.add(*(_numbered(number) for number in range(25)))
    seen, cursor = [], None
    while True:
        page = api.get("/studies", limit=10, **({"cursor": cursor} if cursor else {}))
        seen += [study["study_uid"] for study in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
        api.add(_numbered(100 + len(seen)))  # newer than all: not on a later page
    assert seen == [f"1.{number}" for number in reversed(range(25))]


def test_a_page_has_50_studies_unless_told_otherwise_and_500_at_most(api: Api) -> None:
    api.add(*(_numbered(number) for number in range(501)))
    assert len(api.get("/studies")["items"]) == 50
    assert len(api.get("/studies", limit=500)["items"]) == 500
    api.get("/studies", status=422, limit=501)


def test_every_order_leads_through_all_studies(api: Api) -> None:
    api.add(
        *(
            _numbered(number, patient_name=f"N{number % 3}", image_count=number % 4, size_bytes=5)
            for number in range(20)
        )
    )
    for key in (
        "created_at",
        "patient_name",
        "patient_id",
        "study_date",
        "image_count",
        "size_bytes",
    ):
        up, down = _walk(api, key), _walk(api, f"-{key}")
        assert len(set(up)) == 20, key
        assert up == down[::-1], key
    by_name = api.get("/studies", sort="patient_name")["items"]
    assert [each["patient_name"] for each in by_name] == sorted(
        each["patient_name"] for each in by_name
    )


def test_a_cursor_of_no_number_that_a_database_has_is_an_end(api: Api) -> None:
    api.add(a_study(image_count=5))
    for key in (10**30, -(10**30)):
        cursor = str(Cursor("image_count", key, "1.2.3"))
        assert len(api.get("/studies", cursor=cursor, sort="image_count")["items"]) == (key < 0)


def test_a_cursor_is_good_for_its_own_order_only(api: Api) -> None:
    api.add(*(_numbered(number) for number in range(3)))
    cursor = api.get("/studies", limit=1)["next"]
    problem = api.get("/studies", status=422, cursor=cursor, sort="patient_name")
    assert problem["errors"][0]["field"] == "cursor"


def test_each_filter_finds_the_study_by_its_own_value_and_not_by_another(api: Api) -> None:
    api.add(
        a_study(
            state="sent",
            modalities=["CT", "SR"],
            patient_id="P_1%",
            patient_name="Ångström_Жанна",
            accession_number="ACC77",
        )
    )
    filters: dict[str, tuple[tuple[Any, ...], tuple[Any, ...]]] = {
        "q": (("p_1%", "acc7", "chest", "1.2.3", "ström Жа"), ("P%1", "PX1", "1.2", "_1_")),
        "patient_id": (("P_1%",), ("P", "P_1", "PX1%")),
        "patient_name": (("Жанна", "Ångström^Жанна", "Ångström Жанна", "ngstr"), ("Jo",)),
        "modality": (("CT", "SR"), ("C", "MR")),
        "state": (("sent",), ("failed",)),
        "sent": (("true",), ("false",)),
        "received_from": (("2026-01-22T12:00:00Z", "2000-01-01"), ("2026-01-22T12:00:01Z",)),
        "received_to": (("2026-01-22T12:00:00Z", "2999-01-01"), ("2026-01-22T11:59:59Z",)),
    }
    for name, (matching, others) in filters.items():
        for value in matching:
            assert len(api.get("/studies", **{name: value})["items"]) == 1, (name, value)
        for value in others:
            assert api.get("/studies", **{name: value})["items"] == [], (name, value)
    several = api.client.get("/api/v1/studies?state=failed&state=sent").json()
    assert len(several["items"]) == 1


def test_a_search_finds_words_in_any_order_with_or_without_accents(api: Api) -> None:
    api.add(
        _numbered(1, patient_name="CONCEIÇÃO_MARIA", study_description="TÓRAX"),
        _numbered(2, patient_name="SOUZA_MÁRIO", study_description="TORAX"),
    )
    for typed, numbers in {
        "maria conceicao": [1],
        "Conceição, María": [1],
        "torax": [2, 1],
        "ma": [2, 1],  # one or two letters: where a word begins
        "ia": [],
        "rio": [2],
        "torax souza": [2],
        "": [2, 1],
    }.items():
        assert _uids(api.get("/studies", q=typed)) == [f"1.{each}" for each in numbers], typed
    assert _uids(api.get("/studies", patient_name="mario souza")) == ["1.2"]
    assert _uids(api.get("/studies", patient_name="torax")) == []


@pytest.mark.parametrize("looked_at", [1, 10, 1_000])
def test_what_fits_is_found_in_order_page_by_page(database: Database, looked_at: int) -> None:
    """Wherever it is: among those that are looked at first, behind them, or on both sides."""
    rare = {1, 2, 30, 55, 59}
    values = {"patient_name": "ROCHA_ANA", "modalities": ["MR"], "state": "failed"}
    with database.write() as session:
        session.add_all(
            _numbered(
                number,
                **{"state": "sent", "image_count": number, **(values if number in rare else {})},
            )
            for number in range(60)
        )
    for wanted in (
        StudyFilter(q="rocha"),
        StudyFilter(patient_name="ana"),
        StudyFilter(modality="MR"),
        StudyFilter(states=(StudyState.FAILED,)),
        StudyFilter(sent=False),
        StudyFilter(q="ana", modality="MR", sent=False, received_from=NOON),
    ):
        for sort, order in (("-created_at", sorted(rare)[::-1]), ("image_count", sorted(rare))):
            found = _paged(database, wanted, sort, looked_at)
            assert found == [f"1.{each}" for each in order], (wanted, sort)
    everybody = _paged(database, StudyFilter(q="doe"), "-created_at", looked_at)
    assert everybody == [f"1.{each}" for each in reversed(range(60)) if each not in rare]
    assert _paged(database, StudyFilter(q="nobody"), "-created_at", looked_at) == []


@pytest.mark.postgresql
def test_words_and_modalities_have_an_index_on_postgresql(postgresql_url: str) -> None:
    asked: list[tuple[str, Any]] = []
    with closing(Database(postgresql_url)) as database, database.write() as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))
        event.listen(database.engine, "before_cursor_execute", lambda *a: asked.append(a[2:4]))
        for wanted, index in {
            StudyFilter(q="rocha ana"): "ix_studies_search",
            StudyFilter(q="1.2.840"): "ix_studies_search",
            StudyFilter(patient_name="r"): "ix_studies_search",
            StudyFilter(modality="CT"): "ix_studies_modalities",
        }.items():
            session.scalars(gathered(session, wanted, "-created_at", None, 51)).all()
            sql, values = asked[-1]
            plan = session.connection().exec_driver_sql(f"EXPLAIN {sql}", values).scalars()
            assert index in " ".join(plan), wanted


def test_a_day_as_an_end_includes_that_day(api: Api) -> None:
    local = NOON.astimezone().date()
    api.add(a_study())
    assert len(api.get("/studies", received_from=local, received_to=local)["items"]) == 1
    before = local - timedelta(days=1)
    assert api.get("/studies", received_to=before)["items"] == []


def test_a_uid_may_contain_anything(api: Api) -> None:
    for number, uid in enumerate(("a/series", "a%2Fb", "../x y", "1.2?#&", "Жé", "a//b")):
        api.add(a_study(uid, folder=f"f{number}"))
        path = f"/studies/{quote(uid, safe='')}"
        assert api.get(path)["study_uid"] == uid
        assert api.get(f"{path}/series")["items"] == []
        assert api.get(f"{path}/timeline") == []


def test_series_and_instances_come_in_pages(api: Api) -> None:
    api.add(a_study(), *(_receipt(number) for number in range(7)), _series("1.5"), _series("1.6"))
    api.add(_receipt(7, state="duplicate"))
    first = api.get("/studies/1.2.3/instances", limit=5)
    rest = api.get("/studies/1.2.3/instances", limit=5, cursor=first["next"])
    uids = [each["sop_instance_uid"] for each in first["items"] + rest["items"]]
    assert uids == [f"1.9.{number}" for number in range(7)]
    assert rest["next"] is None
    one = api.get("/studies/1.2.3/series", limit=1)
    assert (one["items"][0]["series_uid"], one["items"][0]["image_count"]) == ("1.5", 7)
    two = api.get("/studies/1.2.3/series", limit=1, cursor=one["next"])
    assert (two["items"][0]["series_uid"], two["items"][0]["image_count"]) == ("1.6", 0)


def test_the_timeline_tells_the_story_in_order(api: Api) -> None:
    later = NOON + timedelta(hours=1)
    api.add(
        a_study(revision=1, receiving=True),
        Association(
            association_id="as1",
            receiver="host-1",
            calling_ae_title="CT_ROOM_1",
            called_ae_title="DICOMROUTER",
            peer_address="10.0.0.7",
            outcome="released",
        ),
        *(_receipt(number, revision=1) for number in range(3)),
        _receipt(3, state="duplicate", revision=1, sop_instance_uid="1.9.0"),
        _receipt(4, association_id="as2", received_at=later, organized_at=later),
        TimelineEntry(
            study_uid="1.2.3",
            at=NOON + timedelta(minutes=1),
            event="completed",
            detail="released and quiet",
            data={"revision": 1, "at": "not this"},
        ),
    )
    story = api.get("/studies/1.2.3/timeline")
    assert [each["event"] for each in story] == [
        "received",
        "organized",
        "completed",
        "received",
        "organized",
    ]
    received, organized, completed, unknown, again = story
    assert received["calling_ae_title"] == "CT_ROOM_1"
    assert "CT_ROOM_1 at 10.0.0.7 sent 4 images" in received["detail"]
    assert received["at"] == "2026-01-22T12:00:00Z"
    assert (organized["instances"], organized["duplicates"], organized["revision"]) == (3, 1, 1)
    assert (completed["revision"], completed["at"]) == (1, "2026-01-22T12:01:00Z")
    assert unknown["association_id"] == "as2"
    assert again["revision"] == 2


def _numbered(number: int, **values: Any) -> Study:
    at = NOON + timedelta(seconds=number)
    return a_study(f"1.{number}", folder=f"f{number}", created_at=at, **values)


def _paged(database: Database, wanted: StudyFilter, sort: str, looked_at: int) -> list[str]:
    seen: list[str] = []
    after = None
    with database.read() as session:
        while page := studies(session, wanted, sort, after, 2, looked_at):
            seen += [study.study_uid for study in page]
            after = cursor_of(page[-1], sort)
    return seen


def _uids(page: dict[str, Any]) -> list[str]:
    return [study["study_uid"] for study in page["items"]]


def _walk(api: Api, sort: str) -> list[str]:
    seen: list[str] = []
    query: dict[str, Any] = {}
    while query.get("cursor", "") is not None:
        page = api.get("/studies", sort=sort, limit=7, **query)
        seen += _uids(page)
        query = {"cursor": page["next"]}
    return seen


def _series(uid: str) -> Series:
    return Series(
        study_uid="1.2.3",
        series_uid=uid,
        modality="CT",
        series_number="1",
        series_description="THIN",
    )


def _receipt(number: int, **values: Any) -> Receipt:
    return Receipt(
        **{
            "receipt_id": f"20260122T120000.00000{number}Z_as1_00000{number}",
            "association_id": "as1",
            "state": "organized",
            "study_uid": "1.2.3",
            "series_uid": "1.5",
            "sop_class_uid": "1.2.840.10008.5.1.4.1.1.2",
            "sop_instance_uid": f"1.9.{number}",
            "transfer_syntax_uid": "1.2.840.10008.1.2.1",
            "instance_number": str(number),
            "size": 1000,
            "sha256": "0" * 64,
            "spool_path": "",
            "received_at": NOON,
            "organized_at": NOON + timedelta(seconds=1),
            **values,
        }
    )
