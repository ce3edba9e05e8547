"""When to try again: pure decisions, no clocks, no sleeping."""

from datetime import datetime, timedelta

# An instance's own failure, and a message whose handling failed, are tried again after these.
RETRY_DELAYS_SECONDS = (10, 60, 600)

# A destination that is down is asked this often whether it is back; it uses up no attempts.
PROBE_INTERVAL = timedelta(seconds=30)

# Nothing is put off for so long: what is due later was written before the clock was set back.
NEVER_PUT_OFF_FOR = timedelta(minutes=20)


def retry_delay(attempt: int) -> timedelta | None:
    """How long to wait after the `attempt`-th failure (from 1); None when it was the last."""
    if attempt > len(RETRY_DELAYS_SECONDS):
        return None
    return timedelta(seconds=RETRY_DELAYS_SECONDS[attempt - 1])


def is_due(at: datetime, now: datetime) -> bool:
    """Whether something's time has come, also after the clock was set back."""
    return at <= now or at > now + NEVER_PUT_OFF_FOR


def backoff(failures: int, *, first: float = 0.2, longest: float = 10.0) -> float:
    """Seconds to wait for a broker or database after so many failures in a row, from 1."""
    return float(min(longest, first * 2 ** min(failures - 1, 16)))


def tier_name(seconds: int) -> str:
    """How a delay reads in a queue's name: `10s`, `1m`, `10m`."""
    return f"{seconds // 60}m" if seconds % 60 == 0 else f"{seconds}s"
