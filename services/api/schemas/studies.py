"""Studies, what they consist of, and what became of them."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, Strict

from dicom_router.models import StudyState
from services.api.languages import Words
from services.api.schemas.bases import NO_NUL, Given, Told
from services.api.schemas.deliveries import Delivery


class Attention(Told):
    """Something that a person should look at."""

    kind: str = Field(
        description="identity-conflict: images of two patients; missing, files-missing: files are "
        "no longer in the folder; nowhere: an image is nowhere.",
        examples=["identity-conflict"],
        json_schema_extra={"enum": ["identity-conflict", "missing", "files-missing", "nowhere"]},
    )
    text: Words
    at: AwareDatetime


class Study(BaseModel):
    """A study. The keys up to `sent_at` are those of `.metadata.json`, with the same values."""

    folder: str = Field(examples=["20260122_141530_P001_DOE_JOHN"])
    patient_id: str = Field(examples=["P001"])
    patient_name: str = Field(examples=["DOE_JOHN"])
    study_uid: str = Field(examples=["1.2.840.113704.1.111.5396.1769089135"])
    study_date: str = Field(examples=["20260122"])
    study_time: str = Field(examples=["141530"])
    modality: str = Field(examples=["CT"])
    created_at: str = Field(
        description="Local time, as in the folder's name.", examples=["20260122_141530"]
    )
    image_count: int = Field(examples=[245])
    study_description: str = Field(examples=["CHEST CT WITH CONTRAST"])
    sent: bool = Field(description="Whether every destination has all it is owed.")
    sent_at: str | None = Field(description="Local time.", examples=["20260122_141845"])
    state: StudyState
    accession_number: str
    modalities: list[str] = Field(examples=[["CT", "SR"]])
    series_count: int
    size_bytes: int
    on_disk: bool
    revision: int = Field(description="0 until the study was complete for the first time.")
    completeness: dict[str, Any] | None = Field(
        description="The evidence by which the study was taken for complete: `rule` is settled "
        "(all associations released, every image accounted for, then quiet) or idle (quiet for "
        "longer), `text` says it in a sentence."
    )
    held: bool = Field(description="Whether a person, or the router, holds it back.")
    hold_reason: Words | None = Field(examples=["The wrong patient was chosen at the scanner"])
    needs_attention: bool = Field(description="Whether `attention` says something.")
    attention: list[Attention] = Field(
        description="What a person should look at; POST …/release says that one has."
    )
    deliveries: list[Delivery] = Field(description="All of them, newest last.")


class StudyQuery(Given):
    """Which studies, as the parameters of GET /studies say it; empty: all."""

    q: str = Field("", pattern=NO_NUL)
    patient_id: str = Field("", pattern=NO_NUL)
    patient_name: str = Field("", pattern=NO_NUL)
    modality: str = Field("", pattern=r"^[A-Za-z0-9_]{0,16}$", examples=["CT"])
    state: list[Annotated[StudyState, Strict(False)]] = Field([])
    sent: bool | None = None
    needs_attention: bool | None = None
    received_from: str | None = Field(None, examples=["2026-01-22"])
    received_to: str | None = Field(None, examples=["2026-01-23"])


class StudyDecision(Given):
    """Why somebody decides so; it is kept in the study's timeline."""

    reason: Annotated[
        str,
        Field(
            min_length=1,
            max_length=500,
            pattern=NO_NUL,
            examples=["The wrong patient was chosen at the scanner"],
        ),
    ]


class Series(BaseModel):
    """A series of a study."""

    series_uid: str
    modality: str
    series_number: str
    series_description: str
    image_count: int


class Instance(BaseModel):
    """An instance of a study: the newest bytes received under its SOP Instance UID."""

    sop_instance_uid: str
    sop_class_uid: str
    series_uid: str
    instance_number: str
    transfer_syntax_uid: str
    size_bytes: int
    sha256: str = Field(description="Of the data set, without the file meta.")
    file_name: str | None
    on_disk: bool
    revision: int | None = Field(description="The revision it belongs to; null until complete.")
    received_at: AwareDatetime
    receipt_id: str


class StudyFiles(BaseModel):
    """What of a study's images lies in its folder now, one file for each."""

    there: int = Field(examples=[244])
    replaced: int = Field(
        description="Something else lies under the file's name: it is never sent.", examples=[1]
    )
    missing: int = Field(description="Deleted or taken away.", examples=[0])


class TimelineEntry(BaseModel):
    """Something that happened to a study; further keys depend on the event."""

    model_config = ConfigDict(extra="allow")
    at: AwareDatetime
    event: str = Field(
        description="received, organized, completed, delivery-started, delivered, "
        "delivery-failed, …",
        examples=["received"],
    )
    detail: Words = Field(examples=["CT_ROOM_1 at 10.0.0.7 sent 245 images"])


class StudySort(StrEnum):
    """Orders of a list of studies; with `-` descending."""

    NEWEST = "-created_at"
    OLDEST = "created_at"
    PATIENT_NAME = "patient_name"
    PATIENT_NAME_DESCENDING = "-patient_name"
    PATIENT_ID = "patient_id"
    PATIENT_ID_DESCENDING = "-patient_id"
    STUDY_DATE = "study_date"
    STUDY_DATE_DESCENDING = "-study_date"
    IMAGE_COUNT = "image_count"
    IMAGE_COUNT_DESCENDING = "-image_count"
    SIZE = "size_bytes"
    SIZE_DESCENDING = "-size_bytes"
