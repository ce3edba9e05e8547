"""The JSON Schemas and samples in `docs/schemas/`: what integrators build on."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dicom_router.errors import Unprocessable
from dicom_router.events import EVENT_TYPES, EVENTS_EXCHANGE, Message, Payload, message, payload_of
from infra.schemas import FOLDER, SAMPLES, files, schema_of

by_name = pytest.mark.parametrize("kind", EVENT_TYPES, ids=lambda kind: kind.name)

# Who may see these asks the API; a study's folder is made of the patient's ID and name.
PATIENTS = re.compile(r"patient|folder|birth|study_description|series_description")


def sample_of(kind: type[Payload]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SAMPLES / f"{kind.name}.json").read_text("utf-8"))
    return found


def received(envelope: dict[str, Any]) -> Message:
    return Message(
        exchange=EVENTS_EXCHANGE,
        routing_key="",
        id=envelope["id"],
        type=envelope["type"],
        time=datetime.fromisoformat(envelope["time"]),
        body=json.dumps(envelope).encode(),
    )


def validate(envelope: Any, kind: type[Payload]) -> None:
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    jsonschema.Draft202012Validator(schema_of(kind), format_checker=checker).validate(envelope)


def property_names(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value.get("properties", ())
        for each in value.values():
            yield from property_names(each)


def keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from keys(each)


def test_the_schemas_in_the_repository_are_what_the_types_say() -> None:
    written = {path: path.read_text("utf-8") for path in FOLDER.glob("*.json")}
    assert written == files(), "run `make schemas`"


def test_each_event_has_one_sample() -> None:
    assert {path.stem for path in Path(SAMPLES).iterdir()} == {kind.name for kind in EVENT_TYPES}


@by_name
def test_a_schema_is_one(kind: type[Payload]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema_of(kind))


@by_name
def test_a_sample_is_valid_and_understood(kind: type[Payload]) -> None:
    envelope = sample_of(kind)
    validate(envelope, kind)
    assert type(payload_of(received(envelope))) is kind


@by_name
def test_what_is_published_today_is_valid(kind: type[Payload]) -> None:
    envelope = sample_of(kind)
    payload = payload_of(received(envelope))
    published = json.loads(message(payload, id=envelope["id"], source="/test").body)
    validate(published, kind)
    assert published["data"].items() >= envelope["data"].items()


@by_name
def test_fields_of_a_later_router_disturb_nobody(kind: type[Payload]) -> None:
    envelope = sample_of(kind)
    envelope["later"] = envelope["data"]["later"] = "unknown today"
    validate(envelope, kind)
    assert payload_of(received(envelope)) == payload_of(received(sample_of(kind)))


@by_name
def test_a_field_that_was_always_there_stays(kind: type[Payload]) -> None:
    """Samples are never changed: what is in them was promised."""
    assert sample_of(kind)["data"].keys() <= kind.model_fields.keys()


def test_a_type_of_a_later_version_is_parked_and_not_taken_for_this_one() -> None:
    envelope = sample_of(EVENT_TYPES[0])
    envelope["type"] = envelope["type"].removesuffix("1") + "2"
    with pytest.raises(Unprocessable, match="unknown type"):
        payload_of(received(envelope))


@by_name
def test_an_event_has_no_field_for_what_names_a_patient(kind: type[Payload]) -> None:
    names = {*property_names(schema_of(kind)), *keys(sample_of(kind))}
    assert not [name for name in names if PATIENTS.search(name)]
