"""Sentences for people that can still be told in another language than English.

`said("Down: {names}", names="pacs")` is the text `Down: pacs`, which remembers what it was made of.
Logs, events and the database take it for the text that it is; the API tells it to whoever prefers
Portuguese in the words of `services/api/portuguese.py`. A test holds that each template is there.
"""

import errno
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from string import Formatter
from typing import Any

_PLAIN = (str, int, float, datetime)
Translate = Callable[[str], str]  # a template, in another language


class Said(str):
    """A text in English, with the template and the values that it was made of."""

    template: str
    values: Mapping[str, object]

    def __str__(self) -> str:
        return self  # where `str` would forget the rest, as in the text of an exception

    def told(self, translate: Translate, *, comma: bool = False) -> str:
        """The same in another language; `comma` is that language's decimal mark."""
        values = {name: _told(value, translate, comma) for name, value in self.values.items()}
        return _Commas(comma).vformat(translate(self.template), (), values)


def said(template: str, **values: object) -> Said:
    """The sentence that a literal template and these values make.

    A value that is itself `Said`, or has such a text, as an exception may, is translated as well.
    """
    kept = {
        name: value if isinstance(value, _PLAIN) else str(value) for name, value in values.items()
    }
    found = Said(template.format(**kept))
    found.template, found.values = template, kept
    return found


def as_said(text: object) -> Said:
    """A sentence as it was said: of an exception its text; whatever is only text stays English."""
    found = str(text)
    return found if isinstance(found, Said) else said("{text}", text=found)


def joined(separator: str, parts: Iterable[object]) -> Said:
    """Sentences in a row, each to be told by itself."""
    values = {f"part{number}": part for number, part in enumerate(parts)}
    return said(separator.join(f"{{{name}}}" for name in values), **values)


_OF_THE_SYSTEM = {
    errno.EACCES: said("Permission denied"),
    errno.ECONNREFUSED: said("Connection refused"),
    errno.ECONNRESET: said("Connection reset by peer"),
    errno.EHOSTUNREACH: said("No route to host"),
    errno.EIO: said("Input/output error"),
    errno.ENETUNREACH: said("Network is unreachable"),
    errno.ENOENT: said("No such file or directory"),
    errno.ENOSPC: said("No space left on device"),
    errno.ENOTDIR: said("Not a directory"),
    errno.EPIPE: said("Broken pipe"),
    errno.EROFS: said("Read-only file system"),
    errno.ESTALE: said("Stale file handle"),
    errno.ETIMEDOUT: said("Connection timed out"),
}


def cause_of(error: OSError) -> Said:
    """The operating system's word for what went wrong."""
    return _OF_THE_SYSTEM.get(error.errno or 0) or as_said(error.strerror or error)


def images(count: int) -> Said:
    """So many images, in words."""
    return said("1 image") if count == 1 else said("{count} images", count=count)


def packed(text: str) -> dict[str, Any] | None:
    """What a sentence was made of, to be kept beside it; None for what is only text."""
    if not isinstance(text, Said):
        return None
    values = {name: packed(value) or value for name, value in _kept(text).items()}
    return {"template": text.template, "values": values}


def unpacked(text: str, kept: Mapping[str, Any] | None) -> Said:
    """The sentence that was kept beside its text; the text alone where nothing was."""
    if not kept:
        return as_said(text)
    return _made(kept["template"], kept["values"])


def restored(row: Any) -> Any:
    """A row's `text` with what was kept beside it as `said`; anything else as it is."""
    if not isinstance(row, dict) or not row.get("said"):
        return row
    rest = {name: value for name, value in row.items() if name != "said"}
    return {**rest, "text": unpacked(row["text"], row["said"])}


def _kept(text: Said) -> dict[str, Any]:
    """Values as JSON has them."""
    plain = (str, int, float, bool, type(None))
    return {
        name: value if isinstance(value, plain) else str(value)
        for name, value in text.values.items()
    }


def _made(template: str, values: Mapping[str, Any]) -> Said:
    found = {
        name: _made(value["template"], value["values"]) if isinstance(value, dict) else value
        for name, value in values.items()
    }
    return said(template, **found)


def is_only_values(template: str) -> bool:
    """Whether a template has no words of its own, so that there is nothing to translate."""
    return not any(
        character.isalpha() for text, *_ in Formatter().parse(template) for character in text
    )


def _told(value: object, translate: Translate, comma: bool) -> object:
    return value.told(translate, comma=comma) if isinstance(value, Said) else value


class _Commas(Formatter):
    def __init__(self, comma: bool) -> None:
        self._comma = comma

    def format_field(self, value: Any, format_spec: str) -> str:
        text = format(value, format_spec)
        return text.replace(".", ",") if self._comma and isinstance(value, float) else text
