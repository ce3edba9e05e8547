"""As few associations as possible."""

from services.forwarder.queries import Item
from services.forwarder.sending import MOST_CONTEXTS, next_association


def _item(number: int, sop_class: str, syntax: str = "1.2.840.10008.1.2") -> Item:
    return Item(f"r{number}", sop_class, f"1.2.{number}", syntax, f"{number}.dcm", 100, 0)


def test_one_context_for_each_kind_of_image() -> None:
    items = [_item(1, "a"), _item(2, "b"), _item(3, "a"), _item(4, "a", "1.2.840.10008.1.2.1")]
    contexts, now, later = next_association(items)
    assert contexts == [
        ("a", "1.2.840.10008.1.2"),
        ("b", "1.2.840.10008.1.2"),
        ("a", "1.2.840.10008.1.2.1"),
    ]
    assert (now, later) == (items, [])


def test_what_does_not_fit_into_128_contexts_comes_next() -> None:
    items = [_item(number, f"1.2.{number}") for number in range(130)]
    items.append(_item(500, "1.2.0"))
    contexts, now, later = next_association(items)
    assert len(contexts) == MOST_CONTEXTS
    assert now == [*items[:128], items[130]]
    assert later == items[128:130]
