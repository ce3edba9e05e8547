"""Takes secrets and patients out of text that leaves the house.

Logs, events and checks name no patient by themselves; this is the second lock on that door, for
what a library or the operating system has put into an error's text.
"""

import re
from collections.abc import Collection, Iterable
from urllib.parse import unquote, urlsplit

SECRET = "[secret]"  # noqa: S105 - what stands in its place
PATIENT = "[patient]"
FOLDER = "[study folder]"
_SHORTEST = 4  # characters: shorter ones would be found everywhere
_STUDY_FOLDER = re.compile(r"\b\d{8}_\d{6}_[^\s/\\\"']+")  # created, PatientID, PatientName
_TOKEN = re.compile(r"\bdrt_[A-Za-z0-9_-]{8,}|(?<=#token=)[^\s\"']+")
_URL_WITH_PASSWORD = re.compile(r"(?<=://)[^\s/\"']*@")
_WORD = re.compile(r"[^\s\"',;:/\\()\[\]{}=<>|]+")


class Redaction:
    """What is taken out; `patients` are IDs and names as the database has them."""

    def __init__(self, secrets: Iterable[str], patients: Collection[str]) -> None:
        self._secrets = sorted({each for each in secrets if each}, key=len, reverse=True)
        names = {each for each in patients if len(each) >= _SHORTEST}
        self._words = names | {each.replace("_", "^") for each in names}
        self._phrases = [each for each in names if not _WORD.fullmatch(each)]

    def clean(self, text: str) -> str:
        """The text without them."""
        for secret in self._secrets:
            text = text.replace(secret, SECRET)
        text = _TOKEN.sub(SECRET, text)
        text = _URL_WITH_PASSWORD.sub(f"{SECRET}@", text)
        text = _STUDY_FOLDER.sub(FOLDER, text)
        for phrase in self._phrases:
            text = text.replace(phrase, PATIENT)
        return _WORD.sub(self._known, text)

    def _known(self, found: re.Match[str]) -> str:
        return PATIENT if found[0] in self._words else found[0]


def password_of(url: str) -> set[str]:
    """A URL's password, as it is written and as it is meant."""
    found = urlsplit(url).password or ""
    return {found, unquote(found)} - {""}
