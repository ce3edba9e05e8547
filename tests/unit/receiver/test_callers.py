"""Who may send."""

import pytest

from services.receiver.callers import KnownSender, refusal

CT1 = KnownSender("ct-1", "CT1", ("10.0.0.0/24",))
MR1 = KnownSender("mr-1", "MR1", ())


def test_anyone_may_send_until_the_first_sender_is_known() -> None:
    assert refusal("auto", (), "WHOEVER", "10.9.9.9") is None
    assert refusal("auto", (CT1,), "WHOEVER", "10.9.9.9") is not None


def test_any_means_anyone_whoever_is_known() -> None:
    assert refusal("any", (CT1,), "WHOEVER", "10.9.9.9") is None


def test_known_means_known_even_when_nobody_is() -> None:
    assert refusal("known", (), "WHOEVER", "10.9.9.9") is not None


@pytest.mark.parametrize("address", ["10.0.0.7", "::ffff:10.0.0.7"])
def test_a_known_sender_may_send_from_its_addresses(address: str) -> None:
    assert refusal("auto", (CT1,), "CT1", address) is None


def test_a_sender_without_addresses_may_send_from_anywhere() -> None:
    assert refusal("auto", (MR1,), "MR1", "192.0.2.1") is None


def test_the_right_title_from_the_wrong_address_is_refused() -> None:
    why = refusal("auto", (CT1,), "CT1", "10.0.1.7")
    assert why is not None
    assert why.kind == "wrong-address"
    assert "may not send from this address" in why.why


def test_an_unknown_title_from_a_known_address_looks_renamed() -> None:
    why = refusal("auto", (CT1,), "CT_NEW", "10.0.0.7")
    assert why is not None
    assert why.kind == "renamed-caller"
    assert "renamed?" in why.why
    assert "ct-1" in why.why
