"""Health, metrics, echo, starting and the OpenAPI document."""

import re
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from dicom_router.bus.memory import MemoryBus
from dicom_router.database import Database
from dicom_router.errors import ConfigurationError
from dicom_router.settings import Settings
from infra.ports import free_port
from services.api.__main__ import build
from tests.integration.api.conftest import Api, a_delivery, a_destination, a_study, running


def test_it_is_alive_and_ready(api: Api) -> None:
    assert api.client.get("/healthz").json() == {"status": "alive"}
    assert api.client.get("/readyz").json() == {"status": "ready"}


def test_it_says_why_it_is_not_ready(start: Callable[..., Api]) -> None:
    reasons: list[str | None] = [None, "the receiver does not listen yet"]
    api = start(ready_checks=[lambda: reasons[0], lambda: reasons[1]])
    answer = api.client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["reasons"] == ["the receiver does not listen yet"]
    reasons[1] = None
    assert api.client.get("/readyz").status_code == 200
    api.bus.close(1.0)
    assert "broker" in api.client.get("/readyz").json()["detail"]
    failing = {each["id"] for each in api.get("/diagnostics") if each["status"] == "fail"}
    assert failing == {"broker", f"dicom-port:{api.settings.dicom_ports[0]}"}


def test_metrics_are_prometheus_text_without_patients_data(api: Api) -> None:
    api.post("/destinations", a_destination())
    api.add(a_study(state="sent"), a_delivery("d1"))
    text = api.client.get("/metrics").text
    for sample in (
        'dicom_router_studies{state="sent"} 1.0',
        'dicom_router_deliveries{destination="pacs",state="waiting"} 1.0',
        'dicom_router_destination_down{destination="pacs"} 0.0',
        "dicom_router_receipts_total 0.0",
        "dicom_router_spool_files 0.0",
        "dicom_router_database_up 1.0",
        "dicom_router_broker_connected 1.0",
    ):
        assert sample in text.splitlines()
    assert re.search(r"^dicom_router_disk_free_bytes [0-9.e+]+$", text, re.MULTILINE)
    assert "DOE" not in text


def test_echo_reaches_a_peer(api: Api, peer: int) -> None:
    result = api.post("/echo", at(peer), status=200)
    assert (result["ok"], result["stage"]) == (True, "echo")
    assert result["latency_ms"] > 0
    api.post("/destinations", a_destination(host="127.0.0.1", port=peer))
    assert api.post("/destinations/pacs/echo", status=200)["ok"] is True
    api.post("/senders", {"name": "ct1", "ae_title": "CT1", "host": "127.0.0.1", "port": peer})
    assert api.post("/senders/ct1/echo", status=200)["ok"] is True


def test_echo_says_how_far_it_came(api: Api, rejecting_peer: int, storing_peer: int) -> None:
    unknown = at(104) | {"host": "no-such-host.invalid"}
    assert _stage(api, unknown) == "dns"
    assert _stage(api, at(free_port())) == "connect"
    assert _stage(api, at(rejecting_peer)) == "negotiate"
    assert _stage(api, at(storing_peer)) == "negotiate"


