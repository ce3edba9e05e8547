"""Structured logging: every line has a stable event name, listed here, and ids; never patient data.

JSON when the output is not a terminal, readable columns when it is.
"""

import logging
import os
import sys
from enum import StrEnum
from typing import cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor


class Log(StrEnum):
    """The names of log lines, so that a search for one never breaks by rewording."""

    SERVICE_STARTED = "service.started"
    SERVICE_STOPPING = "service.stopping"
    SERVICE_STOPPED = "service.stopped"
    SERVICE_FAILED = "service.failed"
    SETTING_IGNORED = "setting.ignored"

    BUS_CONNECTED = "bus.connected"
    BUS_LOST = "bus.lost"
    BUS_BLOCKED = "bus.blocked"
    MESSAGE_RETRIED = "message.retried"
    MESSAGE_PARKED = "message.parked"
    MESSAGE_DROPPED = "message.dropped"
    QUEUE_REPLAYED = "queue.replayed"
    HANDLER_WAITING = "handler.waiting"
    TASK_WAITING = "task.waiting"
    TASK_FAILED = "task.failed"

    ASSOCIATION_ACCEPTED = "association.accepted"
    ASSOCIATION_ENDED = "association.ended"
    ASSOCIATION_REJECTED = "association.rejected"
    INSTANCE_REFUSED = "instance.refused"
    TLS_RELOADED = "tls.reloaded"
    TLS_KEPT = "tls.kept"
    SPOOL_FAILED = "spool.failed"

    INSTANCE_QUARANTINED = "instance.quarantined"
    INSTANCE_MISSING = "instance.missing"
    QUARANTINE_RETRIED = "quarantine.retried"
    QUARANTINE_DELETED = "quarantine.deleted"
    SPOOL_SWEPT = "spool.swept"
    LOOSE_FILE_TAKEN = "loose-file.taken"
    IDENTITY_CONFLICT = "identity.conflict"
    STUDY_COMPLETE = "study.complete"
    STUDY_DELETED = "study.deleted"
    FOLDER_NOT_EMPTY = "folder.not-empty"
    FOLDER_RESTORED = "folder.restored"
    FOLDER_UNKNOWN_FILES = "folder.unknown-files"
    TAKEOVER = "takeover"
    DATA_FOLDER_ADOPTED = "data-folder.adopted"

    STUDY_ROUTED = "study.routed"
    STUDY_REQUESTED = "study.requested"
    BULK_ENDED = "bulk.ended"
    STUDY_HELD = "study.held"
    STUDY_RELEASED = "study.released"
    STUDY_DISCARDED = "study.discarded"
    DELIVERY_STARTED = "delivery.started"
    DELIVERY_ENDED = "delivery.ended"
    DELIVERY_RETRYING = "delivery.retrying"
    DELIVERY_FAILED = "delivery.failed"
    DELIVERY_LEFT = "delivery.left"
    DESTINATION_DOWN = "destination.down"
    DESTINATION_UP = "destination.up"
    DESTINATION_CONFIGURED = "destination.configured"
    ROUTE_CONFIGURED = "route.configured"
    DESTINATION_NONE = "destination.none"
    SENDERS_REGISTERED = "senders.registered"

    LOGS_DROPPED = "logs.dropped"
    LIBRARY_WARNED = "library.warned"

    ALERT_SENT = "alert.sent"
    REQUEST_DONE = "request.done"
    REQUEST_REFUSED = "request.refused"
    REQUEST_FAILED = "request.failed"
    ACCESS_LOCKED = "access.locked"
    AUDIT_LOST = "audit.lost"


def configure_logging(service: str) -> None:
    """Send every log line, the libraries' own included, to standard output in one form."""
    process = {"service": service, "pid": os.getpid()}

    def say_who(_logger: object, _method: str, event: EventDict) -> EventDict:
        event.update(process)
        return event

    shared: list[Processor] = [
        say_who,
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: Processor = (
        structlog.dev.ConsoleRenderer()
        if sys.stdout.isatty()
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    structlog.configure(
        processors=[
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    # These tell at INFO what our own lines already tell, or would name patients in URLs.
    for noisy in ("pynetdicom", "uvicorn.access", "alembic", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # pydicom warns of what it reads, values included: those are patients' data.
    # pika does so for every refusal and failed reconnect that the bus handles and tells itself.
    for louder in ("pydicom", "pika"):
        logging.getLogger(louder).setLevel(logging.CRITICAL)


def get_logger() -> FilteringBoundLogger:
    """A logger for a module: `log.info(Log.STUDY_COMPLETE, study_uid=…)`."""
    return cast(FilteringBoundLogger, structlog.get_logger())
