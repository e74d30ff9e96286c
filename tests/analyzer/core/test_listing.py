"""A sentence names the first few of many things, and counts them."""

from analyzer.core.listing import several


def test_few_things_are_all_named() -> None:
    """Eight fit into a sentence."""
    assert several(range(8)) == "0, 1, 2, 3, 4, 5, 6, 7"


def test_many_things_are_counted() -> None:
    """Of eighty channels, seven are named."""
    assert several(range(80)) == "0, 1, 2, 3, 4, 5, 6 and 73 more, 80 in all"
