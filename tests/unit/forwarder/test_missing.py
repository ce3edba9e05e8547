"""What a destination has not got, and what is done about it."""

import pytest

from dicom_router.models import DeliveryState
from services.forwarder.missing import Entry, Plan, everything, what_is_missing


def entry(
    receipt_id: str,
    delivery_id: str = "d1",
    state: DeliveryState = DeliveryState.DELIVERED,
    **values: bool,
) -> Entry:
    is_there = {"delivered": state == DeliveryState.DELIVERED, "replaced": False, "current": True}
    return Entry(
        delivery_id=delivery_id, delivery_state=state, receipt_id=receipt_id, **is_there | values
    )


def test_nothing_is_missing_at_a_destination_that_has_all() -> None:
    assert what_is_missing(["a", "b"], [entry("a"), entry("b")]) == Plan()


def test_what_no_delivery_holds_goes_into_a_new_one() -> None:
    plan = what_is_missing(["a", "b", "c"], [entry("a")])
    assert plan == Plan(send=("b", "c"), images=2)


@pytest.mark.parametrize("state", [DeliveryState.WAITING, DeliveryState.SENDING])
def test_what_is_on_its_way_is_left_alone(state: DeliveryState) -> None:
    assert what_is_missing(["a"], [entry("a", state=state)]) == Plan()


@pytest.mark.parametrize(
    "state", [DeliveryState.RETRYING, DeliveryState.FAILED, DeliveryState.CANCELLED]
)
def test_a_delivery_that_did_not_succeed_is_tried_again(state: DeliveryState) -> None:
    known = [entry("a", state=state, delivered=True), entry("b", state=state)]
    assert what_is_missing(["a", "b", "c"], known) == Plan(try_again=("d1",), send=("c",), images=2)


def test_a_delivery_that_failed_over_bytes_since_replaced_is_tried_again_to_end_well() -> None:
    known = [entry("old", state=DeliveryState.FAILED, current=False), entry("new", "d2")]
    assert what_is_missing(["new"], known) == Plan(try_again=("d1",), images=0)


def test_what_was_asked_for_again_and_failed_is_missing_although_it_was_there_before() -> None:
    known = [entry("a"), entry("a", "d2", DeliveryState.FAILED)]
    assert what_is_missing(["a"], known) == Plan(try_again=("d2",), images=1)


def test_a_replaced_delivery_is_over_but_what_it_brought_is_there() -> None:
    known = [
        entry("a", state=DeliveryState.CANCELLED, replaced=True, delivered=True),
        entry("b", state=DeliveryState.CANCELLED, replaced=True),
    ]
    assert what_is_missing(["a", "b"], known) == Plan(send=("b",), images=1)


def test_everything_goes_again_in_place_of_what_was_not_delivered() -> None:
    known = [
        entry("a"),
        entry("b", "d2", DeliveryState.FAILED),
        entry("c", "d3", DeliveryState.SENDING),
        entry("c", "d0", DeliveryState.CANCELLED, replaced=True),
    ]
    plan = everything(["a", "b", "c"], known)
    assert plan == Plan(replace=("d2", "d3"), send=("a", "b", "c"), images=3)


def test_what_a_replaced_delivery_owed_is_owed_still_even_if_its_file_is_lost() -> None:
    known = [
        entry("lost", state=DeliveryState.FAILED),
        entry("old", state=DeliveryState.FAILED, current=False),
    ]
    assert everything(["a"], known).send == ("a", "lost")


def test_with_nothing_at_hand_nothing_is_replaced() -> None:
    assert everything([], [entry("a", state=DeliveryState.FAILED)]) == Plan()
