"""Certificates in the diagnostics, and an echo over TLS."""

import shutil
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dicom_router.database import Database
from dicom_router.dimse import AcceptorLimits, serve_association
from dicom_router.tls import TlsFiles, server_context
from tests.integration.api.conftest import Api, running
from tests.support.certificates import Authority, Pair
from tests.unit.dimse.peers import Keeper


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def check_of(api: Api, name: str) -> dict[str, Any]:
    (found,) = [each for each in api.get("/diagnostics") if each["id"] == name]
    return dict(found)


def settings_for(pair: Pair, authority: Authority | None = None) -> dict[str, Any]:
    ca = authority.certificate if authority else None
    return {
        "dicom_tls_cert": pair.certificate,
        "dicom_tls_key": pair.key,
        "dicom_tls_ca": ca,
    }


def test_who_uses_no_certificates_is_not_told_of_any(api: Api) -> None:
    assert not {"dicom-tls", "http-tls"} & {each["id"] for each in api.get("/diagnostics")}


def test_a_certificate_is_watched_until_it_expires(
    start: Callable[..., Api], authority: Authority
) -> None:
    pair = authority.sign(days=40)
    api = start(**settings_for(pair, authority))
    ends = datetime.now(UTC) + timedelta(days=40)
    for now, status in (
        (ends - timedelta(days=31), "ok"),
        (ends - timedelta(days=29), "warn"),
        (ends + timedelta(minutes=5), "fail"),
    ):
        api.now[0] = now
        check = check_of(api, "dicom-tls")
        assert check["status"] == status, check
        assert str(pair.certificate) in check["detail"]
        assert f"{ends:%Y-%m-%d}" in check["detail"]
        assert bool(check["fix"]) == (status != "ok")


def test_files_that_do_not_go_together_fail_and_it_is_said_what_to_do(
    start: Callable[..., Api], authority: Authority, tmp_path: Path
) -> None:
    own = Pair(tmp_path / "cert.pem", tmp_path / "key.pem")
    good, other = authority.sign(), authority.sign()
    shutil.copyfile(good.certificate, own.certificate)
    shutil.copyfile(good.key, own.key)
    api = start(**settings_for(own))
    api.now[0] = datetime.now(UTC)
    assert check_of(api, "dicom-tls")["status"] == "ok"
    shutil.copyfile(other.certificate, own.certificate)
    check = check_of(api, "dicom-tls")
    assert check["status"] == "fail"
    assert "key values mismatch" in check["detail"]
    assert "go together" in check["fix"]
    own.certificate.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert check_of(api, "dicom-tls")["status"] == "fail"
    own.certificate.unlink()
    assert "No such file" in check_of(api, "dicom-tls")["detail"]


def test_an_echo_over_tls_presents_our_certificate_and_checks_theirs(
    database: Database, tmp_path: Path, authority: Authority
) -> None:
    theirs = authority.sign()
    files = TlsFiles(theirs.certificate, theirs.key, authority.certificate)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_serve_two, args=(listening, files))
        thread.start()
        target = {"host": "127.0.0.1", "port": listening.getsockname()[1], "ae_title": "PACS"}
        trusted = shutil.copyfile(authority.certificate, tmp_path / "ca.pem")
        mutual = settings_for(authority.sign(), authority) | {"dicom_tls_ca": trusted}
        with running(database, tmp_path / "data", **mutual) as api:
            told = api.post("/echo", target | {"tls": True}, status=200)
            assert (told["ok"], told["stage"]) == (True, "echo"), told
            trusted.unlink()
            assert api.post("/echo", target | {"tls": True}, status=200)["stage"] == "tls"
            told = api.post("/echo", target, status=200)
            assert (told["ok"], told["stage"]) == (False, "negotiate")
        thread.join(10)


def test_a_destination_whose_certificate_expires_soon_is_warned_of(
    start: Callable[..., Api], authority: Authority
) -> None:
    theirs = authority.sign(days=20)
    files = TlsFiles(theirs.certificate, theirs.key, None)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_serve_two, args=(listening, files))
        thread.start()
        api = start(**settings_for(authority.sign(), authority))
        api.now[0] = datetime.now(UTC)
        ends = api.now[0] + timedelta(days=20)
        target = {"host": "127.0.0.1", "port": listening.getsockname()[1], "ae_title": "PACS"}
        told = api.post("/echo", target | {"tls": True}, status=200)
        assert told["certificate_expires_at"][:13] == f"{ends:%Y-%m-%dT%H}"
        api.post("/destinations", target | {"name": "pacs", "tls": True})
        check = check_of(api, "destination:pacs")
        thread.join(10)
    assert check["status"] == "warn"
    assert "its certificate expires" in check["detail"]


def _serve_two(listening: socket.socket, files: TlsFiles) -> None:
    context = server_context(files)
    for _ in range(2):
        connection, _address = listening.accept()
        serve_association(connection, Keeper(), AcceptorLimits(), tls=context)
