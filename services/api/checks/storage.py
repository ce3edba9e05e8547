"""The data folder: whether it is the right one, how full its disk is, what waits in its spool."""

from contextlib import suppress
from datetime import timedelta

from dicom_router.archive import WrongFolder, received_at
from dicom_router.data_folder import learn
from dicom_router.errors import Unavailable
from dicom_router.said import Said, as_said, cause_of, joined, said
from services.api.checks.outcomes import fail, warn, well
from services.api.context import Context
from services.api.disk import forecast, hours_to_full, least_free_bytes
from services.api.schemas import Check, Forecast

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_TOLD_IN_TENTHS = 100
_FULL_SOON_HOURS = 24
_TOLD_IN_HOURS = 48
_TOLD_IN_DAYS = 730
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
    return [well(name, title, said("It is the folder that this router's database belongs to"))]


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
    hours, told = None, said("how fast it fills can't be told now")
    with suppress(Unavailable):
        use = context.disk.use()
        hours = hours_to_full(space, least, use.growth_per_hour)
        told = _told(hours, use.window_hours)
    soon = hours is not None and hours < _FULL_SOON_HOURS
    free = said("{free} of {total} is free", free=_size(space.free), total=_size(space.total))
    detail = joined("; ", [free, told])
    make_room = said("Make room, or shorten ROUTER_RETENTION_HOURS")
    if space.free < least:
        refused = joined("; ", [free, said("images are refused (A700)")])
        return [fail(name, title, refused, make_room)]
    if soon or space.free < 2 * least:
        return [warn(name, title, detail, make_room)]
    return [well(name, title, detail)]


def _told(hours: float | None, measured_over_hours: float) -> Said:
    """When images will be refused at the present rate; the dashboard tells it the same way."""
    found = said("it is not filling up")
    if forecast(hours) is Forecast.FAR_OFF:
        found = said("not full within ten years")
    elif hours is not None:
        found = said("images will be refused in {span}", span=_span(hours))
    return said("{found} (period looked at: {span})", found=found, span=_span(measured_over_hours))


def _span(hours: float) -> Said:
    if hours < _TOLD_IN_HOURS:
        whole = round(hours)
        return said("1 hour") if whole == 1 else said("{hours} hours", hours=whole)
    if hours < _TOLD_IN_DAYS * 24:
        return said("{days} days", days=round(hours / 24))
    return said("{years} years", years=round(hours / (24 * 365)))


def _size(count: int) -> Said:
    """Bytes as the dashboard tells them: 9.5 GiB, 252 GiB."""
    size, units = float(count), list(_UNITS)
    while size >= 1024 and units[1:]:
        size /= 1024
        units.pop(0)
    digits = 1 if size < _TOLD_IN_TENTHS and round(size, 1) % 1 else 0
    if digits:
        return said("{size:.1f} {unit}", size=size, unit=units[0])
    return said("{size:.0f} {unit}", size=size, unit=units[0])


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
