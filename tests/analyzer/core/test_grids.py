"""Integer grids, read off the operators that write and read them."""

import numpy as np
import pytest

from analyzer.core.grids import grid_of
from analyzer.core.types import Array, Node

SCALAR, ONE, THREE = np.float32(0.5), np.full(1, 0.5, np.float32), np.ones(3, np.float32)


def reader(scale: Array, zero: Array) -> Node:
    """Return a DequantizeLinear with a scale and a zero point."""
    constants = {1: np.asarray(scale), 2: np.asarray(zero)}
    inputs = ("q", "s", "z")
    return Node("n", "DequantizeLinear", "", 13, inputs, ("x",), {}, constants)


@pytest.mark.parametrize("scale", [SCALAR, ONE])
@pytest.mark.parametrize("zero", [np.uint8(3), np.full(1, 3, np.uint8)])
def test_a_vector_of_one_is_a_scalar(scale: Array, zero: Array) -> None:
    """A file may hold one of the two as a scalar, the other as a vector."""
    grid = grid_of(reader(scale, zero))

    assert grid is not None
    assert grid.is_per_tensor
    assert grid.ends == (-1.5, 126.0)


def test_sizes_that_do_not_fit_are_no_grid() -> None:
    """Three scales have no two zero points."""
    assert grid_of(reader(THREE, np.zeros(2, np.uint8))) is None
