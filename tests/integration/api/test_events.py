"""Events: kept for those that were away, streamed to those that follow."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest

from dicom_router.database import Database
from dicom_router.events import DestinationUp, message
from dicom_router.models import RecordedEvent
from services.api.feed import Feed
from services.api.handlers import Recorder
from tests.integration.api.conftest import NOON, Api, complete


@dataclass(frozen=True)
class Told:
    name: str
    id: int
    data: dict[str, Any]


class Stream:
    """A client of the event stream."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.iter_lines()

    def next(self) -> Told:
        found: dict[str, str] = {}
        for line in self._lines:
            if not line and found:
                return Told(found["event"], int(found["id"]), json.loads(found["data"]))
            if line and not line.startswith(":"):
                key, _, value = line.partition(": ")
                found[key] = value
        raise EOFError("the stream has ended")


@contextmanager
def following(api: Api, query: str = "", **headers: str) -> Iterator[Stream]:
    with api.client.stream(
        "GET", f"/api/v1/events/stream{query}", headers=headers, timeout=20
    ) as answer:
        yield Stream(answer)


def test_a_follower_is_told_of_what_happens_from_now_on(api: Api) -> None:
    api.publish(complete("1.1"))
    with following(api, "?after=0") as first:
        assert first.next().data["data"]["study_uid"] == "1.1"
        with following(api) as second:
            assert second.answer.headers["content-type"].startswith("text/event-stream")
            assert second.answer.headers["cache-control"] == "no-store"
            event_id = api.publish(complete("1.2"), modality="CT")
            told = second.next()
            assert first.next() == told
    assert told.name == "study-complete"
    assert told.data["id"] == event_id
    assert told.data["specversion"] == "1.0"


def test_a_follower_that_was_away_resumes_where_it_was(api: Api) -> None:
    with following(api, "?after=0") as stream:
        for number in range(5):
            api.publish(complete(f"1.{number}"))
        told = [stream.next() for _ in range(5)]
    assert [each.data["data"]["study_uid"] for each in told] == [f"1.{n}" for n in range(5)]
    with following(api, **{"Last-Event-ID": str(told[1].id)}) as resumed:
        assert [resumed.next() for _ in range(3)] == told[2:]
    with following(api, f"?after={told[0].id}", **{"Last-Event-ID": str(told[3].id)}) as browser:
        assert browser.next() == told[4]
    answer = api.client.get("/api/v1/events/stream", headers={"Last-Event-ID": "x"})
    assert answer.status_code == 422


def test_a_follower_far_behind_catches_up_from_the_record(api: Api) -> None:
    rows = [_recorded(number) for number in range(2600)]
    api.add(*rows)
    with following(api, "?after=1") as stream:
        told = [stream.next().id for _ in range(2599)]
        assert told == list(range(2, 2601))
        api.publish(complete("1.9"))
        assert stream.next().id > 2600


def test_a_stream_can_be_of_one_kind(api: Api) -> None:
    with following(api, "?after=0&type=study-complete") as stream:
        api.publish(DestinationUp(destination="pacs", since=NOON, waiting=0))
        api.publish(complete("1.2"))
        assert stream.next().name == "study-complete"


def test_events_are_kept_for_those_that_ask_later(api: Api) -> None:
    with following(api) as stream:
        api.publish(DestinationUp(destination="pacs", since=NOON, waiting=0))
        for number in range(3):
            api.publish(complete(f"1.{number}"))
        last = [stream.next() for _ in range(4)][-1]
    page = api.get("/events", limit=3)
    rest = api.get("/events", limit=3, cursor=page["next"])
    assert [each["name"] for each in page["items"]] == ["destination-up"] + ["study-complete"] * 2
    assert rest["items"][0]["id"] == last.id
    assert rest["items"][0]["event"] == last.data
    assert rest["next"] is None
    assert api.get("/events", after=last.id)["items"] == []
    assert len(api.get("/events", type="study-complete")["items"]) == 3


