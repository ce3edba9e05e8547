"""What the other shapes are made of, and what many routes answer with."""

from typing import Annotated, Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dicom_router.said import restored

_Item = TypeVar("_Item")

MOST_ITEMS = 500
DEFAULT_ITEMS = 50


class Page(BaseModel, Generic[_Item]):
    """A part of a list. What arrives meanwhile neither repeats nor hides what was there."""

    items: list[_Item]
    next: str | None = Field(description="`cursor` for the next page; null on the last one.")


class Accepted(BaseModel):
    """A command was accepted; a service carries it out."""

    id: str
    command: str = Field(examples=["delivery-retry"])


Name = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9-]{1,40}$",
        description="1 to 40 lower-case letters, digits and hyphens; never changed.",
        examples=["pacs"],
    ),
]

NO_NUL = r"^[^\x00]*$"


class Given(BaseModel):
    """What a client may send: unknown properties are an error, those only shown are left aside.

    Types are JSON's own: `"104"` is no number, `0` is not false.
    """

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, strict=True)
    only_shown: ClassVar[frozenset[str]] = frozenset(
        {
            "managed_by",
            "down",
            "waiting",
            "missing",
            "last_heard_at",
            "created_at",
            "updated_at",
        }
    )

    @model_validator(mode="before")
    @classmethod
    def _without_what_is_only_shown(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {k: v for k, v in value.items() if k in cls.model_fields or k not in cls.only_shown}


class Told(BaseModel):
    """What a row keeps of a sentence: it is told in the language of whoever asks."""

    @model_validator(mode="before")
    @classmethod
    def _of_row(cls, value: Any) -> Any:
        return restored(value)
