"""Writes one archive for whoever helps: checks, settings, versions, logs. No secret, no patient.

`make support`, or where the api runs: `python -m services.api.support [FILE]`, `-` for standard
output. It asks the API, and looks for itself as far as it can: what is down is what matters.
"""

import argparse
import importlib.metadata
import io
import json
import os
import platform
import socket
import ssl
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

from pydantic import SecretStr

from dicom_router import process
from dicom_router.archive import Archive
from dicom_router.database import Database
from dicom_router.errors import RouterError
from dicom_router.migrations import require_current
from dicom_router.settings import PREFIX, Settings, load_settings
from services.api.access import TOKEN_FILE
from services.api.queries import support as queries
from services.api.redaction import Redaction, password_of
from services.api.server import address_of
from services.api.signin import require_started

MOST_EVENTS = 2_000
MOST_LOG_PAGES = 10  # of 500 lines each: all that the API keeps
_MOST_PATIENTS = 100_000
_PATIENCE_SECONDS = 10.0
_MODE = 0o600
_ASKED = {
    "checks.json": "/api/v1/diagnostics",
    "overview.json": "/api/v1/overview",
    "site.json": "/api/v1/site",
    "data-folder.json": "/api/v1/data-folder",
    "disk.json": "/api/v1/disk",
    "queues.json": "/api/v1/queues?limit=500",
    "destinations.json": "/api/v1/destinations?limit=500",
    "senders.json": "/api/v1/senders?limit=500",
    "refused-callers.json": "/api/v1/associations?outcome=rejected&limit=200",
    "ready.json": "/readyz",
    "metrics.txt": "/metrics",
}
_ABOUT = """\
For whoever helps with this DICOM router; made at {at} on {host}.

versions.json      of the router, Python, its packages, the database
settings.json      each with its value, or whether it is set if that is a secret
looked.json        what this command found by itself: database, broker, ports, disk
checks.json, …     what the API says: diagnostics, queues, destinations, …
logs.jsonl         the newest log lines of all services, as the API has them
events.jsonl       the last {events} events, but for those of single images

Without passwords, tokens, patients' names or IDs: what would have been one is {marks}.
Study Instance UIDs, addresses and AE titles are in it.

{missing}"""


@dataclass
class Collected:
    """The archive's files by name, and what could not be had."""

    files: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    def add(self, name: str, value: object) -> None:
        """A file: a text as it is, all else as JSON."""
        is_text = isinstance(value, str)
        self.files[name] = str(value) if is_text else f"{_json(value, indent=2)}\n"

    def attempt(self, what: str, work: Callable[[], None]) -> None:
        """Do it; or note in a sentence why it could not be done."""
        try:
            work()
        except (RouterError, OSError, HTTPException, ValueError) as error:
            self.missing.append(f"{what}: {error}")


class Api:
    """The router's own API, asked with the bootstrap token."""

    def __init__(self, settings: Settings, token: str) -> None:
        at = urlsplit(address_of(settings))
        host = "127.0.0.1" if settings.http_host in ("", "0.0.0.0", "::") else at.hostname  # noqa: S104
        shown = f"[{host}]" if ":" in str(host) else host
        self.address = f"{at.scheme}://{shown}:{settings.http_port}"
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        # The certificate names the outside, and it is this machine that is asked.
        own = ssl._create_unverified_context()  # noqa: S323, SLF001
        self._opener = build_opener(ProxyHandler({}), HTTPSHandler(context=own))

    def get(self, path: str) -> str:
        """What it answers, be it an error; `OSError` if it does not."""
        request = Request(self.address + path, headers=self._headers)  # noqa: S310 - http or https
        try:
            with self._opener.open(request, timeout=_PATIENCE_SECONDS) as answer:
                return str(answer.read().decode())
        except HTTPError as error:
            with error:
                return error.read().decode(errors="replace")


def collect(settings: Settings, now: datetime) -> Collected:
    """Everything there is, with neither secrets nor patients."""
    found = Collected()
    token = _token(settings)
    patients: set[str] = set()
    found.add("settings.json", shown_settings(settings))
    found.attempt("a look around", lambda: found.add("looked.json", dict(_looked(settings))))
    versions: dict[str, object] = _versions()
    found.attempt("the database", lambda: _from_database(settings, found, versions, patients))
    found.add("versions.json", versions)
    api = Api(settings, token)
    found.attempt(f"the API at {api.address}", lambda: _from_api(api, found))
    redaction = Redaction(_secrets(settings, token), patients)
    about = _ABOUT.format(
        at=now.isoformat(timespec="seconds"),
        host=socket.gethostname(),
        events=MOST_EVENTS,
        marks="[secret], [patient] or [study folder]",
        missing="\n".join(f"Could not be had: {each}" for each in found.missing)
        or "Everything could be had.",
    )
    found.files = {"README.txt": about, **found.files}
    found.files = {name: redaction.clean(text) for name, text in found.files.items()}
    return found


