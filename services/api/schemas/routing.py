"""Which studies go where."""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, Field

from services.api.languages import Words
from services.api.schemas.bases import NO_NUL, Given, Name

Glob = Annotated[
    str,
    Field(
        min_length=1,
        max_length=64,
        pattern=NO_NUL,
        description="`*` stands for any characters, `?` for one; case does not matter.",
        examples=["CT_ROOM_*"],
    ),
]
Globs = Annotated[list[Glob], Field(max_length=100)]
Modality = Annotated[str, Field(pattern=r"^[A-Z0-9_]{1,16}$", examples=["CT"])]


class RouteSettings(Given):
    """Which studies go to which destinations.

    A study fits when it meets every condition that is not empty; a condition is met by any of its
    values. Of several routes that fit, each counts.
    """

    name: Name | None = Field(None, description="If given, the one in the path.")
    enabled: bool = Field(
        True,
        description="false: it is left aside. With no enabled route every study goes to every "
        "enabled destination.",
    )
    order: int = Field(100, ge=0, le=9999, description="Routes are looked at in this order.")
    last: bool = Field(False, description="true: where it applies, no later route is looked at.")
    modalities: list[Modality] = Field([], max_length=100, description="The study has one of them.")
    calling_ae_titles: Globs = Field([], description="One of its associations was called by such.")
    called_ae_titles: Globs = Field([], description="One of its associations called such.")
    patient_ids: Globs = Field([])
    study_descriptions: Globs = Field([])
    destinations: list[Name] = Field(
        min_length=1, max_length=100, description="All of them get the study."
    )


class NewRoute(RouteSettings):
    """A route to be added."""

    name: Name


class Route(BaseModel):
    """A route."""

    name: str = Field(examples=["ct-to-pacs"])
    enabled: bool
    order: int
    last: bool
    modalities: list[str]
    calling_ae_titles: list[str]
    called_ae_titles: list[str]
    patient_ids: list[str]
    study_descriptions: list[str]
    destinations: list[str] = Field(examples=[["pacs"]])
    missing: list[str] = Field(
        description="Those of its destinations that are disabled or not there: nothing goes there."
    )
    created_at: AwareDatetime
    updated_at: AwareDatetime


class RouteTest(Given):
    """A study, or what one might be, to be tried on the routes."""

    study_uid: str | None = Field(
        None,
        max_length=256,
        pattern=NO_NUL,
        description="Of a study here; or give the values below.",
    )
    modalities: list[Modality] = Field([])
    calling_ae_titles: list[str] = Field([])
    called_ae_titles: list[str] = Field([])
    patient_id: str = ""
    study_description: str = ""
    draft: NewRoute | None = Field(
        None, description="Try it as if this route were there, in place of one of the same name."
    )


class RouteVerdict(BaseModel):
    """What one route says to a study."""

    name: str
    applies: bool
    why_not: list[Words] = Field(
        description="The conditions that are not met.", examples=[["modality: CT, not MR or US"]]
    )
    destinations: list[str]


class RouteTestResult(BaseModel):
    """Where a study would go."""

    destinations: list[str] = Field(description="Empty: it would be `unrouted`.")
    missing: list[str] = Field(description="Destinations that are disabled or not there.")
    detail: Words = Field(examples=["route ct-to-pacs: pacs"])
    routes: list[RouteVerdict] = Field(description="Every enabled route, in order.")
