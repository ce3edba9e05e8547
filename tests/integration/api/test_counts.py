"""States are counted: few at once, very many every now and then."""

from dicom_router.models import Delivery, Study
from services.api.counts import GOOD_FOR_SECONDS, Counts
from tests.integration.api.conftest import Api, a_delivery, a_study


def test_what_is_much_is_remembered_for_a_while_and_the_rest_is_not(api: Api) -> None:
    now = [100.0]
    counts = Counts(many=3, clock=lambda: now[0])
    api.add(*(_study(number, "sent") for number in range(3)), _study(3, "failed"))
    assert api.read(counts.studies) == {"sent": 3, "failed": 1}
    api.add(_study(4, "sent"), _study(5, "failed"), _study(6, "held"))
    assert api.read(counts.studies) == {"sent": 3, "failed": 2, "held": 1}
    now[0] += GOOD_FOR_SECONDS
    assert api.read(counts.studies) == {"sent": 4, "failed": 2, "held": 1}


def test_deliveries_are_counted_by_destination(api: Api) -> None:
    now = [100.0]
    counts = Counts(many=2, clock=lambda: now[0])
    api.add(_delivery("d1", "pacs", "delivered"), _delivery("d2", "cloud", "delivered"))
    api.add(_delivery("d3", "pacs", "waiting"))
    first = {("pacs", "delivered"): 1, ("cloud", "delivered"): 1, ("pacs", "waiting"): 1}
    assert api.read(counts.deliveries) == first
    api.add(_delivery("d4", "pacs", "delivered"), _delivery("d5", "cloud", "waiting"))
    assert api.read(counts.deliveries) == first | {("cloud", "waiting"): 1}


def _study(number: int, state: str) -> Study:
    return a_study(f"1.{number}", folder=f"f{number}", state=state)


def _delivery(name: str, destination: str, state: str) -> Delivery:
    return a_delivery(name, destination=destination, state=state)
