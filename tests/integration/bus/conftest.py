"""A bus of each kind for the suite that both must pass, and a broker that may be ill-treated."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dicom_router.bus import Bus
from dicom_router.bus.rabbitmq import RabbitBus
from infra.private_services import PrivateRabbitMQ
from tests.conftest import started
from tests.integration.bus.support import Backend, Console, MemoryBackend, RabbitBackend, until

MakeBus = Callable[..., RabbitBus]


@pytest.fixture
def make_bus(amqp_url: str) -> Iterator[MakeBus]:
    """Makes buses on a virtual host of the test's own, and closes them."""
    buses: list[RabbitBus] = []

    def make(name: str = "organizer@testhost:4711", **options: Any) -> RabbitBus:
        buses.append(RabbitBus(amqp_url, name=name, **options))
        return buses[-1]

    yield make
    for bus in buses:
        bus.close(10)


@pytest.fixture
def console(rabbitmq: PrivateRabbitMQ, amqp_url: str) -> Console:
    return Console(rabbitmq, amqp_url)


@pytest.fixture(params=["memory", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)])
def backend(request: pytest.FixtureRequest) -> Backend:
    """The test runs once on each kind of bus."""
    if request.param == "memory":
        return MemoryBackend()
    return RabbitBackend(request.getfixturevalue("amqp_url"), request.getfixturevalue("make_bus"))


@pytest.fixture
def bus(backend: Backend) -> Iterator[Bus]:
    bus = backend.bus()
    until(lambda: bus.connected)
    yield bus
    bus.close(10)


@pytest.fixture(scope="module")
def doomed_rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateRabbitMQ]:
    """A broker that tests may stop, kill and rob of its data; it runs again when they end."""
    yield from started(PrivateRabbitMQ(tmp_path_factory.mktemp("doomed")))
