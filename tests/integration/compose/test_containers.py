"""The compose set-up, as far as it can be judged without containers: its files and its programs."""

import base64
import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from dicom_router.bus import Binding, Queue
from dicom_router.bus.rabbitmq import topology
from dicom_router.dimse import (
    AcceptorLimits,
    AssociationEnd,
    AssociationRequest,
    Rejection,
    StoreRequest,
    StoreSink,
    serve_association,
)
from dicom_router.events import COMMANDS_EXCHANGE, EVENTS_EXCHANGE, LOGS_EXCHANGE
from dicom_router.queues import (
    FORWARDER_COMMANDS,
    INTAKE,
    ORGANIZER_COMMANDS,
    STUDY_COMPLETE,
    delivery_queue,
)
from dicom_router.settings import SECRETS, Settings
from infra import healthcheck
from infra.init import data_folder
from infra.init.secret_files import DEFINITIONS, GROUPS, SERVICES, SecretFiles
from services.api.handlers import EVENTS_QUEUE

ROOT = Path(__file__).parents[3]
COMPOSE = (ROOT / "docker-compose.yml").read_text("utf-8")
TEMPLATE: dict[str, Any] = json.loads(DEFINITIONS.read_text("utf-8"))

QUEUES = {
    "receiver": [
        Queue(
            "receiver.senders.receiver-1",
            (Binding(COMMANDS_EXCHANGE, "sender-changed"),),
            private=True,
        )
    ],
    "organizer": [INTAKE, ORGANIZER_COMMANDS],
    "forwarder": [STUDY_COMPLETE, FORWARDER_COMMANDS, delivery_queue("default")],
    "api": [EVENTS_QUEUE],
}
PUBLISHES_TO = {
    "receiver": {EVENTS_EXCHANGE, COMMANDS_EXCHANGE, LOGS_EXCHANGE},
    "organizer": {EVENTS_EXCHANGE, COMMANDS_EXCHANGE, LOGS_EXCHANGE},
    "forwarder": {EVENTS_EXCHANGE, COMMANDS_EXCHANGE, LOGS_EXCHANGE},
    "api": {COMMANDS_EXCHANGE, LOGS_EXCHANGE},
}


# -- docker-compose.yml --------------------------------------------------------------------------


def variable_of(field: str) -> str:
    return field.upper() if field.startswith("target_") else f"ROUTER_{field.upper()}"


@pytest.mark.parametrize("variable", [variable_of(field) for field in Settings.model_fields])
def test_every_setting_is_fixed_or_passed_through(variable: str) -> None:
    if variable == "ROUTER_DICOM_HOST":  # within a container there is no choice
        return
    lines = re.findall(rf"^ +{variable}(?:_FILE)?: (.+)$", COMPOSE, re.MULTILINE)
    assert lines, f"{variable} can't be set"
    assert all("$" not in line or line == f"${{{variable}:-}}" for line in lines)


def test_no_other_setting_is_named_which_would_stop_the_start() -> None:
    known = {variable_of(field) for field in Settings.model_fields}
    known |= {f"{secret}_FILE" for secret in SECRETS}
    assert set(re.findall(r"^ +(ROUTER_\w+|TARGET_\w+):", COMPOSE, re.MULTILINE)) <= known


def test_no_secret_is_in_the_files() -> None:
    assert not re.search(r"(PASSWORD|PASS|_URL): +(?!\$\{)\S", COMPOSE)
    assert "ROUTER_API_TOKEN: ${ROUTER_API_TOKEN:-}" in COMPOSE
    assert all(user.keys() == {"name", "tags"} for user in TEMPLATE["users"])


@pytest.mark.parametrize("reader", sorted(GROUPS.keys() - {"router"}))
def test_each_container_is_in_the_group_of_its_secrets(reader: str) -> None:
    block = re.search(rf"^  {reader}:\n((?:    .*\n)+)", COMPOSE, re.MULTILINE)
    assert block is not None
    assert f'group_add: ["{GROUPS[reader]}"]' in block[1]


def test_ports_are_published_as_in_earlier_versions() -> None:
    assert "${HTR_IP:-0.0.0.0}:104:11104" in COMPOSE
    assert "${HTR_IP:-0.0.0.0}:4100:4100" in COMPOSE
    assert "TZ: ${TZ:-America/Sao_Paulo}" in COMPOSE


def test_scanners_are_told_the_ports_that_are_published() -> None:
    (told,) = re.findall(r"ROUTER_DICOM_PUBLISHED_PORTS: ([\d,]+)", COMPOSE)
    published = re.findall(r'^ +- "[^"]*:(\d+):\d+"', blocks()["receiver"], re.MULTILINE)
    assert told.split(",") == published


