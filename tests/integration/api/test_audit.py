"""The audit trail: every change, every look at patients' data, and who may read it."""

import csv
import io
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import httpx
from sqlalchemy import select, text

from dicom_router.database import Database
from dicom_router.models import AuditEntry
from services.api.actor import BOOTSTRAP, Actor
from services.api.audit import KEPT, MOST_WAITING
from services.api.queries import audit as queries
from tests.integration.api.conftest import NOON, Api, a_delivery, a_destination, a_study
from tests.support.waiting import wait_for

UID = "1.2.3"


def client_of(api: Api, role: str, name: str) -> httpx.Client:
    made = api.post("/tokens", {"name": name, "role": role})
    headers = {"Authorization": f"Bearer {made['token']}"}
    return httpx.Client(
        base_url=f"{api.client.base_url}/api/v1", headers=headers, trust_env=False, timeout=30
    )


def entry(at: int = 0, **values: Any) -> AuditEntry:
    return AuditEntry(
        **{
            "at": NOON + timedelta(seconds=at),
            "who": "maria",
            "kind": "user",
            "role": "viewer",
            "address": "10.0.0.7",
            "action": "study.view",
            "study_uid": UID,
            "about": "",
            "outcome": "done",
            "count": 1,
            "request_id": "r",
            "detail": {},
            **values,
        }
    )


def test_a_look_at_a_study_is_on_record(api: Api) -> None:
    api.add(a_study(UID))
    looks = {
        "": "study.view",
        "/series": "study.series",
        "/instances": "study.instances",
        "/files": "study.files",
        "/timeline": "study.timeline",
    }
    with client_of(api, "viewer", "ris") as ris:
        for path in looks:
            answer = ris.get(f"/studies/{UID}{path}", headers={"X-Request-ID": f"r{path[1:]}"})
            assert answer.status_code == 200
    found = api.audited(len(looks), study=UID)
    assert {each["action"] for each in found} == set(looks.values())
    (view,) = (each for each in found if each["action"] == "study.view")
    assert {
        "who": "token:ris",
        "kind": "token",
        "role": "viewer",
        "address": "127.0.0.1",
        "outcome": "done",
        "request_id": "r",
        "count": 1,
    }.items() <= view.items()


def test_a_look_at_routes_is_on_record_when_they_name_a_patient(api: Api) -> None:
    api.post("/destinations", a_destination())
    api.post("/routes", {"name": "ct", "modalities": ["CT"], "destinations": ["pacs"]})
    api.get("/routes")
    api.get("/routes/ct")
    api.post("/routes", {"name": "one", "patient_ids": ["P001"], "destinations": ["pacs"]})
    api.get("/routes")
    api.get("/routes/one")
    actions = [each["action"] for each in api.audited(5)]
    assert actions.count("route.create") == 2
    assert [each for each in actions if each in ("route.list", "route.view")] == [
        "route.view",
        "route.list",
    ]


def test_a_look_at_the_data_folder_is_on_record_when_it_shows_studies(api: Api) -> None:
    api.add(a_study("1.2.3", state="sent"))
    api.get("/data-folder")
    (api.settings.data_dir / ".router-id").write_text("another\n")
    assert api.get("/data-folder")["missing"] == 1
    (found,) = api.audited(1)
    assert (found["action"], found["outcome"]) == ("data-folder.view", "done")


def test_of_a_search_the_patient_is_not_on_record(api: Api) -> None:
    search: dict[str, Any] = {
        "q": "silva",
        "patient_name": "silva",
        "patient_id": "4711",
        "modality": "CT",
    }
    api.get("/studies", **search, limit=10)
    (found,) = api.audited(action="study.list")
    assert found["detail"] == {
        "q": True,
        "patient_name": True,
        "patient_id": True,
        "modality": "CT",
        "limit": "10",
    }
    bulk = {"filter": {"q": "silva", "modality": "CT"}, "dry_run": True}
    api.post("/destinations", a_destination())
    api.post("/deliveries/bulk", bulk, status=200)
    (found,) = api.audited(action="delivery.bulk")
    assert found["detail"]["q"] is True
    assert found["detail"]["modality"] == "CT"


def test_a_page_that_asks_all_the_time_is_a_row_a_minute(api: Api) -> None:
    for _ in range(5):
        api.get("/studies")
    wait_for(lambda: sum_of(api, "study.list") == 5, "all looks to be counted")
    rows = api.get("/audit", action="study.list")["items"]
    assert len(rows) <= 3  # the last one is noted just after it was answered


def sum_of(api: Api, action: str) -> int:
    api.service.trail.close()
    return sum(row["count"] for row in api.get("/audit", action=action)["items"])


def test_what_shows_no_patient_is_not_on_record(api: Api) -> None:
    for path in ("/destinations", "/senders", "/queues", "/associations", "/events", "/users"):
        api.get(path)
    api.add(a_study(UID))
    api.get(f"/studies/{UID}")
    api.audited(1)


