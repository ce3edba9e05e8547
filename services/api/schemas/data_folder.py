"""The data folder: which one it is, and the room on its disk."""

from enum import StrEnum

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.api.schemas.bases import NO_NUL


class Forecast(StrEnum):
    """When the disk will be full; `far-off`: not within ten years."""

    IN_HOURS = "in-hours"
    FAR_OFF = "far-off"
    NOT_FILLING = "not-filling"


class Disk(BaseModel):
    """The data folder's disk: how full, with what, and until when there is room."""

    total_bytes: int
    used_bytes: int = Field(description="By whatever is on this disk, not by the router alone.")
    free_bytes: int
    minimum_free_bytes: int = Field(
        description="Below it images are refused: ROUTER_DISK_MIN_FREE_PERCENT, or 2 GiB."
    )
    refusing: bool = Field(description="Whether images are refused now (A700).")
    studies_bytes: dict[str, int] = Field(
        description="Of the studies on disk, by state: those `sent` go when room is needed.",
        examples=[{"sent": 73400320, "forwarding": 12582912}],
    )
    spool_bytes: int = Field(description="Received and not yet organized.")
    quarantine_bytes: int = Field(description="Set aside with a reason.")
    growth_bytes_per_hour: int = Field(
        description="What was received in the last hours, less what was deleted; negative while "
        "it shrinks."
    )
    growth_window_hours: float = Field(
        description="Over so many hours: 24, or as many as there are."
    )
    forecast: Forecast
    hours_to_full: float | None = Field(
        description="Until images are refused, at that rate; null while it does not grow.",
        examples=[312.5],
    )


class DataFolderStatus(StrEnum):
    """`missing`: there is no `.router-id`; `other`: it is not the one that the database has."""

    OK = "ok"
    MISSING = "missing"
    OTHER = "other"


class MissingStudy(BaseModel):
    """A study whose files are not in the adopted folder."""

    study_uid: str
    folder: str


class DataFolder(BaseModel):
    """The data folder, and which one the database belongs to."""

    path: str
    status: DataFolderStatus
    expected_id: str | None = Field(description="The database's; null before the first start.")
    found_id: str | None = Field(description="What the folder's `.router-id` says.")
    adopted_at: AwareDatetime | None = Field(description="When the database's was recorded.")
    missing: int = Field(
        description="Studies on disk whose folder is not in it; 0 where it is the right one."
    )
    studies: list[MissingStudy] = Field(
        description="The first 500 of them: what would be given up by adopting it."
    )


class Adoption(BaseModel):
    """A person's decision to go on with the folder that is there."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)
    reason: str = Field(min_length=3, max_length=500, pattern=NO_NUL)
    instead_of: str | None = Field(
        description="`expected_id` of the folder that is given up, so that none is by accident."
    )


class Adopted(BaseModel):
    """What adopting the folder came to."""

    router_id: str
    adopted_at: AwareDatetime
    missing: int = Field(description="Studies whose folder is not in it.")
    studies: list[MissingStudy] = Field(
        description="The first 500 of them; GET /api/v1/studies?needs_attention=true has all."
    )
