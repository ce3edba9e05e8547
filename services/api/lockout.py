"""Who has given too many wrong tokens or passwords is not listened to for a while, by address."""

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address
from math import ceil

from dicom_router.log import Log, get_logger

MOST_FAILURES = 10
WITHIN = timedelta(minutes=5)
_MOST_ADDRESSES = 10_000  # remembered; the ones that failed longest ago are forgotten first
_IPV6_HOST = 64  # bits: whoever has one address of such a network has all of them

log = get_logger()


class Lockout:
    """Counts wrong tokens, passwords and links: ten of them within five minutes lock their address
    out until one of them is five minutes old. Thread-safe.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, deque[datetime]] = OrderedDict()
        self._lock = threading.Lock()

    def seconds_left(self, address: str) -> int:
        """For how long this address is locked out still; 0 if it is not."""
        with self._lock:
            failures = self._failures.get(_of_one_client(address))
            if failures is None or len(failures) < MOST_FAILURES:
                return 0
            return max(0, ceil((failures[0] + WITHIN - self._clock()).total_seconds()))

    def failed(self, address: str) -> None:
        """A wrong token came from this address."""
        client = _of_one_client(address)
        with self._lock:
            failures = self._failures.setdefault(client, deque(maxlen=MOST_FAILURES))
            failures.append(self._clock())
            self._failures.move_to_end(client)
            if len(self._failures) > _MOST_ADDRESSES:
                self._failures.popitem(last=False)
        if self.seconds_left(address):
            log.warning(
                Log.ACCESS_LOCKED, address=address, failures=MOST_FAILURES, within=str(WITHIN)
            )


def _of_one_client(address: str) -> str:
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:  # a Unix socket, or what a proxy says
        return address
    if isinstance(found, IPv6Address) and not found.ipv4_mapped:
        return str(int(found) >> _IPV6_HOST)
    return str(getattr(found, "ipv4_mapped", None) or found)
