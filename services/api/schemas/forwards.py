"""Studies to be sent (again), one or many."""

from pydantic import AwareDatetime, BaseModel, Field

from services.api.schemas.bases import Given, Name
from services.api.schemas.studies import StudyQuery


class StudyForward(Given):
    """A study to be sent (again)."""

    destination: Name | None = Field(
        None, description="null: where the routes say; without routes to every enabled one."
    )
    only_missing: bool = Field(
        True,
        description="false: everything once more, also what the destination has.",
    )


class BulkForward(StudyForward):
    """Many studies to be sent (again)."""

    filter: StudyQuery
    dry_run: bool = Field(False, description="true: count only, send nothing.")


class BulkCounts(BaseModel):
    """What a filter comes to."""

    studies: int = Field(description="That can be sent: complete and on disk.", examples=[1200])
    instances: int = Field(
        description="That they have; with `only_missing` at most so many go out.",
        examples=[240000],
    )
    not_on_disk: int = Field(description="Studies that would have to come from elsewhere.")


class BulkAccepted(BulkCounts):
    """The studies are asked for one after the other; GET /deliveries/bulk/{id} tells how far."""

    id: str
    command: str = Field(examples=["forward-requested"])


class BulkProgress(BaseModel):
    """How far a bulk is: what came of each study is in its timeline."""

    id: str
    destination: str | None
    only_missing: bool
    by: str
    studies: int = Field(description="That could be sent when it was asked for.")
    asked: int = Field(description="Studies that the forwarders have been asked to send.")
    created_at: AwareDatetime
    finished_at: AwareDatetime | None
    reason: str | None = Field(description="Why it ended before all its studies were asked for.")
