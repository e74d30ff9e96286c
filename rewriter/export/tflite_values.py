"""Constants of a pivot in the flatbuffer's own layout, found by their exact old value."""

import numpy as np

from analyzer.core.types import Array, Node, Permutation
from rewriter.export import layouts
from rewriter.export.tflite_owners import inverse

PREFERRED: dict[tuple[str, int], Permutation] = {
    ("CONV_2D", 4): (0, 3, 1, 2),
    ("DEPTHWISE_CONV_2D", 4): (3, 0, 1, 2),
    ("TRANSPOSE_CONV", 4): (3, 0, 1, 2),
    ("FULLY_CONNECTED", 2): (1, 0),
}
"""How ONNX has the weights of each operator, as axes of TFLite's.

Source: TensorFlow's `reference_ops` take OHWI, 1HWC, OHWI and [out, in]; ONNX's operators
take OIHW, [C, 1, H, W], IOHW and, in Gemm without transB, [in, out]."""

SLOTS = {
    ("CONV_2D", 1): 1,
    ("CONV_2D", 2): 2,
    ("DEPTHWISE_CONV_2D", 1): 1,
    ("DEPTHWISE_CONV_2D", 2): 2,
    ("TRANSPOSE_CONV", 1): 1,
    ("TRANSPOSE_CONV", 2): 3,
    ("FULLY_CONNECTED", 1): 1,
    ("FULLY_CONNECTED", 2): 2,
}
"""Which input of an operator holds what its node has in a slot."""


def relaid(own: Array, old: Array, new: Array, name: str) -> Array | None:
    """Return a pivot constant's new value in the layout the flatbuffer has the old one in.

    Args:
        own: The flatbuffer's value.
        old: The pivot's value before the repair.
        new: The pivot's value after the repair.
        name: The operator's name in the schema, which tells between equal layouts.

    Returns:
        See `layouts.relaid`.
    """
    return layouts.relaid(own, old, new, PREFERRED.get((name, own.ndim)))


def stretched(constant: Array, layout: Permutation) -> Array:
    """Return a constant that broadcasts against a pivot tensor, for the flatbuffer's.

    Args:
        constant: Of the tensor's rank or below.
        layout: The tensor's layout, see `Owners`.
    """
    if constant.ndim == 0 or constant.size == 1:
        return constant.reshape(())
    shape = (1,) * (len(layout) - constant.ndim) + constant.shape
    return np.ascontiguousarray(constant.reshape(shape).transpose(inverse(layout)))


def same_constant(first: Node, second: Node, slot: int) -> bool:
    """Return whether two nodes have the same constant, or none, in a slot."""
    one, other = first.constants.get(slot), second.constants.get(slot)
    if one is None or other is None:
        return one is other
    alike = one.dtype == other.dtype and one.shape == other.shape
    return one is other or (alike and np.array_equal(one, other, equal_nan=True))
