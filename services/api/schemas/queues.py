"""Queues, their dead letters, and what is in quarantine."""

from pydantic import AwareDatetime, BaseModel, Field

from dicom_router.quarantine import Kind
from services.api.languages import Words
from services.api.schemas.bases import Given


class RetryTier(BaseModel):
    """Where messages wait that could not be handled."""

    name: str = Field(examples=["organizer.intake.retry.10s"])
    messages: int


class QueueStatus(BaseModel):
    """A queue, and what it means when it grows.

    Messages only wake who works: what there is to do is in the database and on disk.
    """

    name: str = Field(examples=["organizer.intake"])
    ready: int = Field(description="Messages that wait to be handled.")
    consumers: int
    retry: list[RetryTier]
    dead_letters: int
    open_deliveries: int | None = Field(
        description="Of `forwarder.deliver.…`: how many deliveries to its destination have not "
        "ended, which need not be the number of its messages. null of other queues."
    )
    oldest_waiting_at: AwareDatetime | None = Field(
        description="Of `forwarder.deliver.…`: when the oldest delivery that has not ended was "
        "made. null if there is none, and of other queues: to look at their messages is to take "
        "them away from who works on them."
    )
    oldest_dead_letter_at: AwareDatetime | None = Field(
        description="When it failed first, at most a minute old; null without dead letters, or "
        "with more than 5,000."
    )
    grows_when: Words = Field(examples=["the organizers are away"])


class QueueSample(BaseModel):
    """How many messages the queues held at a moment, by name; none is left out as 0."""

    at: AwareDatetime
    waiting: dict[str, int] = Field(
        description="That wait to be handled, or to be tried again.",
        examples=[{"organizer.intake": 12}],
    )
    dead: dict[str, int] = Field(description="Dead letters.", examples=[{}])


class QueueHistory(BaseModel):
    """How deep the queues were."""

    every_seconds: float = Field(description="How far samples are apart.", examples=[30.0])
    samples: list[QueueSample] = Field(
        description="The oldest first: of the last six hours, or since this api was started."
    )


class DeadLetter(BaseModel):
    """A message that could not be handled."""

    message_id: str
    type: str = Field(examples=["dicomrouter.delivery-due.v1"])
    sent_at: AwareDatetime
    reason: str = Field(examples=["PACS refused an image with status A900"])
    attempt: int
    first_failed_at: AwareDatetime
    study_uid: str | None = Field(description="null where it is not known.")
    delivery_id: str | None = Field(description="Of a delivery that failed.")
    of_use: bool = Field(
        description="false: the delivery has not failed any more, was replaced, or its study or "
        "destination is gone; a replay drops the letter."
    )


class WhatToReplay(Given):
    """Which dead letters: one message, those of a study, or all."""

    message_id: str | None = Field(None, max_length=256)
    study_uid: str | None = Field(None, max_length=256)


class Replayed(BaseModel):
    """How many dead letters were taken away."""

    replayed: int = Field(description="Work again.")
    dropped: int = Field(description="Of no use any more.")


class Quarantined(BaseModel):
    """An image that is set aside, with what is known of it."""

    id: str = Field(description="Its receipt.")
    kind: Kind = Field(
        description="unreadable, no-study, superseded (by newer bytes), loose (put into the data "
        "folder by somebody), or stray (a file that came by no association)."
    )
    reason: Words = Field(examples=["it has no Study Instance UID"])
    received_at: AwareDatetime
    calling_ae_title: str = Field(description="Empty where it is not known.")
    peer_address: str
    sop_class_uid: str
    sop_instance_uid: str
    study_uid: str | None
    size_bytes: int
    path: str | None = Field(description="In the data folder.")
    on_disk: bool = Field(description="Whether the file is still there.")
