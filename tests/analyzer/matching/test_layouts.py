"""One tensor's axes lie in another's: by permutation, then by reshape."""

import numpy as np
import pytest

from analyzer.core.types import Array
from analyzer.matching.layouts import (
    SAME,
    Layout,
    best_layout,
    carried,
    disagreement,
    layout_of,
    layouts,
    pair,
    spread,
)

CUBE = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)


@pytest.mark.parametrize(
    ("moved", "layout"),
    [
        (CUBE, SAME),
        (CUBE.transpose(0, 2, 3, 1), Layout((0, 2, 3, 1), None)),
        (CUBE.reshape(6, 4), Layout(None, (6, 4))),
        (CUBE.transpose(0, 2, 3, 1).reshape(1, 24), Layout((0, 2, 3, 1), (1, 24))),
    ],
)
def test_layout_is_found_by_values(moved: Array, layout: Layout) -> None:
    """Permutation, reshape, or both: what carries the source is what made the target."""
    assert best_layout(CUBE, moved, limit=1e-6) == (layout, 0.0)
    assert np.array_equal(carried(CUBE, layout), moved)


def test_equal_sizes_are_told_apart_by_values() -> None:
    """A square image turned on its side has the same shape and is not the same."""
    square = np.arange(18, dtype=np.float32).reshape(1, 2, 3, 3)
    turned = square.transpose(0, 1, 3, 2)

    assert best_layout(square, turned, limit=1e-6) == (Layout((0, 1, 3, 2), None), 0.0)


def test_each_distinct_layout_is_looked_at_once() -> None:
    """Where a size is one, moving its axis changes nothing."""
    found = list(layouts((1, 3, 1), (1, 3, 1)))

    assert found == [SAME]


def test_usual_permutation_comes_first() -> None:
    """What was seen elsewhere in these models is tried before the rest."""
    found = list(layouts((2, 2, 2), (2, 2, 2), preferred=[(2, 0, 1)]))

    assert found[:2] == [SAME, Layout((2, 0, 1), None)]
    assert len(found) == 6


def test_another_size_has_no_layout() -> None:
    """A tensor of other elements is another tensor."""
    assert list(layouts((2, 3), (5,))) == []
    assert best_layout(np.ones((2, 3)), np.ones(5), limit=1.0) is None


def test_high_rank_keeps_its_order() -> None:
    """Seven hundred looks at one tensor are too many."""
    assert list(layouts((2, 1, 1, 1, 1, 3), (3, 1, 1, 1, 1, 2))) == [
        Layout(None, (3, 1, 1, 1, 1, 2))
    ]


def test_disagreement_is_in_spreads_of_the_target() -> None:
    """An offset far from zero does not make a wrong tensor look right."""
    target = np.float32([1000.0, 1001.0])
    source = np.float32([1000.0, 1000.5])

    assert spread(target) == 1.0
    assert disagreement(source, target, SAME, spread(target)) == 0.5


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ([np.nan, 1.0, np.inf], 0.0),
        ([0.0, 1.0, np.inf], np.inf),
        ([np.nan, 2.0, np.inf], 1.0),
    ],
)
def test_not_a_number_agrees_only_with_itself(source: list[float], error: float) -> None:
    """NaN and infinity must stand in the same places; the rest is compared."""
    target = np.float32([np.nan, 1.0, np.inf])

    assert disagreement(np.float32(source), target, SAME, 1.0) == error


def test_constant_tensor_agrees_exactly_or_not_at_all() -> None:
    """Without a spread there is no unit to be close in."""
    assert disagreement(np.float32([2, 2]), np.float32([2, 2]), SAME, 0.0) == 0.0
    assert disagreement(np.float32([3, 3]), np.float32([2, 2]), SAME, 0.0) == 1.0


def test_unsigned_difference_does_not_wrap() -> None:
    """Zero minus one is one apart, not 255."""
    one, other = np.uint8([0, 9]), np.uint8([1, 9])

    assert disagreement(one, other, SAME, 1.0) == 1.0


def test_pair_keeps_its_layout() -> None:
    """What was found is what is stored."""
    layout = Layout((1, 0), (6,))

    assert layout_of(pair("a", "b", layout, exact=True)) == layout


def test_spread_leaves_a_mask_out() -> None:
    """Next to the least number there is, all scores would look the same."""
    scores = np.float32([[0.5, -3e38, -3e38], [0.25, 1.5, -3e38]])

    assert 0 < spread(scores) < 2
    assert spread(np.float32([0, 0, 2, 6])) == 6.0
