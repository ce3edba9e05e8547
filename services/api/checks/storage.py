"""The data folder: whether it is the right one, how full its disk is, what waits in its spool."""

from contextlib import suppress
from datetime import timedelta

from dicom_router.archive import WrongFolder, received_at
from dicom_router.data_folder import learn
from dicom_router.errors import Unavailable
from dicom_router.said import Said, as_said, cause_of, joined, said
from services.api.checks.outcomes import fail, warn, well
from services.api.context import Context
from services.api.disk import hours_to_full, least_free_bytes
from services.api.schemas import Check

_GIBIBYTE = 1 << 30
_FULL_SOON_HOURS = 24
_TOLD_IN_HOURS = 72
_NOT_FORETOLD_HOURS = 24 * 3652
# Organizers take a file within seconds, and look for those left over every minute.
_WAITS_LONG = timedelta(minutes=5)
_WAITS_TOO_LONG = timedelta(minutes=30)


def data_folder(context: Context) -> list[Check]:
    """It is the one that the database belongs to."""
    name, title = "data-folder", said("Data folder")
    try:
        with suppress(Unavailable):  # then what was known last counts
            learn(context.archive, context.database)
        context.archive.identity.require()
    except WrongFolder as error:
        fix = said(
            "Mount the right disk at {path}: images are refused (A700) and nothing is deleted or "
            "given up meanwhile. Only if that disk is gone for good: go on with the folder that is "
            "there, on the dashboard's page of the disk",
            path=context.archive.root,
        )
        return [fail(name, title, as_said(error), fix)]
    return [well(name, title, said("It is the database's"))]


def disk(context: Context) -> list[Check]:
    """There is room, and will be tomorrow."""
    name, title = "disk", said("Disk")
    try:
        space = context.archive.space()
    except OSError as error:
        detail = said("The data folder can't be read: {why}", why=cause_of(error))
        path = context.archive.root
        fix = said("See that {path} exists and belongs to the router's user", path=path)
        return [fail(name, title, detail, fix)]
    least = least_free_bytes(space, context.settings)
    hours, forecast = None, said("how fast it fills can't be told now")
    with suppress(Unavailable):
        hours = hours_to_full(space, least, context.disk.use().growth_per_hour)
        forecast = _forecast(hours)
    soon = hours is not None and hours < _FULL_SOON_HOURS
    free = said(
        "{free:.1f} of {total:.1f} GiB are free",
        free=space.free / _GIBIBYTE,
        total=space.total / _GIBIBYTE,
    )
    detail = joined("; ", [free, forecast])
    make_room = said("Make room, or shorten ROUTER_RETENTION_HOURS")
    if space.free < least:
        refused = joined("; ", [free, said("images are refused (A700)")])
        return [fail(name, title, refused, make_room)]
    if soon or space.free < 2 * least:
        return [warn(name, title, detail, make_room)]
    return [well(name, title, detail)]


def _forecast(hours: float | None) -> Said:
    """When images will be refused, at the rate of the last day."""
    if hours is None or hours > _NOT_FORETOLD_HOURS:
        return said("at the rate of the last day it is not full within ten years")
    if hours < _TOLD_IN_HOURS:
        return said("full in {hours:.0f} hours at the rate of the last day", hours=hours)
    return said("full in {days:.0f} days at the rate of the last day", days=hours / 24)


def spool(context: Context) -> list[Check]:
    """What was received is taken up."""
    name, title = "spool", said("Images received are organized")
    context.archive.identity.require()
    oldest = context.archive.oldest_spooled()
    if oldest is None:
        return [well(name, title, said("Nothing waits in the spool"))]
    age = max(timedelta(0), context.clock() - received_at(oldest))
    if age < _WAITS_LONG:
        detail = said(
            "The oldest image in the spool has waited for {seconds:.0f} seconds",
            seconds=age.total_seconds(),
        )
        return [well(name, title, detail)]
    detail = said(
        "The oldest image in the spool has waited for {minutes:.0f} minutes: {file}; it is safe, "
        "but goes nowhere",
        minutes=age / timedelta(minutes=1),
        file=context.archive.relative(oldest),
    )
    fix = said(
        "See that an organizer runs, and what task.waiting or handler.waiting in its log say; dead "
        "letters of organizer.intake say why a single image can't be organized"
    )
    return [(fail if age >= _WAITS_TOO_LONG else warn)(name, title, detail, fix)]
