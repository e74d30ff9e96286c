"""Arithmetic on axes agrees with NumPy's transpose."""

import numpy as np

from analyzer.core.permutations import composed, inverse, last_axis_swap, moved_axis

FIRST, SECOND = (0, 3, 1, 2), (2, 0, 1, 3)


def test_steps_compose_as_transposes_do() -> None:
    """Transposing twice is transposing once by the composition."""
    values = np.arange(120).reshape(2, 3, 4, 5)
    twice = values.transpose(FIRST).transpose(SECOND)

    np.testing.assert_array_equal(twice, values.transpose(composed(FIRST, SECOND)))


def test_a_step_and_its_inverse_are_nothing() -> None:
    """The identity is None, however it comes about."""
    assert composed(FIRST, inverse(FIRST)) is None
    assert composed(None, None) is None


def test_an_axis_moves_with_its_tensor() -> None:
    """The channel axis of NHWC is axis 1 of NCHW, counted from either end."""
    assert moved_axis(3, FIRST) == 1
    assert moved_axis(-1, FIRST) == 1
    assert moved_axis(-1, None) == -1
    assert moved_axis(-1, None, rank=4) == 3


def test_swapping_an_axis_to_the_end_undoes_itself() -> None:
    """One permutation goes there and back."""
    swap = last_axis_swap(1, 4)

    assert swap == (0, 3, 2, 1)
    assert composed(swap, swap) is None
