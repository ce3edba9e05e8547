"""Why something can't be done."""

from pydantic import AwareDatetime, BaseModel, Field

from services.api.languages import Words


class FieldError(BaseModel):
    """One value that is not allowed."""

    field: str = Field(examples=["port"])
    message: Words = Field(examples=["Input should be less than or equal to 65535"])


class ProblemDetails(BaseModel):
    """An error, as RFC 9457 has it."""

    type: str = Field(examples=["urn:dicomrouter:problem:404"])
    title: Words = Field(examples=["Not found"])
    status: int = Field(examples=[404])
    detail: Words = Field(
        description="What is wrong, and what to do about it.",
        examples=["There is no destination 'pacs'; GET /api/v1/destinations lists them."],
    )
    errors: list[FieldError] = Field([], description="The values that are not allowed, if any.")
    request_id: str = Field(
        description="The X-Request-ID of the answer; it is in the router's log lines, too.",
        examples=["4b1c6a0fd0f14a6f9f3a6d6f2f8b0f7e"],
    )


class Holder(BaseModel):
    """A destination that has a study which is no longer on this disk."""

    destination: str = Field(examples=["default"])
    images: int = Field(description="That it confirmed.", examples=[245])
    since: AwareDatetime


class NotSendable(ProblemDetails):
    """Why a study can't be sent."""

    have: list[Holder] = Field(
        [], description="Who has it, if it is no longer on this disk: it can be sent from there."
    )


class NotReadyDetails(ProblemDetails):
    """Why no work can be done now."""

    reasons: list[Words] = Field(
        description="Each thing that is away.", examples=[["The message broker can't be reached"]]
    )
