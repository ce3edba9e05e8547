"""The message bus: a small protocol and its two implementations."""

from dicom_router.bus.handling import revived
from dicom_router.bus.protocol import (
    Binding,
    BrokerUnavailable,
    Bus,
    Consumer,
    Handler,
    NotYet,
    Queue,
    QueueDepth,
    Replacement,
)

__all__ = [
    "Binding",
    "BrokerUnavailable",
    "Bus",
    "Consumer",
    "Handler",
    "NotYet",
    "Queue",
    "QueueDepth",
    "Replacement",
    "revived",
]
