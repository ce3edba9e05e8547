"""A message that ends its consumer, every time, takes no good ones with it."""

import threading
from collections.abc import Sequence

import pytest

from dicom_router.bus.rabbitmq import RabbitBus
from dicom_router.events import Message
from tests.integration.bus.conftest import MakeBus
from tests.integration.bus.support import INTAKE, Inbox, depth, message, publish, until

pytestmark = [
    pytest.mark.rabbitmq,
    # The consumer's thread ends as a process would, in the middle of a message.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]

GOOD = [str(number) for number in range(60)]


def fatal(messages: Sequence[Message]) -> None:
    """As a crash in a library: nothing of the batch is acknowledged, the consumer is gone."""
    if any(each.id == "poison" for each in messages):
        raise SystemExit


def consume_until_it_dies(bus: RabbitBus, inbox: Inbox) -> None:
    consumer = bus.consume(INTAKE, inbox)
    assert isinstance(consumer, threading.Thread)
    until(lambda: not consumer.is_alive() or depth(bus, INTAKE.dead_letter_name) != 0)
    consumer.stop(10)


def test_a_message_that_ends_its_consumer_is_parked_alone_and_all_others_get_through(
    make_bus: MakeBus,
) -> None:
    bus = make_bus()
    bus.declare(INTAKE)
    publish(bus, *map(message, GOOD[:10]), message("poison"), *map(message, GOOD[10:]))
    inbox = Inbox(fatal)

    while not depth(bus, INTAKE.dead_letter_name):
        consume_until_it_dies(bus, inbox)

    bus.consume(INTAKE, inbox)
    inbox.wait_handled(len(GOOD))
    assert sorted(inbox.ids) == sorted(GOOD)  # each of them once
    with bus.dead_letters(INTAKE) as letters:
        assert [each.id for each in letters] == ["poison"]
    # After the first time, when nobody knew, it was always handled alone.
    deaths = [call for call in inbox.calls if any(each.id == "poison" for each in call)]
    assert [len(call) for call in deaths[1:]] == [1] * (len(deaths) - 1)
