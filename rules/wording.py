"""Numbers and names as a sentence shows them."""

from collections.abc import Sequence

import numpy as np

from analyzer.core.listing import MOST_LISTED, several
from analyzer.core.types import Array, AttributeValue, Node

ELEMENT_TYPES = {
    1: "float32",
    2: "uint8",
    3: "int8",
    5: "int16",
    6: "int32",
    7: "int64",
    9: "bool",
    10: "float16",
    11: "float64",
    12: "uint32",
    13: "uint64",
    16: "bfloat16",
}
"""NumPy's names for ONNX element types."""


def shown(value: AttributeValue | None) -> str:
    """Return a setting as a reader knows it: short arrays in full, long ones by shape."""
    if value is None:
        return "absent"
    if isinstance(value, np.ndarray):
        return _array(value)
    if isinstance(value, tuple):
        return f"({several(_number(item) for item in value)})"
    return _number(value) if isinstance(value, int | float) else str(value)


def _array(value: Array) -> str:
    if value.size <= MOST_LISTED:
        return several(_number(item) for item in value.ravel().tolist())
    return f"{value.dtype} of shape {value.shape}"


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else f"{value}"


def element_type(number: AttributeValue | None) -> str:
    """Return the NumPy name of an ONNX element type number."""
    return (
        ELEMENT_TYPES.get(int(number), str(number))
        if isinstance(number, int)
        else "unknown"
    )


def named(node: Node) -> str:
    """Return a node's operator and name, as a sentence begins with them."""
    return f"{node.op} {node.name}"


def listed(nodes: Sequence[Node]) -> str:
    """Return the operators of some nodes in their order; many are counted."""
    return several(node.op for node in nodes)