def blocks() -> dict[str, str]:
    """The services that have containers, as they are written."""
    services = COMPOSE.partition("\nservices:\n")[2].partition("\nnetworks:\n")[0]
    found = dict(re.findall(r"^  (\w+):\n((?:    .*\n|\n|  #.*\n)+)", services, re.MULTILINE))
    return {name: block for name, block in found.items() if "image" in block or "<<" in block}


def fragment(name: str) -> str:
    found = re.search(rf"^x-{name}:.*\n((?:  .*\n)+)", COMPOSE, re.MULTILINE)
    assert found is not None
    return found[1]


def test_every_container_has_a_read_only_root_and_no_privilege() -> None:
    assert blocks().keys() == {"rabbitmq", "postgres", "init", "migrate", *SERVICES}
    for line in ("cap_drop: [ALL]", 'security_opt: ["no-new-privileges:true"]', "read_only: true"):
        assert f"  {line}\n" in fragment("hardened")
    assert "<<: *hardened\n" in fragment("router")
    assert "<<: *router\n" in fragment("service")
    for block in blocks().values():
        assert re.search(r"^    <<: \*(hardened|router|service)$", block, re.MULTILINE)
    assert COMPOSE.count("read_only:") == COMPOSE.count("cap_drop:") == 1
    assert COMPOSE.count("security_opt:") == 1
    assert "privileged" not in COMPOSE.replace("no-new-privileges", "")


def test_only_the_container_that_makes_the_folders_is_root_and_it_has_no_network() -> None:
    users = {
        name: re.findall(r'^    user: "([\d:]+)"', block, re.M) for name, block in blocks().items()
    }
    assert '  user: "10001:10001"\n' in fragment("router")
    assert users.pop("init") == ["0:0"]
    assert "network_mode: none" in blocks()["init"]
    assert users.pop("rabbitmq") == users.pop("postgres") == ["999:999"]
    assert not any(users.values())
    assert [name for name, block in blocks().items() if "cap_add" in block] == ["init"]


def test_nothing_is_published_but_dicom_the_api_and_on_loopback_the_console() -> None:
    published = {
        name: re.findall(r'^ +(?:ports: \[|- )"([^"]*:\d+)"', block, re.MULTILINE)
        for name, block in blocks().items()
    }
    assert {name: ports for name, ports in published.items() if ports} == {
        "receiver": ["${HTR_IP:-0.0.0.0}:104:11104", "${HTR_IP:-0.0.0.0}:4100:4100"],
        "api": ["8501:8501"],
        "rabbitmq": ["127.0.0.1:15672:15672"],
    }
    assert "  backend:\n    internal: true" in COMPOSE


# -- RabbitMQ's definitions ----------------------------------------------------------------------


def may(user: str, what: str, name: str) -> bool:
    """Whether a user has a permission; the default exchange is called `amq.default`."""
    rule = next(each for each in TEMPLATE["permissions"] if each["user"] == user)
    return re.search(rule[what], name or "amq.default") is not None


def needs_of(queue: Queue) -> Iterator[tuple[str, str]]:
    """The permissions that declaring and consuming a queue takes."""
    declaration = (
        topology.private_queue_declaration(queue, f"{queue.name}.0123")
        if queue.private
        else topology.queue_declaration(queue)
    )
    for step in declaration.steps:
        arguments = step.arguments
        if step.method == "queue_declare":
            yield "configure", arguments["queue"]
            yield "read", arguments["queue"]
            if "x-dead-letter-exchange" in arguments["arguments"]:
                yield "write", arguments["arguments"]["x-dead-letter-exchange"]
        else:
            assert step.method == "queue_bind"
            yield "write", arguments["queue"]
            yield "read", arguments["exchange"]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_may_do_what_its_queues_need(service: str) -> None:
    for queue in QUEUES[service]:
        for what, name in needs_of(queue):
            assert may(service, what, name), f"{service} may not {what} {name!r}"
        if not queue.private:  # retries and dead letters go straight to their queue
            assert may(service, "write", "")


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_may_publish_where_it_has_to_and_nowhere_else(service: str) -> None:
    topics = {name for name, kind in topology.EXCHANGES.items() if kind == "topic"}
    assert {name for name in topics if may(service, "write", name)} == PUBLISHES_TO[service]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_may_not_touch_what_is_another_s(service: str) -> None:
    others = [queue.name for each in SERVICES if each != service for queue in QUEUES[each]]
    for name in [*others, "integr.ris.studies"]:
        assert not any(may(service, what, name) for what in ("configure", "write", "read")), name
    assert not any(may(service, "configure", name) for name in topology.EXCHANGES)


