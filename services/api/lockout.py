"""Who has given too many wrong tokens or passwords is not listened to for a while, by address."""

import hmac
import secrets
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address
from math import ceil
from typing import NamedTuple

from dicom_router.log import Log, get_logger

MOST_FAILURES = 10
WITHIN = timedelta(minutes=5)
_MOST_ADDRESSES = 10_000  # remembered; the ones that failed longest ago are forgotten first
_IPV6_HOST = 64  # bits: whoever has one address of such a network has all of them

log = get_logger()


class _Failure(NamedTuple):
    at: datetime
    guess: bytes


class Lockout:
    """Counts wrong tokens, passwords and links: ten of them within five minutes lock their address
    out until one of them is five minutes old. Thread-safe.

    The same wrong token again is no other guess: a script whose token was revoked locks out nobody
    who has the same address, such as everybody behind a proxy.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, deque[_Failure]] = OrderedDict()
        self._lock = threading.Lock()
        self._key = secrets.token_bytes(32)  # nothing is kept that a token could be found by

    def seconds_left(self, address: str) -> int:
        """For how long this address is locked out still; 0 if it is not."""
        with self._lock:
            failures = self._failures.get(_of_one_client(address))
            if failures is None or len(failures) < MOST_FAILURES:
                return 0
            return max(0, ceil((failures[0].at + WITHIN - self._clock()).total_seconds()))

    def failed(self, address: str, token: str = "") -> None:
        """A wrong password or this wrong token came from there."""
        client, now = _of_one_client(address), self._clock()
        guess = hmac.digest(self._key, token.encode("utf-8", "surrogatepass"), "sha256")
        with self._lock:
            failures = self._failures.setdefault(client, deque(maxlen=MOST_FAILURES))
            if token and any(each.guess == guess and each.at > now - WITHIN for each in failures):
                return
            failures.append(_Failure(now, guess))
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