def test_an_event_that_comes_twice_is_recorded_once(api: Api) -> None:
    twice = message(complete("1.1"), id="the-same", source="test")
    with following(api) as stream:
        api.bus.publish(twice)
        api.bus.publish(twice)
        api.publish(complete("1.2"))
        assert [stream.next().data["data"]["study_uid"] for _ in range(2)] == ["1.1", "1.2"]


def test_a_stream_ends_soon_after_its_token_was_revoked(api: Api) -> None:
    made = api.post("/tokens", {"name": "ris", "role": "viewer"})
    bearer = {"Authorization": f"Bearer {made['token']}"}
    with following(api, **bearer) as stream:
        api.now[0] += timedelta(minutes=1)
        api.publish(complete("1.1"))
        assert stream.next().data["data"]["study_uid"] == "1.1"
        api.delete(f"/tokens/{made['id']}")
        api.now[0] += timedelta(minutes=1)
        api.publish(complete("1.2"))
        with pytest.raises(EOFError):
            stream.next()


def test_a_stream_ends_when_its_session_does(api: Api) -> None:
    api.post("/users", {"name": "maria", "role": "viewer", "password": "a long enough password"})
    cookie = (
        api.client.post(
            "/api/v1/session", json={"name": "maria", "password": "a long enough password"}
        )
        .headers["set-cookie"]
        .partition(";")[0]
    )
    with following(api, Authorization="", Cookie=cookie) as stream:
        api.put("/users/maria", {"role": "viewer", "disabled": True})
        api.now[0] += timedelta(minutes=1)
        api.publish(complete("1.1"))
        with pytest.raises(EOFError):
            stream.next()


def test_a_stream_ends_when_the_server_stops(start: Callable[..., Api]) -> None:
    api = start()
    with following(api) as stream:
        stopping = threading.Thread(target=api.service.stop, args=(7.0,))
        stopping.start()
        with pytest.raises(EOFError):
            stream.next()
        stopping.join(5)
        assert not stopping.is_alive()


def test_an_event_that_another_process_recorded_is_told_too(api: Api) -> None:
    with following(api) as stream:
        recorder = Recorder(api.database, Feed(api.database), lambda: NOON)
        recorder.record([message(complete("1.7"), id="x", source="test")])
        assert stream.next().data["data"]["study_uid"] == "1.7"


def test_events_of_several_recorders_become_visible_in_the_order_of_their_ids(
    database: Database, api: Api
) -> None:
    """A reader that has seen an id never finds a smaller one later."""
    recorder = Recorder(database, Feed(database), lambda: NOON)

    def record(writer: int) -> None:
        for number in range(20):
            name = f"{writer}-{number}"
            recorder.record([message(complete(name), id=name, source="test")])

    with following(api) as stream, ThreadPoolExecutor(4) as pool:
        done = [pool.submit(record, writer) for writer in range(4)]
        told = [stream.next() for _ in range(80)]
        for each in done:
            each.result(20)
    assert [each.id for each in told] == sorted(each.id for each in told)
    assert len({each.data["id"] for each in told}) == 80


def test_events_are_forgotten_after_a_week_but_for_the_newest(api: Api) -> None:
    api.add(*(_recorded(number) for number in range(10)))
    recorder = Recorder(api.database, Feed(api.database), lambda: api.now[0])
    api.now[0] = NOON + timedelta(days=7, seconds=5)
    recorder.prune()
    assert [each["id"] for each in api.get("/events")["items"]] == list(range(6, 11))
    api.now[0] = NOON + timedelta(days=70)
    recorder.prune()
    assert [each["id"] for each in api.get("/events")["items"]] == [10]


def _recorded(number: int) -> RecordedEvent:
    sent = message(complete(f"1.{number}"), id=f"e{number}", source="test", time=NOON)
    return RecordedEvent(
        event_id=sent.id,
        name="study-complete",
        time=NOON + timedelta(seconds=number),
        body=sent.body.decode(),
    )
