"""The secrets of the compose set-up: made once, never overwritten, each readable by one container.

`<folder>/<reader>/…`: every reader has a group of its own, which docker-compose.yml gives to its
container, since the router's containers all run as one user.
"""

import base64
import hashlib
import json
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

GROUPS = {
    "router": 10001,  # every service of the router
    "receiver": 10011,
    "organizer": 10012,
    "forwarder": 10013,
    "api": 10014,
    "rabbitmq": 10015,
    "postgres": 10016,
}
SERVICES = ("receiver", "organizer", "forwarder", "api")
DEFINITIONS = Path(__file__).parent.parent / "rabbitmq" / "definitions.json"


@dataclass(frozen=True, slots=True)
class SecretFiles:
    """The files under one folder, owned by `owner`; `groups` are the readers' group ids."""

    folder: Path
    owner: int
    groups: dict[str, int]

    def prepare(self) -> list[str]:
        """Make what is missing, and anew what follows from it; the names of the new secrets."""
        made: list[str] = []
        for reader in self.groups:
            (self.folder / reader).mkdir(mode=0o750, exist_ok=True)
            self._hand_over(self.folder / reader, reader, 0o750)

        def keep(reader: str, name: str, make: Callable[[], str]) -> str:
            path = self.folder / reader / name
            if not path.exists():
                self._write(path, reader, make())
                made.append(f"{reader}/{name}")
            return path.read_text("ascii").strip()

        passwords = {"admin": keep("rabbitmq", "admin-password", _password)}
        for service in SERVICES:
            url = keep(service, "amqp-url", partial(_amqp_url, service))
            passwords[service] = urlsplit(url).password or ""
        keep("postgres", "superuser-password", _password)
        password = keep("postgres", "router-password", _password)

        template = json.loads(DEFINITIONS.read_text("utf-8"))
        definitions = json.dumps(with_passwords(template, passwords), indent=2)
        self._write(self.folder / "rabbitmq" / "definitions.json", "rabbitmq", definitions)
        database_url = f"postgresql+psycopg://router:{password}@postgres:5432/router"
        self._write(self.folder / "router" / "database-url", "router", database_url)
        return made

    def _write(self, path: Path, reader: str, text: str) -> None:
        """Replace a file as a whole: one that is there is complete."""
        temporary = path.with_name(f".{path.name}.part")
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._hand_over(temporary, reader, 0o640)
        temporary.rename(path)

    def _hand_over(self, path: Path, reader: str, mode: int) -> None:
        os.chown(path, self.owner, self.groups[reader])
        path.chmod(mode)


def with_passwords(definitions: dict[str, Any], passwords: dict[str, str]) -> dict[str, Any]:
    """RabbitMQ's definitions with the hash of every user's password."""
    users = [
        {
            **user,
            "password_hash": _rabbitmq_hash(passwords[user["name"]]),
            "hashing_algorithm": "rabbit_password_hashing_sha256",
            "limits": {},
        }
        for user in definitions["users"]
    ]
    return {**definitions, "users": users}


def _rabbitmq_hash(password: str) -> str:
    """As RabbitMQ computes it: four bytes of salt, and SHA-256 of these and the password."""
    salt = secrets.token_bytes(4)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def _password() -> str:
    return secrets.token_urlsafe(32)


def _amqp_url(user: str) -> str:
    return f"amqp://{user}:{_password()}@rabbitmq:5672/%2F"