def test_a_look_at_nothing_is_on_record_as_refused(api: Api) -> None:
    api.get("/studies/9.9.9", status=404)
    (found,) = api.audited(study="9.9.9")
    assert found["outcome"] == "refused"


def test_a_change_is_on_record_with_old_and_new(api: Api) -> None:
    api.post("/destinations", a_destination())
    api.put("/destinations/pacs", a_destination(port=11112, paused=True))
    api.delete("/destinations/pacs")
    made, changed, deleted = reversed(api.audited(3))
    assert [each["action"] for each in (made, changed, deleted)] == [
        "destination.create",
        "destination.change",
        "destination.delete",
    ]
    assert {each["about"] for each in (made, changed, deleted)} == {"pacs"}
    assert changed["detail"] == {"port": [104, 11112], "paused": [False, True]}
    assert (made["who"], made["kind"], made["outcome"]) == ("admin", "bootstrap", "done")


def test_each_change_is_on_record_once(api: Api) -> None:
    api.add(a_study(UID, state="sent", revision=1), a_study("4.5.6"), a_delivery("d1", UID))
    api.post("/destinations", a_destination())
    reason = {"reason": "the wrong patient"}
    api.post(f"/studies/{UID}/hold", reason, status=200)
    api.post(f"/studies/{UID}/release", reason, status=200)
    api.post(f"/studies/{UID}/forward", {}, status=202)
    api.post("/deliveries/d1/cancel", status=200)
    api.client.request("DELETE", f"/api/v1/studies/{UID}", json=reason)
    api.post("/senders", {"name": "ct", "ae_title": "CT"})
    api.put("/senders/ct", {"ae_title": "CT2"})
    api.delete("/senders/ct")
    api.post("/echo", {"host": "127.0.0.1", "port": 1, "ae_title": "X"}, status=200)
    found = list(reversed(api.audited(10)))
    assert [each["action"] for each in found] == [
        "destination.create",
        "study.hold",
        "study.release",
        "study.forward",
        "delivery.cancel",
        "study.delete",
        "sender.create",
        "sender.change",
        "sender.delete",
        "peer.echo",
    ]
    assert [each["study_uid"] for each in found[1:6]] == [UID] * 5
    assert [each["detail"].get("reason") for each in found[1:3]] == ["the wrong patient"] * 2
    assert found[7]["detail"] == {"ae_title": ["CT", "CT2"]}
    assert found[9]["about"] == "X 127.0.0.1:1"


def test_a_change_that_is_not_made_is_on_record_as_refused(api: Api) -> None:
    api.post("/destinations", a_destination())
    api.post("/destinations", a_destination(), status=409)
    api.post("/destinations", a_destination(name="b", port=0), status=422)
    found = api.audited(3, action="destination.create")
    assert sorted(each["outcome"] for each in found) == ["done", "refused", "refused"]


def test_people_and_tokens_are_on_record_without_their_secrets(api: Api) -> None:
    password, other = "four words are fine", "five words are fine too"
    api.post("/users", {"name": "maria", "role": "viewer", "password": password})
    page = httpx.Client(
        base_url=f"{api.client.base_url}/api/v1",
        headers={"Sec-Fetch-Site": "same-origin"},
        trust_env=False,
        timeout=30,
    )
    with page:
        page.post("/session", json={"name": "maria", "password": other})
        page.post("/session", json={"name": password, "password": password})
        page.post("/session", json={"name": "maria", "password": password})
        page.put("/session/password", json={"current": password, "new": other})
        page.delete("/session")
    api.put("/users/maria", {"role": "operator", "password": password})
    api.delete("/users/maria")
    token = api.post("/tokens", {"name": "ris", "role": "viewer"})
    api.delete(f"/tokens/{token['id']}")
    api.client.get("/api/v1/studies", headers={"Authorization": "Bearer wrong"})
    found = api.audited(11)
    assert not [each for each in (password, other, token["token"], "wrong") if each in str(found)]
    told = {(each["action"], each["who"], each["outcome"], each["about"]) for each in found}
    assert told == {
        ("user.create", "admin", "done", "maria"),
        ("session.open", "", "denied", "maria"),
        ("session.open", "", "denied", ""),
        ("session.open", "maria", "done", ""),
        ("password.change", "maria", "done", ""),
        ("session.close", "maria", "done", ""),
        ("user.change", "admin", "done", "maria"),
        ("user.delete", "admin", "done", "maria"),
        ("token.create", "admin", "done", "ris"),
        ("token.delete", "admin", "done", "ris"),
        ("token.refused", "", "denied", ""),
    }
    (changed,) = (each for each in found if each["action"] == "user.change")
    assert changed["detail"] == {"role": ["viewer", "operator"], "password": "changed"}


