"""A receiver's TLS ports: who gets in, with what, and what is told of those who do not."""

import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from dicom_router.dimse import VERIFICATION, Association, PeerAddress, PeerError, RequestorTimeouts
from dicom_router.errors import ConfigurationError
from dicom_router.log import Log
from dicom_router.tls import TlsFiles, client_context
from infra import healthcheck
from infra.ports import free_port
from tests.integration.receiver.test_receiver import EXPLICIT, Site, receiving
from tests.support.certificates import Authority, Pair
from tests.support.series import ct_series
from tests.support.waiting import wait_for

Receiving = Callable[..., Site]
QUICK = RequestorTimeouts(connect_seconds=5, negotiation_seconds=5)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("stranger"))


@pytest.fixture(scope="module")
def scanner(authority: Authority) -> Pair:
    return authority.sign("DNS:ct1")


@pytest.fixture(scope="module")
def used(authority: Authority) -> Pair:
    return authority.sign()


@pytest.fixture
def pair(used: Pair, tmp_path: Path) -> Pair:
    """The router's own, in files that may be replaced."""
    folder = tmp_path / "tls"
    folder.mkdir()
    files = Pair(folder / "cert.pem", folder / "key.pem")
    replace(files, used)
    return files


def replace(files: Pair, new: Pair) -> None:
    """As an administrator does: a new file under the old name."""
    for old, path in ((files.key, new.key), (files.certificate, new.certificate)):
        copy = shutil.copyfile(path, old.with_suffix(".new"))
        copy.rename(old)


@pytest.fixture
def start(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch, pair: Pair
) -> Iterator[Receiving]:
    """Starts a receiver with one TLS port, which is the site's, beside the plain one."""
    with ExitStack() as stack:

        def started(**settings: object) -> Site:
            port = free_port()
            given: dict[str, object] = {
                "ROUTER_DICOM_TLS_PORTS": port,
                "ROUTER_DICOM_TLS_CERT": pair.certificate,
                "ROUTER_DICOM_TLS_KEY": pair.key,
                **settings,
            }
            site = stack.enter_context(
                receiving(tmp_path, sqlite_url, monkeypatch, bus=None, **given)
            )
            site.port = port
            return site

        yield started


def peer_of(site: Site, host: str = "127.0.0.1") -> PeerAddress:
    return PeerAddress(host, site.port, "DICOMROUTER", "CT1")


def security(authority: Authority, own: Pair | None = None) -> ssl.SSLContext:
    certificate, key = (own.certificate, own.key) if own else (None, None)
    return client_context(TlsFiles(certificate, key, authority.certificate))


def echo(site: Site, context: ssl.SSLContext, host: str = "127.0.0.1") -> int:
    contexts = [(VERIFICATION, EXPLICIT)]
    with Association.open(peer_of(site, host), contexts, QUICK, context) as association:
        return association.echo()


def shown_certificate(site: Site) -> bytes:
    """The DER of what the TLS port presents now."""
    anyone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", site.port), 10) as plain,
        anyone.wrap_socket(plain) as secured,
    ):
        return secured.getpeercert(binary_form=True) or b""


def der(pair: Pair) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pair.certificate.read_text())


# -- who gets in ---------------------------------------------------------------------------------


