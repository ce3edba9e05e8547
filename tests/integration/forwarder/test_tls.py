"""Deliveries over TLS to DCMTK's storescp, which demands a certificate of ours."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydicom import dcmread

from dicom_router.settings import Settings
from infra.ports import free_port
from tests.conftest import skip_or_fail
from tests.integration.forwarder.world import StudyAtHand, World, eventually
from tests.support.certificates import Authority, Pair
from tests.support.pacs import Pacs

pytestmark = pytest.mark.dcmtk


@dataclass(frozen=True)
class House:
    """A hospital's authority, and what it has signed."""

    authority: Authority
    router: Pair
    pacs: Pair


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    authority = Authority(tmp_path_factory.mktemp("house"))
    return House(authority, authority.sign("DNS:router"), authority.sign())


@pytest.fixture
def storescp(tmp_path: Path, house: House) -> Iterator[Callable[[Pair], Pacs]]:
    """Starts a storescp with a certificate; what it stores is in `tmp_path / "stored"`."""
    if shutil.which("storescp") is None:
        skip_or_fail("DCMTK is not installed: apt-get install dcmtk")
    folder = tmp_path / "stored"
    folder.mkdir()
    with ExitStack() as stack:

        def start(pair: Pair) -> Pacs:
            pacs = Pacs("ANY-SCP")
            pacs.port = free_port()
            tls = ["+tls", pair.key, pair.certificate, "+cf", house.authority.certificate]
            command = ["storescp", *tls, "--bit-preserving", "-od", folder, pacs.port]
            process = stack.enter_context(subprocess.Popen([str(each) for each in command]))
            stack.callback(process.kill)
            return pacs

        yield start


@pytest.fixture
def start_world(tmp_path: Path, sqlite_url: str) -> Iterator[Callable[..., World]]:
    """A world whose forwarder has these files for TLS."""
    with ExitStack() as stack:

        def start(own: Pair | None, authority: Authority | None) -> World:
            world = stack.enter_context(closing(World(tmp_path, sqlite_url)))
            world.settings = Settings.model_validate(
                {
                    "data_dir": tmp_path / "data",
                    "ae_title": "ROUTER",
                    "dicom_tls_cert": own.certificate if own else None,
                    "dicom_tls_key": own.key if own else None,
                    "dicom_tls_ca": authority.certificate if authority else None,
                }
            )
            return world

        yield start


def test_a_study_is_delivered_over_tls_with_certificates_on_both_sides(
    start_world: Callable[..., World],
    storescp: Callable[[Pair], Pacs],
    house: House,
    tmp_path: Path,
) -> None:
    world = start_world(house.router, house.authority)
    world.add_destination(storescp(house.pacs), tls=True)
    study = world.add_study(3)
    world.start()
    _pass_time_until_delivered(world, study)
    stored = {dcmread(path).SOPInstanceUID for path in (tmp_path / "stored").iterdir()}
    assert stored == set(study.uids)


def test_new_certificates_are_presented_without_a_restart(
    start_world: Callable[..., World],
    storescp: Callable[[Pair], Pacs],
    house: House,
    tmp_path: Path,
) -> None:
    expired = house.authority.sign(days=-1)
    own = Pair(tmp_path / "cert.pem", tmp_path / "key.pem")
    _copy(expired, own)
    world = start_world(own, house.authority)
    world.add_destination(storescp(house.pacs), tls=True)
    study = world.add_study(1)
    world.start()
    eventually(world.outage, "the destination to be down")
    _copy(house.router, own)
    _pass_time_until_delivered(world, study)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"tls": False}, "ANY-SCP at 127.0.0.1"),
        ({"certificate": "expired"}, "certificate has expired"),
        ({"certificate": "stranger"}, "unable to get local issuer certificate"),
        ({"certificate": "elsewhere"}, "IP address mismatch"),
        ({"own": None}, "the peer does not agree to TLS: "),
        ({"authority": None}, "certificate is not accepted: "),
    ],
    ids=str,
)
def test_a_destination_that_tls_does_not_let_us_reach_is_down_and_says_why(
    start_world: Callable[..., World],
    storescp: Callable[[Pair], Pacs],
    house: House,
    tmp_path: Path,
    change: dict[str, object],
    why: str,
) -> None:
    certificates: dict[object, Callable[[], Pair]] = {
        "expired": lambda: house.authority.sign(days=-1),
        "stranger": lambda: Authority(tmp_path / "stranger").sign(),
        "elsewhere": lambda: house.authority.sign("IP:10.0.0.1"),
    }
    pacs = certificates[change["certificate"]]() if "certificate" in change else house.pacs
    world = start_world(
        None if "own" in change else house.router,
        None if "authority" in change else house.authority,
    )
    world.add_destination(storescp(pacs), tls=change.get("tls", True))
    study = world.add_study(1)
    world.start()
    eventually(lambda: _tells(world, why), f"it to be down because {why}")
    eventually(lambda: world.has_delivery(study, "waiting", "retrying"), "a delivery that waits")


def _tells(world: World, why: str) -> bool:
    world.clock.advance(seconds=31)  # until storescp listens, that is why
    outage = world.outage()
    return outage is not None and why in str(outage.reason["text"])


def _pass_time_until_delivered(world: World, study: StudyAtHand) -> None:
    world.pass_time(lambda: world.has_delivery(study, "delivered"), "the delivery", most=3600)


def _copy(pair: Pair, to: Pair) -> None:
    shutil.copyfile(pair.key, to.key)
    shutil.copyfile(pair.certificate, to.certificate)
