"""Conditional requests (RFC 9110, 13): what a client has already is not sent again."""


def is_unchanged(if_none_match: str | None, etag: str) -> bool:
    """Whether a client's `If-None-Match` names this tag; tags are compared weakly."""
    given = [each.strip().removeprefix("W/") for each in (if_none_match or "").split(",")]
    return "*" in given or etag.removeprefix("W/") in given
