"""How often somebody may ask."""

from services.api.rates import Rates


def test_requests_beyond_the_rate_wait_and_others_do_not() -> None:
    now = [100.0]
    rates = Rates(per_second=2, at_once=3, clock=lambda: now[0])
    assert [rates.wait_seconds("ada") for _ in range(4)] == [0, 0, 0, 1]
    assert rates.wait_seconds("bob") == 0
    now[0] += 0.5
    assert [rates.wait_seconds("ada") for _ in range(2)] == [0, 1]
    now[0] += 3600
    assert [rates.wait_seconds("ada") for _ in range(4)] == [0, 0, 0, 1]


def test_who_may_ask_rarely_is_told_how_long_to_wait() -> None:
    rates = Rates(per_second=0.1, at_once=1, clock=lambda: 0.0)
    assert [rates.wait_seconds("ada") for _ in range(2)] == [0, 10]
