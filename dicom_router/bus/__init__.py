"""The message bus: a small protocol and its two implementations."""

from dicom_router.bus.protocol import (
    Binding,
    BrokerUnavailable,
    Bus,
    Consumer,
    Handler,
    NotYet,
    Queue,
    QueueDepth,
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
]
