"""What destinations are owed."""

from pydantic import AwareDatetime, BaseModel, Field

from dicom_router.models import DeliveryState
from services.api.languages import Words
from services.api.schemas.bases import Told


class Reason(Told):
    """Why a delivery waits or has failed."""

    kind: str = Field(
        examples=["unreachable"],
        json_schema_extra={
            "enum": [
                "unreachable",
                "rejected",
                "aborted",
                "timeout",
                "refused",
                "not-accepted",
                "missing",
                "cancelled",
            ]
        },
    )
    dicom_status: int | None = Field(None, description="The C-STORE status, if there was one.")
    text: Words = Field(examples=["PACS at 10.0.0.5:104 refused the connection"])


class Delivery(BaseModel):
    """What one destination is owed of one revision of a study, and how far that is."""

    id: str
    study_uid: str
    revision: int
    destination: str = Field(examples=["default"])
    state: DeliveryState
    sent: int = Field(description="Instances the destination has.")
    total: int = Field(description="Instances it is owed.")
    attempt: int
    next_attempt_at: AwareDatetime | None
    reason: Reason | None
    created_at: AwareDatetime
    started_at: AwareDatetime | None
    finished_at: AwareDatetime | None
    replaced_by: str | None = Field(
        description="The later delivery that is owed all that this one was, or `deletion`: its "
        "study was deleted. It does not decide the study's state any more."
    )


class ListedDelivery(Delivery):
    """A delivery by itself, with whose study it is of."""

    patient_name: str = Field(examples=["DOE_JOHN"])