def shown_settings(settings: Settings) -> dict[str, object]:
    """Every setting by its variable; of secrets whether they are set, of URLs no password."""
    shown: dict[str, object] = {}
    for name, about in Settings.model_fields.items():
        value = getattr(settings, name)
        variable = str(about.validation_alias or f"{PREFIX}{name.upper()}")
        if isinstance(value, SecretStr):
            given = value.get_secret_value()
            value = "set" if given else "not set"
            if given and name in ("database_url", "amqp_url"):
                at = urlsplit(given)
                value = f"{at.scheme}://{at.netloc.rpartition('@')[2]}{at.path}"
        shown[variable] = value if isinstance(value, bool | int | float | None) else str(value)
    return shown | {"TZ": os.environ.get("TZ", "")}


def archive_of(files: dict[str, str], folder: str) -> bytes:
    """A zip with these files in one folder."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(f"{folder}/{name}", text)
    return made.getvalue()


def main() -> int:
    """Write the archive; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m services.api.support", description=__doc__)
    parser.add_argument("file", nargs="?", help="where to; - is standard output")
    given = parser.parse_args().file
    now = datetime.now(UTC)
    name = f"support-{now:%Y%m%dT%H%M%SZ}"
    try:
        with redirect_stdout(sys.stderr):  # nothing else gets into the archive
            found = collect(load_settings(), now)
    except RouterError as error:
        return process.refuse(error)
    content = archive_of(found.files, name)
    if given == "-":
        sys.stdout.buffer.write(content)
        return 0
    path = Path(given or f"{name}.zip")
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _MODE), "wb") as file:
            file.write(content)
    except OSError as error:
        sys.stderr.write(f"{path} can't be written: {error.strerror}; name another file, or -\n")
        return 2
    for each in found.missing:
        print(f"Could not be had: {each}")
    print(f"{path.absolute()} has no secret and no patient in it: look, then send it.")
    return 0


def _from_database(
    settings: Settings, found: Collected, versions: dict[str, object], patients: set[str]
) -> None:
    require_started(settings)
    with closing(Database(settings.database)) as database:
        with database.read() as session:
            versions["database"] = queries.server_version(session)
        require_current(database)
        with database.read() as session:
            patients |= queries.patients(session, _MOST_PATIENTS)
            events = queries.newest_events(session, MOST_EVENTS)
            found.add("studies.json", dict(queries.studies_by_state(session)))
        found.add("events.jsonl", "".join(f"{each}\n" for each in events))


def _from_api(api: Api, found: Collected) -> None:
    for name, path in _ASKED.items():
        found.add(name, _pretty(api.get(path)))
    found.add("routes.json", [_without_patients(each) for each in _items(api, "/routes")])
    lines = list(_items(api, "/logs", MOST_LOG_PAGES))
    found.add("logs.jsonl", "".join(f"{_json(each)}\n" for each in reversed(lines)))


def _items(api: Api, path: str, most_pages: int = 1) -> Iterator[dict[str, Any]]:
    cursor = ""
    for _ in range(most_pages):
        page = json.loads(api.get(f"/api/v1{path}?limit=500{cursor}"))
        yield from page.get("items", [page])  # an error says why there are none
        if not page.get("next"):
            return
        cursor = f"&cursor={quote(page['next'], safe='')}"


def _without_patients(route: dict[str, Any]) -> dict[str, Any]:
    """A route; of conditions on patients only how many there are."""
    counted = {
        name: len(route[name]) for name in ("patient_ids", "study_descriptions") if name in route
    }
    return route | counted


def _versions() -> dict[str, object]:
    packages = {each.name: each.version for each in importlib.metadata.distributions()}
    return {
        "python": sys.version,
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "packages": dict(sorted(packages.items())),
    }


def _looked(settings: Settings) -> Iterator[tuple[str, object]]:
    """What can be seen from here, with the error where it can't."""
    archive = Archive(settings.data_dir)
    yield "data folder", str(archive.root.absolute())
    yield "data folder's id", archive.identity.found()
    try:
        space = archive.space()
        yield "disk", {"total_bytes": space.total, "free_bytes": space.free}
    except OSError as error:
        yield "disk", f"can't be read: {error.strerror}"
    for port in (*settings.dicom_ports, *settings.dicom_tls_ports):
        yield f"DICOM port {port}", _reached(_here(settings.dicom_host), port)
    if settings.broker:
        at = urlsplit(settings.broker)
        port = at.port or (5671 if at.scheme == "amqps" else 5672)
        yield f"broker {at.hostname}:{port}", _reached(at.hostname or "", port)


def _here(host: str) -> str:
    return "127.0.0.1" if host in ("", "0.0.0.0", "::") else host  # noqa: S104


def _reached(host: str, port: int) -> str:
    try:
        socket.create_connection((host, port), 3).close()
    except OSError as error:
        return f"not reached: {error}"
    return "takes connections"


def _token(settings: Settings) -> str:
    """The bootstrap token, if there is one to be found."""
    given = settings.api_token.get_secret_value()
    try:
        return given or (settings.data_dir / TOKEN_FILE).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _secrets(settings: Settings, token: str) -> set[str]:
    values = {
        value.get_secret_value()
        for value in (getattr(settings, name) for name in Settings.model_fields)
        if isinstance(value, SecretStr)
    }
    passwords = {each for url in values if "://" in url for each in password_of(url)}
    return {token, *values, *passwords}


def _pretty(answer: str) -> object:
    try:
        return json.loads(answer)
    except ValueError:  # /metrics is no JSON
        return answer


def _json(value: object, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


if __name__ == "__main__":
    sys.exit(main())
