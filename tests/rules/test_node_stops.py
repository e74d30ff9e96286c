"""What a Transpose was meant to do is told from an order of axes that is none."""

import pytest

from rules.loading.node_stops import completed


@pytest.mark.parametrize(
    ("stated", "orders"),
    [
        ((1, 0, 3), [(1, 0, 2)]),
        ((1, 1, 2), [(0, 1, 2), (1, 0, 2)]),
        ((0, 1, 3, 2), []),
        ((5, 0, 5), []),
    ],
    ids=["beyond", "twice", "sound", "two are lost"],
)
def test_one_lost_axis_is_put_where_it_may_have_been(
    stated: tuple[int, ...], orders: list[tuple[int, ...]]
) -> None:
    """An axis that is none leaves one place for the lost one; one named twice, two."""
    assert list(completed(stated)) == orders
