"""Writes the JSON Schema of each event into `docs/schemas/`, and the OpenAPI document of the REST
API for the dashboard's client: `make schemas`.

The types in `dicom_router.events` are the source; what is written here is for integrators, who may
use any language. The samples beside the schemas are written by hand and never changed: they stand
for what is already under way.
"""

import json
from pathlib import Path
from typing import Any

from dicom_router.events import EVENT_TYPES, Envelope, Payload
from services.api.app import document

FOLDER = Path(__file__).parent.parent / "docs" / "schemas"
SAMPLES = FOLDER / "samples"
OPENAPI = Path(__file__).parent.parent / "services" / "api" / "web" / "openapi.json"

# Always there, though CloudEvents 1.0 would let a producer leave them out.
_ALWAYS_SENT = ("specversion", "id", "source", "type", "time", "datacontenttype", "dataschema")


def schema_of(kind: type[Payload]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of an event's envelope and data."""
    data = kind.model_json_schema(mode="serialization")
    definitions = data.pop("$defs", {})
    envelope: dict[str, Any] = Envelope.model_json_schema(mode="serialization")["properties"]
    uri = f"urn:dicomrouter:schema:{kind.name}:v{kind.version}"
    envelope |= {
        "type": {"const": kind.type_name()},
        "subject": {"type": "string"},
        "dataschema": {"const": uri},
        "data": data,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": uri,
        "title": kind.type_name(),
        "type": "object",
        "required": [*_ALWAYS_SENT, "data"],
        "properties": _without_titles(envelope),
        "$defs": _without_titles(definitions),
    }


def files() -> dict[Path, str]:
    """What the folder is to hold: the text of each file."""
    return {
        FOLDER / f"{kind.name}.json": json.dumps(schema_of(kind), indent=2) + "\n"
        for kind in EVENT_TYPES
    }


def openapi() -> str:
    """The text of the OpenAPI document."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write them, and remove those of events that are gone."""
    wanted = files()
    for path in FOLDER.glob("*.json"):
        if path not in wanted:
            path.unlink()
    for path, text in wanted.items():
        path.write_text(text, "utf-8")
    OPENAPI.write_text(openapi(), "utf-8")
    print(f"docs/schemas/ holds the schemas of {len(wanted)} events, {OPENAPI.name} the API.")


def _without_titles(value: Any) -> Any:
    """Pydantic makes a title of every field's name: noise. Values are kept whatever they are."""
    if isinstance(value, dict):
        return {
            key: _without_titles(each)
            for key, each in value.items()
            if not (key == "title" and isinstance(each, str))
        }
    if isinstance(value, list):
        return [_without_titles(each) for each in value]
    return value


if __name__ == "__main__":
    main()