def test_the_api_may_take_dead_letters_and_send_them_back_and_no_more() -> None:
    shared = [queue for each in ("organizer", "forwarder") for queue in QUEUES[each]]
    assert may("api", "write", "")  # straight to the queue they came from
    for queue in shared:
        assert {name for name in queue.names if may("api", "read", name)} == {
            queue.dead_letter_name
        }
        assert not any(may("api", what, queue.dead_letter_name) for what in ("configure", "write"))
    assert not may("api", "read", "integr.ris.dlq")


def test_the_exchanges_are_those_that_the_code_declares() -> None:
    defined = {each["name"]: each["type"] for each in TEMPLATE["exchanges"] if each["durable"]}
    assert defined == topology.EXCHANGES


# -- what the init container does ----------------------------------------------------------------


@pytest.fixture
def secret_files(tmp_path: Path) -> SecretFiles:
    return SecretFiles(tmp_path, owner=os.getuid(), groups=dict.fromkeys(GROUPS, os.getgid()))


def content(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text("ascii")
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_secrets_are_made_once_and_never_overwritten(secret_files: SecretFiles) -> None:
    assert len(secret_files.prepare()) == len(SERVICES) + 3
    first = content(secret_files.folder)
    assert secret_files.prepare() == []
    second = content(secret_files.folder)
    del first["rabbitmq/definitions.json"], second["rabbitmq/definitions.json"]  # salted anew
    assert first == second
    assert len(set(first.values())) == len(first)


def test_secrets_are_for_their_reader_alone(secret_files: SecretFiles) -> None:
    secret_files.prepare()
    for path in secret_files.folder.rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o750 if path.is_dir() else 0o640)


def test_rabbitmq_is_given_the_hashes_of_the_passwords(secret_files: SecretFiles) -> None:
    secret_files.prepare()
    folder = secret_files.folder
    users = json.loads((folder / "rabbitmq/definitions.json").read_text("ascii"))["users"]
    for user in users:
        if user["name"] == "admin":
            password = (folder / "rabbitmq/admin-password").read_text("ascii").strip()
        else:
            url = urlsplit((folder / user["name"] / "amqp-url").read_text("ascii").strip())
            assert (url.username, url.hostname) == (user["name"], "rabbitmq")
            password = url.password or ""
        known = base64.b64decode(user["password_hash"])
        salt = known[:4]
        assert known == salt + hashlib.sha256(salt + password.encode()).digest()


def test_the_data_folder_is_given_to_the_router_s_user(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    data = tmp_path / "dicom"
    (data / "study").mkdir(parents=True)
    (data / "study" / "CT.1.dcm").touch()
    (data / "link").symlink_to(outside)
    before, other = os.getuid(), 10001

    if before != 0:
        with pytest.raises(PermissionError):
            data_folder.give(data, other, other)
        return
    assert data_folder.give(data, other, other) == 4
    assert {path.lstat().st_uid for path in (data, *data.rglob("*"))} == {other}
    assert (outside / "file").stat().st_uid == outside.stat().st_uid == before
    assert data_folder.give(data, other, other) == 0


# -- the health checks ---------------------------------------------------------------------------


class NobodyIsExpected:
    def on_request(self, request: AssociationRequest) -> Rejection | None:
        raise AssertionError(request)

    def on_store(self, request: StoreRequest) -> StoreSink:
        raise AssertionError(request)


def test_a_dicom_port_is_seen_to_be_well_without_an_association() -> None:
    ends: list[AssociationEnd] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            ends.append(serve_association(connection, NobodyIsExpected(), AcceptorLimits()))

        thread = threading.Thread(target=serve)
        thread.start()
        port = listening.getsockname()[1]
        assert healthcheck.dicom(port) is None
        thread.join()
    assert [end.outcome for end in ends] == ["never-opened"]
    assert healthcheck.dicom(port) is not None


def test_ports_for_tls_are_looked_at_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("ROUTER_DICOM_TLS_PORTS", str(port))
    command = [sys.executable, "-m", "infra.healthcheck", "dicom"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"DICOM port {port}: " in done.stdout


def test_a_connection_to_a_port_is_seen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        assert healthcheck.connected(port) is not None
        with socket.create_connection(("127.0.0.1", port)):
            assert healthcheck.connected(port) is None
