"""Integer grids: what a scale and a zero point can hold, and how one went wrong."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from analyzer.core.models import Array, Node

WRITER, READER = "QuantizeLinear", "DequantizeLinear"
"""The operators that put values on a grid, and take them off it."""

SCALE, ZERO = 1, 2
"""Input slots of the scale and the zero point, in either operator.

Source: https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html"""


class GridFault(StrEnum):
    """What is wrong with a grid."""

    MISREAD = "misread"
    CLIPS = "clips"
    COARSE = "coarse"
    SCALE = "scale"
    ZERO_POINT = "zero_point"
    SHARED = "shared"
    INTEGERS = "integers"
    BIAS = "bias"


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Integers that stand for ``(integer - zero) * scale``.

    Attributes:
        scale: Float64 scalar, or one number for each index along `axis`.
        zero: Int64, of the shape of the scale.
        low: Smallest integer that the type holds.
        high: Largest integer that the type holds.
        axis: The axis along which scales differ.
    """

    scale: Array
    zero: Array
    low: int
    high: int
    axis: int

    @property
    def is_per_tensor(self) -> bool:
        """Whether one scale holds for all."""
        return self.scale.size == 1

    @property
    def ends(self) -> tuple[float, float]:
        """The smallest and the largest number that a grid of one scale holds."""
        scale, zero = float(self.scale.ravel()[0]), int(self.zero.ravel()[0])
        return (self.low - zero) * scale, (self.high - zero) * scale


@dataclass(frozen=True, slots=True, eq=False)
class GridSetting:
    """A value that a constant input of one node takes, and the axis it goes along then."""

    node: Node
    slot: int
    value: Array
    axis: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class GridChange:
    """A grid that is wrong, and the right one.

    Attributes:
        fault: What is wrong with it.
        tensor: The target tensor whose values it rounds.
        wrong: As the target has it.
        right: As it should be.
        seen: Smallest and largest value that the source has there; of a weight, too.
        share: Share of values that the wrong grid cuts off, or misplaces; in [0, 1].
        settings: What makes it right, in every node that uses it.
    """

    fault: GridFault
    tensor: str
    wrong: Grid
    right: Grid
    seen: tuple[float, float]
    share: float
    settings: tuple[GridSetting, ...]


def grid_of(node: Node) -> Grid | None:
    """Return the grid that an operator writes or reads; None where it is none of constants.

    Args:
        node: Any node.
    """
    scale, zero = node.constants.get(SCALE), node.constants.get(ZERO)
    blocked = node.attributes.get("block_size")
    if node.op not in {WRITER, READER} or scale is None or blocked:
        return None
    integers = node.constants.get(0)
    kept = next((one for one in (zero, integers) if one is not None), np.zeros(1, np.uint8))
    if kept.dtype.kind not in "iu" or (zero is None and len(node.inputs) > ZERO):
        return None
    limits = np.iinfo(kept.dtype)
    wide = np.asarray(scale, np.float64)
    zeros = np.zeros(wide.shape) if zero is None else np.asarray(zero)
    if wide.size == 1:  # one of the two may be a scalar, the other a vector of one
        wide, zeros = wide.reshape(()), zeros.reshape(()) if zeros.size == 1 else zeros
    if zeros.size not in {1, wide.size}:
        return None
    zeros = zeros.reshape(wide.shape) if zeros.size == wide.size else zeros
    axis = node.attributes.get("axis")
    return Grid(
        wide,
        np.broadcast_to(zeros, wide.shape).astype(np.int64),
        int(limits.min),
        int(limits.max),
        axis if isinstance(axis, int) else 1,
    )


def alike(one: Grid, other: Grid) -> bool:
    """Return whether two grids stand for the same numbers by the same integers.

    Args:
        one: A grid.
        other: Another one.
    """
    return np.array_equal(one.scale.ravel(), other.scale.ravel()) and np.array_equal(
        one.zero.ravel(), other.zero.ravel()
    )


def along(values: Array, axis: int, rank: int) -> Array:
    """Return one number a channel in the shape that broadcasts along an axis.

    Args:
        values: A scalar, or a vector.
        axis: The axis it goes along, negative from the end.
        rank: Number of axes of what it is to be multiplied with.
    """
    if values.size == 1:
        return values.reshape(())
    shape = [1] * rank
    shape[min(axis, rank - 1)] = values.size  # the default axis is 1, also of a vector
    return values.reshape(shape)