@pytest.mark.dcmtk
@pytest.mark.parametrize("profile", ["--profile-bcp195-nd", "--profile-bcp195-ex"])
def test_storescu_stores_over_tls_with_a_certificate_that_our_authority_signed(
    start: Receiving, authority: Authority, scanner: Pair, tmp_path: Path, profile: str
) -> None:
    _study, (file,) = ct_series(tmp_path / "series", 1)
    site = start(ROUTER_DICOM_TLS_CA=authority.certificate)
    tls = ["+tls", scanner.key, scanner.certificate, "+cf", authority.certificate, profile]
    command = ["storescu", *tls, "-aec", "DICOMROUTER", "127.0.0.1", site.port, file.path]
    done = subprocess.run(
        [str(each) for each in command], env=os.environ | {"TCP_NODELAY": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert site.next("instance-stored")["sop_instance_uid"] == file.sop_instance_uid
    assert site.next("association-released")["outcome"] == "released"


def test_without_authorities_whoever_speaks_tls_gets_in(
    start: Receiving, authority: Authority
) -> None:
    site = start()
    assert echo(site, security(authority)) == 0
    assert echo(site, security(authority), "localhost") == 0
    site.next("association-released")


def test_who_presents_no_good_certificate_is_refused_and_that_is_told(
    start: Receiving, authority: Authority, stranger: Authority
) -> None:
    site = start(ROUTER_DICOM_TLS_CA=authority.certificate)
    refused: list[tuple[Pair | None, str]] = [
        (None, "presents no certificate, and one is demanded"),
        (stranger.sign(), "certificate is not accepted: unable to get local issuer certificate"),
        (authority.sign(days=-1), "certificate is not accepted: certificate has expired"),
    ]
    for own, why in refused:
        with pytest.raises(PeerError):
            echo(site, security(authority, own))
        told = site.next("association-rejected")
        assert (told["calling_ae_title"], told["peer_address"]) == ("", "127.0.0.1")
        assert told["kind"] == "tls-failed"
        assert str(told["why"]) == f"the TLS handshake failed: the peer{_after(why)}"


def _after(why: str) -> str:
    return f"'s {why}" if why.startswith("certificate") else f" {why}"


def test_a_peer_is_told_why_its_certificate_is_refused(
    start: Receiving, authority: Authority
) -> None:
    site = start(ROUTER_DICOM_TLS_CA=authority.certificate)
    with pytest.raises(PeerError, match="the peer does not agree to TLS: certificate required"):
        echo(site, security(authority))


def test_who_does_not_trust_our_certificate_does_not_send_and_that_is_told(
    start: Receiving, stranger: Authority
) -> None:
    site = start()
    with pytest.raises(PeerError, match="certificate is not accepted") as caught:
        echo(site, security(stranger))
    assert (caught.value.kind, caught.value.stage) == ("unreachable", "tls")
    why = str(site.next("association-rejected")["why"])
    assert why == "the TLS handshake failed: the peer does not agree to TLS: unknown ca"


def test_a_certificate_for_another_host_is_not_ours(
    start: Receiving, authority: Authority, pair: Pair
) -> None:
    replace(pair, authority.sign("DNS:elsewhere,IP:10.0.0.1"))
    site = start()
    with pytest.raises(PeerError, match="IP address mismatch"):
        echo(site, security(authority))


@pytest.mark.parametrize(
    ("options", "gets_in"),
    [
        ("-tls1_3", True),
        ("-tls1_2", True),
        ("-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA256", False),
        ("-tls1_1 -cipher DEFAULT:@SECLEVEL=0", False),
        ("-tls1 -cipher DEFAULT:@SECLEVEL=0", False),
    ],
)
def test_only_tls_from_1_2_on_with_forward_secrecy_and_authenticated_encryption(
    start: Receiving, options: str, gets_in: bool
) -> None:
    site = start()
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{site.port}", *options.split()]
    done = subprocess.run(
        command, input="", capture_output=True, text=True, check=False, timeout=30
    )
    assert (done.returncode == 0) == gets_in, done.stdout + done.stderr
    if not gets_in:
        assert "the TLS handshake failed" in str(site.next("association-rejected")["why"])


# -- who does not even try -----------------------------------------------------------------------


def test_plain_dicom_on_a_tls_port_is_rejected_with_one_clear_line(start: Receiving) -> None:
    site = start()
    with capture_logs() as logs:
        with pytest.raises(PeerError, match="rejected the association"):
            site.echo(calling="OLD_CT")
        told = site.next("association-rejected")
    assert (told["calling_ae_title"], told["called_ae_title"]) == ("OLD_CT", "DICOMROUTER")
    assert str(told["why"]).startswith("plain DICOM came instead of TLS: switch TLS on")
    assert told["kind"] == "plain-on-tls-port"
    (line,) = [each for each in logs if each["event"] == Log.ASSOCIATION_REJECTED]
    assert (line["calling_ae_title"], line["peer_address"]) == ("OLD_CT", "127.0.0.1")


def test_a_health_check_finds_a_tls_port_well_and_leaves_nothing_on_record(
    start: Receiving, authority: Authority
) -> None:
    site = start()
    assert healthcheck.dicom(site.port) is None
    assert echo(site, security(authority)) == 0
    site.next("association-released")


def test_half_open_handshakes_hold_up_nobody_and_end_in_time(
    start: Receiving, authority: Authority
) -> None:
    site = start(ROUTER_DICOM_NEGOTIATION_TIMEOUT_SECONDS=1, ROUTER_DICOM_MAX_ASSOCIATIONS=1)
    with ExitStack() as stack:
        connections = [socket.create_connection(("127.0.0.1", site.port), 10) for _ in range(20)]
        for each in connections:
            stack.enter_context(closing(each))
        for each in connections[10:]:
            each.sendall(bytes.fromhex("1603010100010000fc0303"))  # the beginning of a ClientHello
        assert echo(site, security(authority)) == 0
        assert site.next("association-released")["outcome"] == "released"
        for each in connections:
            while each.recv(1000):
                pass
        told = site.next("association-rejected")
    assert told["why"] == "the TLS handshake failed: the peer did not finish it in time"


# -- new certificates ----------------------------------------------------------------------------


def test_a_new_certificate_is_used_without_a_restart_and_without_ending_what_is_open(
    start: Receiving, authority: Authority, pair: Pair
) -> None:
    site = start()
    contexts = [(VERIFICATION, EXPLICIT)]
    with Association.open(peer_of(site), contexts, QUICK, security(authority)) as association:
        before, new = der(pair), authority.sign()
        assert shown_certificate(site) == before
        replace(pair, new)
        assert shown_certificate(site) == der(new) != before
        assert association.echo() == 0


def test_a_new_authority_counts_without_a_restart(
    start: Receiving, authority: Authority, stranger: Authority, scanner: Pair, tmp_path: Path
) -> None:
    trusted = shutil.copyfile(stranger.certificate, tmp_path / "trusted.pem")
    site = start(ROUTER_DICOM_TLS_CA=trusted)
    with pytest.raises(PeerError):
        echo(site, security(authority, scanner))
    shutil.copyfile(authority.certificate, trusted)
    assert echo(site, security(authority, scanner)) == 0


def test_a_bad_new_certificate_keeps_the_one_before_and_is_told_once(
    start: Receiving, pair: Pair, stranger: Authority, used: Pair
) -> None:
    site = start()
    with capture_logs() as logs:
        shutil.copyfile(stranger.sign().certificate, pair.certificate)  # its key is another one
        assert shown_certificate(site) == shown_certificate(site) == der(used)
        (line,) = [each for each in logs if each["event"] == Log.TLS_KEPT]
    assert "key values mismatch" in line["why"]
    assert f"ROUTER_DICOM_TLS_CERT={pair.certificate}" in line["why"]


def test_files_that_are_missing_bad_or_locked_end_the_start_with_one_line(
    start: Receiving, pair: Pair, tmp_path: Path
) -> None:
    def refuse(what: str, **settings: object) -> None:
        with pytest.raises(ConfigurationError, match=what) as caught:
            start(**settings)
        assert "\n" not in str(caught.value)
        assert "ROUTER_DICOM_TLS_" in str(caught.value)

    nothing = tmp_path / "nothing.pem"
    refuse("No such file", ROUTER_DICOM_TLS_CERT=nothing)
    nothing.write_text("nothing")
    refuse("can't be used", ROUTER_DICOM_TLS_KEY=nothing)
    refuse("can't be used", ROUTER_DICOM_TLS_CA=nothing)
    locked = tmp_path / "locked.pem"
    command = ["openssl", "pkey", "-in", str(pair.key), "-aes256", "-passout", "pass:x"]
    subprocess.run([*command, "-out", str(locked)], check=True)
    refuse("passphrase", ROUTER_DICOM_TLS_KEY=locked)


def test_nobody_is_let_in_who_holds_a_place_only_by_shaking_hands(
    start: Receiving, authority: Authority
) -> None:
    site = start(ROUTER_DICOM_MAX_ASSOCIATIONS=1)
    contexts = [(VERIFICATION, EXPLICIT)]
    with Association.open(peer_of(site), contexts, QUICK, security(authority)):
        with pytest.raises(PeerError, match="local limit exceeded"):
            echo(site, security(authority))
        assert "ROUTER_DICOM_MAX_ASSOCIATIONS" in str(site.next("association-rejected")["why"])
    wait_for(lambda: _takes(site, authority), "a free place")


def _takes(site: Site, authority: Authority) -> bool:
    try:
        return echo(site, security(authority)) == 0
    except PeerError:
        return False
