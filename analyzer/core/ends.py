"""Inputs and outputs that are integers in a file, and the floats they stand for."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class IntegerEnd:
    """An input or output of a quantized model that is compared as floats.

    Attributes:
        integers: The pivot's tensor that holds the integers; the end's own name is that of
            the floats.
        dtype: NumPy dtype name of the integers, as the user's file declares it.
        scale: What one step stands for, in the unit of the floats.
        zero: The integer that stands for zero.
    """

    integers: str
    dtype: str
    scale: float
    zero: int

    def quantized(self, floats: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return floats as the integers that stand for them, of the same shape.

        Args:
            floats: Of any shape; what lies beyond the grid saturates.

        Source: https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html
        """
        limits = np.iinfo(self.dtype)
        steps = np.rint(floats.astype(np.float32) / np.float32(self.scale)) + self.zero
        held = np.clip(steps, limits.min, limits.max)
        return np.asarray(held, np.dtype(self.dtype))

    def floats(self, integers: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return what integers stand for, float32 of the same shape.

        Args:
            integers: Of any shape and of the end's dtype.
        """
        apart = integers.astype(np.int32) - self.zero
        return apart.astype(np.float32) * np.float32(self.scale)
