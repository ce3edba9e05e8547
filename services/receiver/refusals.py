"""What is told of refusals: why, and not so often that the log or the database fill with them."""

import threading
import time
from collections.abc import Callable, Sequence

from pydicom.uid import UID

from dicom_router.dimse import AssociationEnd, PresentationContext, is_storage, takes_any_of
from dicom_router.events import RefusalKind
from dicom_router.said import Said, as_said, joined, said
from services.receiver.callers import Refused

WINDOW_SECONDS = 60.0
_MOST_SHOWN = 3  # presentation contexts
MOST_IN_A_WINDOW = 20  # of different callers or reasons: 28,800 a day, were it to go on for ever

Refusal = tuple[str, str, str, str]  # address, calling and called AE title, why


class Refusals:
    """The first refusal of its kind in a minute is news, and no more than 20 kinds. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._told: set[Refusal] = set()
        self._ends_at = 0.0

    def is_news(self, refusal: Refusal) -> bool:
        """Whether this one is to be told; it counts as told then."""
        with self._lock:
            now = self._clock()
            if now >= self._ends_at:
                self._told.clear()
                self._ends_at = now + WINDOW_SECONDS
            if refusal in self._told or len(self._told) >= MOST_IN_A_WINDOW:
                return False
            self._told.add(refusal)
            return True


def refused_below(end: AssociationEnd) -> Refused:
    """Why there is no association about which nobody asked us: TLS or the protocol."""
    if end.outcome == "rejected":
        return Refused(RefusalKind.PROTOCOL, as_said(end.detail))
    if end.request:
        why = said(
            "{why}: switch TLS on at the sender, or let it send to a plain port", why=end.detail
        )
        return Refused(RefusalKind.PLAIN_ON_TLS_PORT, why)
    return Refused(RefusalKind.TLS_FAILED, said("the TLS handshake failed: {why}", why=end.detail))


def useless(contexts: Sequence[PresentationContext]) -> Refused | None:
    """Why nothing can come of an association that is accepted: no presentation context was."""
    if takes_any_of(contexts):
        return None
    told = [_described(each) for each in contexts[:_MOST_SHOWN]]
    if len(contexts) > _MOST_SHOWN:
        told.append(said("{count} more", count=len(contexts) - _MOST_SHOWN))
    why = said(
        "no presentation context was accepted; it asked for {contexts}",
        contexts=joined(", ", told) if told else said("none"),
    )
    return Refused(RefusalKind.NOTHING_ACCEPTED, why)


def _described(context: PresentationContext) -> Said:
    what = _named(context.abstract_syntax)
    if not is_storage(context.abstract_syntax):
        return said("{service}, which the router does not do", service=what)
    syntaxes = ", ".join(map(_named, filter(None, context.transfer_syntaxes)))
    if syntaxes:
        return said("{service} in {syntaxes}", service=what, syntaxes=syntaxes)
    return said("{service} in no transfer syntax", service=what)


def _named(uid: str) -> str:
    """Its name and itself, shortened: what a caller sends is of any length."""
    name = UID(uid, validation_mode=0).name
    return uid[:64] if name == uid else f"{name} ({uid})"
