"""What the API tells of queues, and how it takes dead letters back to work."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dicom_router.bus import Queue, QueueDepth
from dicom_router.events import (
    DeliveryDue,
    DeliveryRetry,
    InstanceStored,
    Payload,
    expect,
    message,
)
from dicom_router.models import Receipt
from dicom_router.queues import INTAKE, STUDY_COMPLETE, delivery_queue
from dicom_router.said import said
from services.api.queue_history import EVERY, KEPT, QueueHistory, Standing
from tests.integration.api.conftest import NOON, Api, a_delivery, a_destination, a_study, complete
from tests.support.waiting import wait_for

LATER = NOON + timedelta(hours=1)


def bury(api: Api, queue: Queue, payload: Payload, letter_id: str, **headers: Any) -> None:
    """Make a dead letter of a queue."""
    api.bus.declare(queue)
    made = message(payload, id=letter_id, source="t", time=NOON, routing_key=queue.dead_letter_name)
    headers = {
        "x-attempt": 4,
        "x-last-error": "TryAgain: no luck",
        "x-queue": queue.name,
        **headers,
    }
    headers.setdefault("x-first-failed-at", NOON.isoformat())
    api.bus.publish(replace(made, headers=headers)).result(5)


def stored(receipt_id: str) -> InstanceStored:
    return InstanceStored(
        receipt_id=receipt_id,
        receiver="r",
        association_id="a",
        calling_ae_title="CT1",
        called_ae_title="X",
        peer_address="",
        sop_class_uid="1",
        sop_instance_uid="1",
        transfer_syntax_uid="1",
        spool_path="x",
        size=1,
        sha256="",
    )


def letters(api: Api, queue: Queue, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get(f"/queues/{queue.name}/dlq", **query)["items"]
    return found


def test_queues_show_what_waits_who_consumes_and_what_died(api: Api) -> None:
    bury(api, STUDY_COMPLETE, complete("1.2"), "new", **{"x-first-failed-at": LATER.isoformat()})
    bury(api, STUDY_COMPLETE, complete("1.2"), "old")
    waiting = message(complete("1"), id="w", source="t", routing_key=STUDY_COMPLETE.retry_name(10))
    api.bus.publish(waiting).result(5)
    found = {each["name"]: each for each in api.get("/queues")["items"]}
    assert found[STUDY_COMPLETE.name] == {
        "name": "forwarder.study-complete",
        "ready": 0,
        "consumers": 0,
        "retry": [
            {"name": "forwarder.study-complete.retry.10s", "messages": 1},
            {"name": "forwarder.study-complete.retry.1m", "messages": 0},
            {"name": "forwarder.study-complete.retry.10m", "messages": 0},
        ],
        "dead_letters": 2,
        "open_deliveries": None,
        "oldest_waiting_at": None,
        "oldest_dead_letter_at": "2026-01-22T12:00:00Z",
        "grows_when": "the forwarders are away or wait for the database",
    }
    assert found["api.events"]["consumers"] == 1
    assert "organizer.intake" not in found  # nobody has made it


def test_a_destination_s_queue_is_listed_with_its_30_s_tier(api: Api) -> None:
    api.post("/destinations", a_destination())
    api.bus.declare(delivery_queue("pacs"))
    page = api.get("/queues", limit=1)
    assert [each["name"] for each in page["items"]] == ["api.events"]
    names = [each["name"] for each in api.get("/queues", cursor=page["next"])["items"]]
    assert names == ["forwarder.deliver.pacs"]
    api.get("/queues", status=422, limit=501)


def test_a_destination_s_queue_says_what_is_owed_and_since_when(api: Api) -> None:
    api.post("/destinations", a_destination())
    api.bus.declare(delivery_queue("pacs"))
    assert owed(api) == (0, None)
    api.add(
        a_delivery("d1", state="delivered", created_at=NOON),
        a_delivery("d2", state="waiting", created_at=LATER + timedelta(hours=1)),
        a_delivery("d3", state="retrying", created_at=LATER),
        a_delivery("d4", state="waiting", created_at=NOON, destination="other"),
    )
    assert owed(api) == (2, "2026-01-22T13:00:00Z")


def owed(api: Api) -> tuple[int, Any]:
    (found,) = (q for q in api.get("/queues")["items"] if q["name"] == delivery_queue("pacs").name)
    return found["open_deliveries"], found["oldest_waiting_at"]


def test_dead_letters_say_why_since_when_and_of_which_study(api: Api) -> None:
    bury(api, STUDY_COMPLETE, complete("1.2.3"), "m1")
    assert letters(api, STUDY_COMPLETE) == [
        {
            "message_id": "m1",
            "type": "dicomrouter.study-complete.v1",
            "sent_at": "2026-01-22T12:00:00Z",
            "reason": "TryAgain: no luck",
            "attempt": 4,
            "first_failed_at": "2026-01-22T12:00:00Z",
            "study_uid": "1.2.3",
            "delivery_id": None,
            "of_use": True,
        }
    ]


def test_an_image_s_letter_finds_its_study_by_its_receipt(api: Api) -> None:
    api.add(a_receipt("r1", "1.2.3"))
    bury(api, INTAKE, stored("r1"), "r1")
    bury(api, INTAKE, stored("r2"), "r2")
    assert [each["study_uid"] for each in letters(api, INTAKE)] == ["1.2.3", None]


def test_letters_come_in_pages_oldest_failure_first(api: Api) -> None:
    for number in (3, 1, 2, 0):
        at = NOON + timedelta(minutes=number)
        bury(api, INTAKE, stored("r"), f"m{number}", **{"x-first-failed-at": at.isoformat()})
    first = api.get(f"/queues/{INTAKE.name}/dlq", limit=3)
    assert [each["message_id"] for each in first["items"]] == ["m0", "m1", "m2"]
    rest = api.get(f"/queues/{INTAKE.name}/dlq", limit=3, cursor=first["next"])
    assert [each["message_id"] for each in rest["items"]] == ["m3"]
    assert rest["next"] is None


@pytest.mark.parametrize(
    ("what", "comes_back"),
    [
        ({"message_id": "m1"}, {"m1"}),
        ({"study_uid": "1.2"}, {"m1", "m2"}),
        ({}, {"m1", "m2", "m3"}),
    ],
)
def test_one_message_a_study_or_all_go_back_to_work(
    api: Api, what: dict[str, str], comes_back: set[str]
) -> None:
    for letter_id, study_uid in (("m1", "1.2"), ("m2", "1.2"), ("m3", "1.9")):
        bury(api, STUDY_COMPLETE, complete(study_uid), letter_id)
    answer = api.post(f"/queues/{STUDY_COMPLETE.name}/dlq/replay", what, status=202)
    assert answer == {"replayed": len(comes_back), "dropped": 0}
    api.bus.consume(STUDY_COMPLETE, api.take)
    came = [api.command() for _ in comes_back]
    assert {each.id for each in came} == comes_back
    assert all(each.headers == {} for each in came)
    left = {each["message_id"] for each in letters(api, STUDY_COMPLETE)}
    assert left == {"m1", "m2", "m3"} - comes_back


def test_a_message_that_is_not_there_is_not_replayed(api: Api) -> None:
    bury(api, STUDY_COMPLETE, complete("1.2"), "m1")
    path = f"/queues/{STUDY_COMPLETE.name}/dlq/replay"
    assert "m9" in api.post(path, {"message_id": "m9"}, status=404)["detail"]
    api.post(path, {"everything": True}, status=422)
    api.post("/queues/no.such/dlq/replay", {}, status=404)
    api.get("/queues/no.such/dlq", status=404)
    assert len(letters(api, STUDY_COMPLETE)) == 1


def test_a_failed_delivery_s_letter_has_it_tried_again_and_others_are_dropped(api: Api) -> None:
    api.post("/destinations", a_destination())
    api.command()  # destination-changed
    api.add(
        a_study("1.2.3", state="failed"),
        a_study("1.2.4", deleted=True),
        a_delivery("failed", state="failed"),
        a_delivery("replaced", state="failed", replaced_by="other"),
        a_delivery("delivered", state="delivered"),
        a_delivery("deleted", "1.2.4", state="failed"),
        a_delivery("nowhere", state="failed", destination="gone"),
    )
    queue = delivery_queue("pacs")
    for each in ("failed", "replaced", "delivered", "deleted", "nowhere"):
        bury(api, queue, DeliveryDue(delivery_id=each, study_uid="1.2.3"), f"m-{each}")
    useful = {each["delivery_id"] for each in letters(api, queue) if each["of_use"]}
    assert useful == {"failed"}
    answer = api.post(f"/queues/{queue.name}/dlq/replay", {}, status=202)
    assert answer == {"replayed": 1, "dropped": 4}
    retry = expect(api.command(), DeliveryRetry)
    assert retry == DeliveryRetry(delivery_id="failed", by="admin", at=NOON)
    assert letters(api, queue) == []


def test_to_try_a_delivery_again_takes_its_letter_away_and_no_other(api: Api) -> None:
    api.post("/destinations", a_destination())
    api.command()  # destination-changed
    api.add(a_study(), *(a_delivery(each, state="failed") for each in ("d1", "d2")))
    queue = delivery_queue("pacs")
    for each in ("d1", "d2"):
        bury(api, queue, DeliveryDue(delivery_id=each, study_uid="1.2.3"), f"m-{each}")
    api.post("/deliveries/d1/retry", status=202)
    assert len(letters(api, queue)) == 2, "it may have failed again since it was asked for"
    api.now[0] += timedelta(seconds=1)
    api.post("/deliveries/d1/retry", status=202)
    assert [each["delivery_id"] for each in letters(api, queue)] == ["d2"]
    assert api.command().routing_key == "delivery-retry"


def test_a_study_s_letters_go_back_to_work_from_all_queues(api: Api) -> None:
    api.add(a_study("1.2.3"), a_receipt("r1", "1.2.3"))
    bury(api, STUDY_COMPLETE, complete("1.2.3"), "m1")
    bury(api, STUDY_COMPLETE, complete("1.9"), "m2")
    bury(api, INTAKE, stored("r1"), "r1")
    answer = api.post("/studies/1.2.3/replay", status=202)
    assert answer == {"replayed": 2, "dropped": 0}
    assert [each["message_id"] for each in letters(api, STUDY_COMPLETE)] == ["m2"]


def test_queues_nobody_consumes_and_dead_letters_are_checks(start: Callable[..., Api]) -> None:
    api = start()
    checks = {each["id"]: each for each in api.get("/diagnostics")}
    assert (checks["queues"]["status"], checks["dead-letters"]["status"]) == ("ok", "ok")
    bury(api, STUDY_COMPLETE, complete("1.2"), "m1")
    checks = {each["id"]: each for each in api.get("/diagnostics")}
    assert checks["queues"]["status"] == "warn"
    assert "forwarder.study-complete (1)" in checks["dead-letters"]["detail"]
    waiting = message(complete("1"), id="w", source="t", routing_key=STUDY_COMPLETE.name)
    api.bus.publish(waiting).result(5)
    checks = {each["id"]: each for each in api.get("/diagnostics")}
    assert checks["queues"]["status"] == "fail"
    told = "Nobody consumes forwarder.study-complete; messages that wait: 1"
    assert told in checks["queues"]["detail"]


def a_receipt(receipt_id: str, study_uid: str) -> Receipt:
    return Receipt(
        receipt_id=receipt_id,
        association_id="a",
        state="assigned",
        study_uid=study_uid,
        series_uid="",
        sop_class_uid="1",
        sop_instance_uid=receipt_id,
        transfer_syntax_uid="1",
        instance_number="",
        size=1,
        sha256="",
        spool_path="x",
        received_at=NOON,
    )


def test_how_deep_the_queues_are_is_noted_from_the_start(api: Api) -> None:
    (sample,) = wait_for(lambda: api.get("/queues/history")["samples"], "a sample of the start")
    assert sample == {"at": "2026-01-22T12:00:00Z", "waiting": {}, "dead": {}}
    assert api.get("/queues/history")["every_seconds"] == 30


def test_what_is_to_be_tried_again_waits_as_well() -> None:
    history = QueueHistory(lambda: NOON)
    work = QueueDepth(name=INTAKE.name, messages=2, consumers=1)
    tiers = [QueueDepth(name=f"{INTAKE.name}.retry.10s", messages=3, consumers=0)]
    history.note([Standing(INTAKE, said("nothing"), work, tiers, dead=4)])
    (sample,) = history.samples()
    assert (sample.waiting, sample.dead) == ({INTAKE.name: 5}, {INTAKE.name: 4})


def test_depths_of_long_ago_are_forgotten() -> None:
    now = [NOON]
    history = QueueHistory(lambda: now[0])
    for _ in range(1000):
        history.note([])
        now[0] += EVERY
    kept = history.samples()
    assert (len(kept) * EVERY, kept[-1].at) == (KEPT, now[0] - EVERY)
