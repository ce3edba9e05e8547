"""TARGET_HOST, TARGET_PORT, TARGET_AET: while they are set they own the destination `default`."""

from typing import Any

from dicom_router.events import DestinationChanged
from dicom_router.log import Log, get_logger
from dicom_router.said import said
from dicom_router.settings import Settings
from services.api.actions import Action
from services.api.actor import setting
from services.api.audit import difference, record
from services.api.context import Change
from services.api.queries import destinations as queries

DEFAULT = "default"
VARIABLE = "TARGET_HOST"
VARIABLES = "TARGET_HOST, TARGET_PORT and TARGET_AET"

NO_DESTINATION = said(
    "No destination is set, studies will stay unrouted; the earlier version sent to "
    "192.168.10.16:4243 ZEROCLICK"
)
HOW_TO_SET_ONE = said(
    "add one on the dashboard's page of destinations, or set TARGET_HOST=192.168.10.16 "
    "TARGET_PORT=4243 TARGET_AET=ZEROCLICK"
)

log = get_logger()


def own_default(change: Change, settings: Settings) -> None:
    """Make the destination `default` what TARGET_* say; leave it alone once they are unset."""
    changed = _take(change, settings) if settings.target_host else _give_back(change)
    for name in changed:
        change.tell(DestinationChanged(destination=name))
        log.info(Log.DESTINATION_CONFIGURED, destination=name, by=VARIABLE)


def warn_without_destination(change: Change) -> None:
    """Say once, at the start, that nothing will be sent anywhere."""
    if not queries.any_destination(change.session):
        log.warning(Log.DESTINATION_NONE, detail=f"{NO_DESTINATION}: {HOW_TO_SET_ONE}")


def _take(change: Change, settings: Settings) -> list[str]:
    values: dict[str, Any] = {
        "kind": "dimse",
        "host": settings.target_host,
        "port": settings.target_port,
        "ae_title": settings.target_aet,
        "calling_ae_title": settings.target_calling_aet,
        "enabled": True,
        "paused": False,
        "tls": False,
        "managed_by": VARIABLE,
    }
    if queries.create_destination(change.session, DEFAULT, values, change.now):
        _record(change, Action.DESTINATION_CREATE, DEFAULT, values)
        return [DEFAULT]
    row = queries.lock_destination(change.session, DEFAULT)
    changed = difference(row, values) if row is not None else {}
    if row is not None and queries.change_destination(row, values, change.now):
        _record(change, Action.DESTINATION_CHANGE, DEFAULT, changed)
        return [DEFAULT]
    return []


def _give_back(change: Change) -> list[str]:
    owned = queries.managed_destinations(change.session, VARIABLE)
    for row in owned:
        freed = {"managed_by": None}
        _record(change, Action.DESTINATION_CHANGE, row.name, difference(row, freed))
        queries.change_destination(row, freed, change.now)
    return [row.name for row in owned]


def _record(change: Change, action: Action, name: str, detail: dict[str, Any]) -> None:
    record(change.session, setting(VARIABLE, action, name, detail), change.now)
