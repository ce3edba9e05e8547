"""In which language the API speaks to whom: English, or Portuguese for those who prefer it.

Only what is said to people is translated, never a name, a kind or a state.
"""

from contextvars import ContextVar
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from dicom_router.said import Said, as_said
from services.api.portuguese import PORTUGUESE

ENGLISH, PORTUGUESE_OF_BRAZIL = "en", "pt-BR"

language: ContextVar[str] = ContextVar("language", default=ENGLISH)


def preferred(accept_language: str) -> str:
    """Of the languages there are, the one a client likes best (RFC 9110, 12.5.4)."""
    best, found = 0.0, ENGLISH
    for each in accept_language.split(","):
        name, _, weight = each.replace(" ", "").lower().partition(";q=")
        known = {"en": ENGLISH, "pt": PORTUGUESE_OF_BRAZIL}.get(name.partition("-")[0])
        if known is not None and (liked := _weight(weight)) > best:
            best, found = liked, known
    return found


def in_words(text: str) -> str:
    """A sentence in the language of whoever made the request; English elsewhere."""
    if language.get() == ENGLISH or not isinstance(text, Said):
        return str.__str__(text)
    return in_portuguese(text)


def in_portuguese(text: Said) -> str:
    """A sentence in Portuguese, whoever made the request."""
    return text.told(lambda template: PORTUGUESE.get(template, template), comma=True)


def recorded(text: str) -> Said:
    """A sentence of which only the text is on record; told in other words if it has no values."""
    found = Said(text)
    found.template, found.values = (text, {}) if text in PORTUGUESE else ("{text}", {"text": text})
    return found


def _weight(text: str) -> float:
    try:
        return float(text) if text else 1.0
    except ValueError:
        return 0.0


def _values_in_words(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: in_words(value) if isinstance(value, str) else value for name, value in values.items()
    }


# Values by name, of which some are sentences.
WordsByName = Annotated[
    dict[str, Any], PlainSerializer(_values_in_words, return_type=dict[str, Any])
]
Words = Annotated[
    Said,
    PlainValidator(as_said),
    PlainSerializer(in_words, return_type=str),
    WithJsonSchema({"type": "string"}),
]
