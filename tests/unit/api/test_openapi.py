"""The OpenAPI document is complete enough for a client to be generated from it."""

import re
from collections.abc import Iterator
from typing import Any

from services.api.app import document

DOCUMENT = document()
OPERATIONS = [
    (f"{method} {path}", operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]
OPEN = {"open_session", "health", "ready", "show_metrics"}  # no role is needed


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def test_every_operation_says_what_it_is_for_and_who_may() -> None:
    described = {tag["name"] for tag in DOCUMENT["tags"]}
    names = [operation["operationId"] for _, operation in OPERATIONS]
    assert len(names) == len(set(names))
    for where, operation in OPERATIONS:
        assert operation["summary"], where
        assert operation["description"], where
        assert set(operation["tags"]) <= described, where
        assert ("x-role" in operation) != (operation["operationId"] in OPEN), where


def test_every_answer_with_a_body_has_a_schema_and_every_error_an_example() -> None:
    common = DOCUMENT["components"]["responses"]
    for where, operation in OPERATIONS:
        for status, answer in operation["responses"].items():
            name = answer.get("$ref", "").rpartition("/")[2]
            found = common[name] if name else answer
            for media_type, content in found.get("content", {}).items():
                assert "schema" in content or media_type == "image/jpeg", (where, status)
                assert int(status) < 400 or content["example"]["status"] == int(status), where


def test_every_reference_leads_somewhere_and_no_name_is_python_s() -> None:
    known = {
        f"#/components/{kind}/{name}"
        for kind, named in DOCUMENT["components"].items()
        for name in named
    }
    assert set(references(DOCUMENT)) <= known
    assert all(re.fullmatch(r"[A-Z][A-Za-z]+", name) for name in DOCUMENT["components"]["schemas"])


def test_what_an_error_tells_beside_its_detail_has_a_shape() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    forward = DOCUMENT["paths"]["/api/v1/studies/{study_uid}/forward"]["post"]["responses"]["409"]
    assert list(forward["content"]) == ["application/problem+json"]
    (shape,) = references(forward["content"])
    assert schemas[shape.rpartition("/")[2]]["properties"]["have"]["items"]["$ref"].endswith(
        "Holder"
    )
    not_ready = DOCUMENT["components"]["responses"]["NotReady"]["content"]
    (shape,) = references(not_ready)
    assert "reasons" in schemas[shape.rpartition("/")[2]]["required"]
    assert not_ready["application/problem+json"]["example"]["reasons"]


def test_words_of_which_there_are_a_fixed_set_are_listed() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    for name in ("Reason", "Attention"):
        assert len(schemas[name]["properties"]["kind"]["enum"]) >= 4
    ids = re.compile(schemas["Check"]["properties"]["id"]["pattern"])
    for told in ("database", "destination:pacs", "dicom-port:11112", "quarantine"):
        assert ids.fullmatch(told)
    assert not ids.fullmatch("another")


def test_every_event_has_its_own_data() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    for reference in references(schemas["CloudEvent"]):
        event = schemas[reference.rpartition("/")[2]]
        data = schemas[event["properties"]["data"]["$ref"].rpartition("/")[2]]
        assert event["properties"]["type"]["const"].startswith("dicomrouter.")
        assert data["required"]
