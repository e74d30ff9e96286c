"""What damage to a weight is recognised, and what is not mistaken for it."""

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from analyzer.core.types import Array
from rules.patterns import (
    clipped_at,
    damage,
    reordering,
    rounded_to,
    uniform_factor,
    zeroed_channels,
)

KERNEL = np.random.default_rng(3).normal(size=(4, 4, 3, 3)).astype(np.float32)


def test_damage_counts_numbers_and_channels() -> None:
    """One changed number is one of all, in one channel."""
    wrong = KERNEL.copy()
    wrong[2, 0, 1, 1] += 1.0
    seen = damage(KERNEL, wrong)

    assert (seen.changed, seen.size, seen.channels, seen.of) == (1, 144, (2,), 4)


def test_a_factor_must_be_one_number() -> None:
    """Twice the kernel is a factor of two; two factors are none."""
    mixed = KERNEL * np.asarray([2, 2, 2, 3], np.float32)[:, None, None, None]

    assert uniform_factor(KERNEL, KERNEL * 2) == 2.0
    assert uniform_factor(KERNEL, mixed) is None


def test_orders_are_told_in_words() -> None:
    """A transposition and a reversal are named with their axes."""
    assert reordering(KERNEL, KERNEL.swapaxes(0, 1)) == "transposed by (1, 0, 2, 3)"
    assert reordering(KERNEL, KERNEL[..., ::-1]) == "reversed along axis 3"
    assert reordering(KERNEL, KERNEL + 1) is None


def test_lost_channels_are_zero_and_the_rest_is_right() -> None:
    """Channels are told by side; where others changed too, nothing is claimed."""
    outputs, inputs = KERNEL.copy(), KERNEL.copy()
    outputs[[1, 3]] = 0
    inputs[:, 2] = 0

    assert zeroed_channels(KERNEL, outputs) == (0, (1, 3))
    assert zeroed_channels(KERNEL, inputs) == (1, (2,))
    assert zeroed_channels(KERNEL, outputs + 1e-2) is None


def test_a_clipped_constant_has_one_limit() -> None:
    """Everything beyond one magnitude stands at it, signs kept."""
    values = np.asarray([-70000.0, 3.0, 90000.0], dtype=np.float32)

    assert clipped_at(values, np.clip(values, -65504, 65504)) == 65504.0
    assert clipped_at(values, values * 0.5) is None


def test_rounding_to_a_format_is_recognised() -> None:
    """float16, bfloat16 and an eight-bit grid each leave their mark."""
    large = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    step = np.abs(large).max() / 127
    grid = (np.round(large / step) * step).astype(np.float32)

    assert rounded_to(large, large.astype(np.float16).astype(np.float32)) == "float16"
    assert rounded_to(large, grid) == "int8"
    assert rounded_to(large, large + np.float32(0.1)) is None


LARGE = np.linspace(-1.0, 1.0, 1 << 22, dtype=np.float32).reshape(2048, 2048)
"""A kernel of 16 MiB."""


@pytest.mark.parametrize(
    "read",
    [damage, uniform_factor, reordering, zeroed_channels, clipped_at, rounded_to],
    ids=lambda read: str(read.__name__),
)
def test_a_large_weight_is_read_without_a_copy_of_it(
    read: Callable[[Array, Array], object],
) -> None:
    """A weight may be all that fits in memory: what is made of it never is as large."""
    wrong = LARGE.copy()
    wrong[-1, -1] = 2.0
    tracemalloc.start()
    read(LARGE, wrong)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert most < LARGE.nbytes


def test_few_numbers_times_a_factor_are_not_rounded() -> None:
    """Ones times any number lie on a grid of it; it is the factor that is wrong."""
    few = np.tile(np.array([1.0, 0.5, 0.25, 0.0], np.float32), (4, 4))

    assert rounded_to(few, few * np.float32(1.003)) is None
    assert rounded_to(np.ones(64, np.float32), np.full(64, 1.003, np.float32)) is None


def test_small_weight_on_a_grid_is_rounded() -> None:
    """Multiples of one step, each the nearest to what it was, are no chance."""
    step = np.float32(np.abs(KERNEL).max() / 127)
    gridded = np.round(KERNEL / step).astype(np.float32) * step

    assert rounded_to(KERNEL, gridded) == "int8"
    assert rounded_to(KERNEL, KERNEL + step / 3) is None
    assert rounded_to(KERNEL, gridded[::-1]) is None
