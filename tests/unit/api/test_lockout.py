"""Lock-out: who guesses is not listened to, and nobody else notices."""

from datetime import UTC, datetime, timedelta

from services.api.lockout import MOST_FAILURES, WITHIN, Lockout


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 1, 22, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def fail(lockout: Lockout, address: str, times: int = MOST_FAILURES) -> None:
    for _ in range(times):
        lockout.failed(address)


def test_ten_failures_lock_an_address_out_and_no_other() -> None:
    lockout = Lockout(Clock())
    fail(lockout, "10.0.0.7", MOST_FAILURES - 1)
    assert lockout.seconds_left("10.0.0.7") == 0
    fail(lockout, "10.0.0.7", 1)
    assert lockout.seconds_left("10.0.0.7") == WITHIN.total_seconds()
    assert lockout.seconds_left("10.0.0.8") == 0


def test_the_same_wrong_token_again_is_no_other_guess() -> None:
    clock = Clock()
    lockout = Lockout(clock)
    for _ in range(100):
        lockout.failed("10.0.0.7", "an old token")
    assert lockout.seconds_left("10.0.0.7") == 0
    for number in range(MOST_FAILURES - 1):
        lockout.failed("10.0.0.7", f"guess {number}")
    assert lockout.seconds_left("10.0.0.7") > 0
    clock.now += WITHIN
    assert lockout.seconds_left("10.0.0.7") == 0


def test_failures_that_are_far_apart_lock_nobody_out() -> None:
    clock = Clock()
    lockout = Lockout(clock)
    for _ in range(100):
        lockout.failed("10.0.0.7")
        assert lockout.seconds_left("10.0.0.7") == 0
        clock.now += WITHIN / (MOST_FAILURES - 2)


def test_a_lock_out_ends_by_itself() -> None:
    clock = Clock()
    lockout = Lockout(clock)
    fail(lockout, "10.0.0.7")
    clock.now += WITHIN - timedelta(seconds=1)
    assert lockout.seconds_left("10.0.0.7") == 1
    clock.now += timedelta(seconds=1)
    assert lockout.seconds_left("10.0.0.7") == 0


def test_the_addresses_of_one_ipv6_network_are_one_client() -> None:
    lockout = Lockout(Clock())
    fail(lockout, "2001:db8:1:2::1")
    assert lockout.seconds_left("2001:db8:1:2:ffff::9") > 0
    assert lockout.seconds_left("2001:db8:1:3::1") == 0
    fail(lockout, "::ffff:10.0.0.7")
    assert lockout.seconds_left("10.0.0.7") > 0
    assert lockout.seconds_left("::ffff:10.0.0.8") == 0


def test_only_so_many_addresses_are_remembered() -> None:
    lockout = Lockout(Clock())
    fail(lockout, "10.0.0.7")
    for number in range(10_000):
        lockout.failed(f"172.16.{number // 256}.{number % 256}")
    assert lockout.seconds_left("10.0.0.7") == 0
    assert len(lockout._failures) == 10_000