def test_a_silent_peer_does_not_hold_up_a_stop(start: Callable[..., Api]) -> None:
    api = start()
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.socket() as asking:
        asking.connect(("127.0.0.1", api.settings.http_port))
        body = f'{{"host":"127.0.0.1","port":{silent.getsockname()[1]},"ae_title":"X"}}'
        asking.sendall(
            f"POST /api/v1/echo HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
            f"{api.client.headers['authorization'].split()[1]}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        connection, _ = silent.accept()  # it is being echoed now
        with connection:
            api.service.stop(7.0)
            answer = asking.recv(65536)
    assert b"200 OK" in answer
    assert b'"ok":false' in answer


def test_an_echo_to_a_sender_of_unknown_address_is_refused(api: Api) -> None:
    api.post("/senders", {"name": "ct1", "ae_title": "CT1"})
    assert "host" in api.post("/senders/ct1/echo", status=409)["detail"]
    api.post("/senders/nobody/echo", status=404)
    api.post("/destinations/nowhere/echo", status=404)


@pytest.mark.parametrize(
    ("host", "taken", "told"),
    [
        ("127.0.0.1", True, "ROUTER_HTTP_PORT={port} on 127.0.0.1 can't be used: address already"),
        ("192.0.2.1", False, "ROUTER_HTTP_PORT={port} on 192.0.2.1 can't be used: cannot assign"),
        ("no-such-host.invalid", False, "ROUTER_HTTP_HOST=no-such-host.invalid can't be used"),
    ],
)
def test_a_port_that_cannot_be_had_is_said_in_one_line(
    database: Database, tmp_path: Path, host: str, taken: bool, told: str
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        if taken:
            other.listen()
        port = other.getsockname()[1]
        settings = Settings.model_validate(
            {"data_dir": tmp_path, "http_host": host, "http_port": port}
        )
        service = build(settings, database, MemoryBus())
        with pytest.raises(ConfigurationError) as caught:
            service.start()
        service.stop(1.0)
    assert str(caught.value).startswith(told.format(port=port))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / ".api-token").exists()


def test_a_certificate_makes_it_https(
    database: Database, tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    certificate_file, key_file = certificate
    files: dict[str, Any] = {"http_tls_cert": certificate_file, "http_tls_key": key_file}
    with running(database, tmp_path / "data", **files) as api:
        trust = ssl.create_default_context(cafile=certificate_file)
        url = f"https://127.0.0.1:{api.settings.http_port}/api/v1/session"
        answer = httpx.post(url, headers=api.client.headers, verify=trust, trust_env=False)
        assert answer.status_code == 200
        assert "secure" in answer.headers["set-cookie"].lower()
        assert answer.headers["strict-transport-security"] == "max-age=31536000"


def test_a_certificate_that_is_none_is_said_in_one_line(database: Database, tmp_path: Path) -> None:
    bad = tmp_path / "bad.pem"
    bad.write_text("nothing")
    files = {
        "data_dir": tmp_path,
        "http_port": free_port(),
        "http_tls_cert": bad,
        "http_tls_key": bad,
    }
    service = build(Settings.model_validate(files), database, MemoryBus())
    with pytest.raises(ConfigurationError, match="ROUTER_HTTP_TLS_CERT"):
        service.start()


def test_https_is_as_strict_as_dicom_over_tls(
    database: Database, tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    files: dict[str, Any] = {"http_tls_cert": certificate[0], "http_tls_key": certificate[1]}
    with running(database, tmp_path / "data", **files) as api:
        for suite, taken in (
            ("ECDHE-ECDSA-AES128-GCM-SHA256", True),
            ("ECDHE-ECDSA-AES128-SHA", False),
        ):
            where = ["-connect", f"127.0.0.1:{api.settings.http_port}"]
            command = ["openssl", "s_client", *where, "-tls1_2", "-cipher", suite]
            done = subprocess.run(command, input=b"", capture_output=True, check=False, timeout=30)
            assert (done.returncode == 0) == taken, suite


def test_the_openapi_document_is_sound(api: Api) -> None:
    document = api.client.get("/api/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    schemas = document["components"]["schemas"]
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    names = [op["operationId"] for path in document["paths"].values() for op in path.values()]
    assert len(names) == len(set(names))
    for reference in _references(document):
        kind, name = reference.removeprefix("#/components/").split("/")
        assert name in document["components"][kind]
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation["summary"]
            given = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
            assert given == set(re.findall(r"{(\w+)}", path)), path
            if path.startswith("/api/v1"):
                assert operation["security"], path
                shared = operation["responses"]["422"]["$ref"].rpartition("/")[2]
                problem = document["components"]["responses"][shared]["content"]
                assert list(problem) == ["application/problem+json"]


def at(port: int) -> dict[str, Any]:
    return {"host": "127.0.0.1", "port": port, "ae_title": "PACS"}


def _stage(api: Api, target: dict[str, Any]) -> str:
    result = api.post("/echo", target, status=200)
    assert result["ok"] is False
    assert result["detail"]
    assert result["latency_ms"] is None
    stage: str = result["stage"]
    return stage


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)


def _scp(**settings: Any) -> Iterator[int]:
    ae = AE(ae_title="PACS")
    ae.add_supported_context(settings.pop("context", Verification))
    for name, value in settings.items():
        setattr(ae, name, value)
    port = free_port()
    server = ae.start_server(
        ("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_ECHO, lambda _event: 0)]
    )
    yield port
    if server is not None:
        server.shutdown()


@pytest.fixture
def peer() -> Iterator[int]:
    yield from _scp()


@pytest.fixture
def rejecting_peer() -> Iterator[int]:
    yield from _scp(require_called_aet=True, ae_title="OTHER")


@pytest.fixture
def storing_peer() -> Iterator[int]:
    yield from _scp(context="1.2.840.10008.5.1.4.1.1.2")


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A self-signed one for 127.0.0.1."""
    certificate_file, key_file = tmp_path / "cert.pem", tmp_path / "key.pem"
    what = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key_file), "-out", str(certificate_file)]
    subprocess.run([*what.split(), *names, *files], check=True, capture_output=True)
    return certificate_file, key_file
