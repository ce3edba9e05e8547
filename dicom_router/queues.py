"""The queues that more than one service knows: one consumes them, the API looks at all of them.

What each is for, and what it means when it grows, is in `docs/operations.md`, "Queues".
"""

from dicom_router.bus.protocol import Binding, Queue
from dicom_router.events import (
    COMMANDS_EXCHANGE,
    EVENTS_EXCHANGE,
    LOGS_EXCHANGE,
    AssociationRejected,
    AssociationReleased,
    DeliveryRetry,
    DestinationChanged,
    ForwardRequested,
    InstanceStored,
    QuarantineDelete,
    QuarantineRetry,
    RouteChanged,
    StudyComplete,
    StudyDelete,
    StudyRelease,
)

# Instances and the ends of their associations share a queue: an end then comes after its images.
INTAKE = Queue(
    "organizer.intake",
    (
        Binding(EVENTS_EXCHANGE, f"{InstanceStored.name}.#"),
        Binding(EVENTS_EXCHANGE, AssociationReleased.name),
    ),
)
ORGANIZER_COMMANDS = Queue(
    "organizer.commands",
    tuple(
        Binding(COMMANDS_EXCHANGE, kind.name)
        for kind in (AssociationRejected, StudyDelete, QuarantineRetry, QuarantineDelete)
    ),
)
STUDY_COMPLETE = Queue(
    "forwarder.study-complete", (Binding(EVENTS_EXCHANGE, f"{StudyComplete.name}.#"),)
)
FORWARDER_COMMANDS = Queue(
    "forwarder.commands",
    tuple(
        Binding(COMMANDS_EXCHANGE, kind.name)
        for kind in (
            DestinationChanged,
            RouteChanged,
            DeliveryRetry,
            ForwardRequested,
            StudyRelease,
        )
    ),
)

# Each api has one: the log lines of all services, as they come.
LOGS = Queue("api.logs", (Binding(LOGS_EXCHANGE, "#"),), private=True)

# Kept so long: a delivery that can't begin. As often as a destination that is down is probed.
WAIT_SECONDS = 30


def delivery_queue(destination: str) -> Queue:
    """`forwarder.deliver.<destination>`, with the queues where its messages wait or rest."""
    return Queue(
        f"forwarder.deliver.{destination}",
        (Binding(COMMANDS_EXCHANGE, delivery_key(destination)),),
        wait_seconds=WAIT_SECONDS,
    )


def delivery_key(destination: str) -> str:
    """The routing key of a destination's wake-ups."""
    return f"deliver.{destination}"


def destination_of(queue_name: str) -> str | None:
    """The destination whose deliveries a queue holds; None if it holds none."""
    prefix = delivery_queue("").name
    return queue_name.removeprefix(prefix) if queue_name.startswith(prefix) else None
