"""Who called: associations and refusals, newest first."""

from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from dicom_router.database import Database
from dicom_router.events import RefusalKind
from dicom_router.models import Association
from services.api.queries import associations as queries
from tests.integration.api.conftest import NOON, Api


def an_association(number: int, **values: Any) -> Association:
    at = NOON + timedelta(minutes=number)
    return Association(
        **{
            "association_id": f"a{number:03}",
            "receiver": "host-1",
            "calling_ae_title": "CT1",
            "called_ae_title": "DICOMROUTER",
            "peer_address": "10.0.0.7",
            "opened_at": at,
            "closed_at": at,
            "outcome": "released",
            "receipts": 5,
            "refused": 0,
            **values,
        }
    )


def a_refusal(number: int, **values: Any) -> Association:
    why = "calling AE title 'CT9' from 10.0.0.9 is not a known sender: register it to admit it"
    refused = {
        "outcome": "rejected",
        "receipts": 0,
        "reason": why,
        "refusal": "unknown-caller",
        "calling_ae_title": "CT9",
    }
    return an_association(number, **refused | values)


def ids(page: dict[str, Any]) -> list[str]:
    return [each["association_id"] for each in page["items"]]


def test_who_was_refused_is_shown_with_from_where_and_why(api: Api) -> None:
    api.add(an_association(1), a_refusal(2, peer_address="10.0.0.9"))
    (shown,) = api.get("/associations", outcome="rejected")["items"]
    assert shown == {
        "association_id": "a002",
        "receiver": "host-1",
        "calling_ae_title": "CT9",
        "called_ae_title": "DICOMROUTER",
        "peer_address": "10.0.0.9",
        "opened_at": "2026-01-22T12:02:00Z",
        "closed_at": "2026-01-22T12:02:00Z",
        "outcome": "rejected",
        "receipts": 0,
        "refused": 0,
        "reason": "calling AE title 'CT9' from 10.0.0.9 is not a known sender: register it to "
        "admit it",
        "refusal": "unknown-caller",
        "fix": "If 10.0.0.9 belongs to the site, admit CT9 as a known scanner",
        "help": "/help#unknown-caller",
    }


@pytest.mark.parametrize("kind", RefusalKind)
def test_every_refusal_says_what_to_do_in_both_languages_and_leads_to_the_guide(
    api: Api, kind: RefusalKind
) -> None:
    api.add(a_refusal(1, refusal=kind))
    (shown,) = api.get("/associations")["items"]
    assert shown["refusal"] == kind
    assert shown["help"] == f"/help#{kind}"
    api.client.headers["Accept-Language"] = "pt-BR"
    (told,) = api.get("/associations")["items"]
    assert shown["fix"]
    assert told["fix"] not in ("", shown["fix"])


def test_who_was_not_refused_has_nothing_to_do_and_an_older_refusal_leads_to_all(api: Api) -> None:
    api.add(an_association(1), a_refusal(2, refusal=None))
    refused, released = api.get("/associations")["items"]
    assert (released["fix"], released["help"], released["refusal"]) == ("", None, None)
    assert (refused["help"], refused["refusal"]) == ("/help#association-rejected", None)
    assert refused["fix"]


def test_associations_are_found_by_outcome_and_caller(api: Api) -> None:
    api.add(
        an_association(1),
        an_association(2, outcome="aborted"),
        an_association(3, outcome=None, closed_at=None, receipts=None),
        a_refusal(4),
    )
    assert ids(api.get("/associations")) == ["a004", "a003", "a002", "a001"]
    assert ids(api.get("/associations", outcome="open")) == ["a003"]
    assert ids(api.get("/associations", outcome=["open", "aborted"])) == ["a003", "a002"]
    assert ids(api.get("/associations", calling_ae_title="CT9")) == ["a004"]
    assert ids(api.get("/associations", calling_ae_title="CT9", outcome="released")) == []
    assert api.get("/associations", outcome="open")["items"][0]["receipts"] is None
    assert api.get("/associations", status=422, outcome="odd")["errors"][0]["field"] == "outcome.0"


def test_pages_neither_repeat_nor_leave_out_what_was_there(api: Api) -> None:
    same = [an_association(7, association_id=f"same-{number}") for number in range(3)]
    api.add(*(a_refusal(number) for number in range(5)), *same)
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = api.get("/associations", limit=2, cursor=cursor or "")
        found += ids(page)
        api.add(an_association(100 + len(found)))
        cursor = page["next"]
        if cursor is None:
            break
    assert found == ["same-2", "same-1", "same-0", "a004", "a003", "a002", "a001", "a000"]


def test_a_cursor_of_another_list_is_refused(api: Api) -> None:
    for cursor in ("nonsense", "WyJuZXdlc3QiLCJ4IiwiMSJd"):
        assert api.get("/associations", 422, cursor=cursor)["errors"][0]["field"] == "cursor"


@pytest.mark.parametrize(
    ("outcomes", "caller", "index"),
    [
        ([], "", "ix_associations_opened"),
        (["rejected"], "", "ix_associations_outcome"),
        ([], "CT1", "ix_associations_caller"),
    ],
)
def test_a_page_is_read_from_an_index_and_sorts_nothing(
    sqlite_url: str, outcomes: list[str | None], caller: str, index: str
) -> None:
    with closing(Database(sqlite_url)) as database, database.read() as session:
        query = queries.listing(outcomes, caller, None).limit(50)
        sql = query.compile(database.engine, compile_kwargs={"literal_binds": True})
        plan = session.execute(text(f"EXPLAIN QUERY PLAN {sql}")).all()
    told = " ".join(row[3] for row in plan)
    assert index in told
    assert "TEMP B-TREE" not in told