def test_what_target_variables_do_at_the_start_is_on_record(start: Callable[..., Api]) -> None:
    target = {"TARGET_HOST": "10.0.0.9", "TARGET_PORT": 4242, "TARGET_AET": "ARCHIVE"}
    start(**target)
    start(**target)
    api = start(**target | {"TARGET_PORT": 104})
    api = start()
    freed, changed, made = api.audited(3, who="TARGET_HOST")
    assert [each["action"] for each in (made, changed, freed)] == [
        "destination.create",
        "destination.change",
        "destination.change",
    ]
    assert {(each["kind"], each["about"]) for each in (made, changed, freed)} == {
        ("setting", "default")
    }
    assert changed["detail"] == {"port": [4242, 104]}
    assert freed["detail"] == {"managed_by": ["TARGET_HOST", None]}


def test_the_trail_is_searched_by_who_what_which_study_and_when(api: Api) -> None:
    api.add(
        entry(0),
        entry(10, who="token:ris"),
        entry(20, action="study.delete"),
        entry(30, study_uid="4.5.6"),
        entry(86400, study_uid=None),
    )

    def times(**query: Any) -> list[int]:
        found = api.get("/audit", **query)["items"]
        return [seconds_of(each["at"]) for each in found if each["who"] != "admin"]

    assert times() == [86400, 30, 20, 10, 0]
    assert times(who="token:ris") == [10]
    assert times(action="study.delete") == [20]
    assert times(study="4.5.6") == [30]
    assert times(**{"from": "2026-01-22T12:00:10Z", "to": "2026-01-22T12:00:20Z"}) == [20, 10]
    api.get("/audit", action="nonsense", status=422)
    assert api.get("/audit", status=422, **{"from": "soon"})["errors"][0]["field"] == "from"


def seconds_of(time: str) -> int:
    return round((datetime.fromisoformat(time) - NOON).total_seconds())


def test_pages_show_every_entry_once_newest_first(api: Api) -> None:
    api.add(*(entry(number // 3, about=str(number)) for number in range(20)))
    seen: list[str] = []
    cursor = None
    while True:
        page = api.get("/audit", who="maria", limit=7, **({"cursor": cursor} if cursor else {}))
        seen += [each["about"] for each in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert sorted(seen, key=int) == [str(number) for number in range(20)]
    assert [int(each) // 3 for each in seen] == sorted((int(e) // 3 for e in seen), reverse=True)
    api.get("/audit", cursor="bm9uc2Vuc2U", status=422)


def test_the_export_is_csv_that_no_spreadsheet_runs(api: Api) -> None:
    api.add(
        entry(0, about="=1+1"),
        entry(1, study_uid="@evil", detail={"reason": 'say "no", please\n'}),
        *(entry(2, about=str(number)) for number in range(2500)),
    )
    answer = api.client.get("/api/v1/audit/export", params={"who": "maria"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert "audit.csv" in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == 2502
    assert rows[-1]["about"] == "'=1+1"
    assert rows[-2]["study_uid"] == "'@evil"
    assert rows[-2]["detail"] == '{"reason": "say \\"no\\", please\\n"}'
    assert rows[-1]["at"] == "2026-01-22T12:00:00Z"
    (exported,) = api.audited(action="audit.export")
    assert exported["who"] == "admin"


def test_entries_are_forgotten_after_two_years(api: Api) -> None:
    api.add(entry(0, about="old"), entry(60, about="new"))
    api.now[0] = NOON + KEPT + timedelta(seconds=1)
    api.service.prune()
    kept = api.read(lambda session: session.scalars(select(AuditEntry.about)).all())
    assert kept == ["new"]


def test_what_waits_is_written_when_the_api_stops(
    start: Callable[..., Api], database: Database
) -> None:
    api = start()
    for _ in range(3):
        api.get("/studies")
    api.service.stop(5)
    with database.read() as session:
        rows = queries.entries(session, queries.AuditFilter(action="study.list"), None, 10)
        assert sum(row.count for row in rows) == 3


def test_whatever_is_looked_for_the_trail_can_keep_it(api: Api) -> None:
    for odd in ("%ED%A0%80", "=1", "x" * 300):
        api.get(f"/studies/{odd}", status=404)
    api.audited(3, action="study.view")
    wanted = {"study_uid": "a\0b", "message_id": "c\0d"}
    api.post("/queues/organizer.intake/dlq/replay", wanted, status=404)
    (found,) = api.audited(action="queue.replay")
    assert (found["study_uid"], found["detail"]["message_id"]) == ("a?b", "c?d")


def test_nothing_is_shown_that_could_not_be_put_on_record(api: Api) -> None:
    with api.database.write() as session:
        session.execute(text("ALTER TABLE audit RENAME TO audit_away"))
    for number in range(MOST_WAITING):
        api.service.trail.add(Actor(principal=BOOTSTRAP, action="x", about=str(number)), "done")
    wait_for(lambda: api.service.trail.is_full, "what can't be written to be kept")
    assert "audit" in wait_for(
        lambda: api.client.get("/api/v1/studies").json().get("detail"), "a refusal"
    )
    api.get("/diagnostics")
    with api.database.write() as session:
        session.execute(text("ALTER TABLE audit_away RENAME TO audit"))
    api.service.trail.close()
    api.get("/studies")
