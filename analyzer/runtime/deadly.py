"""What ONNX Runtime may die of without a word: a division by zero, a grid before a body.

Where the processor traps, the trap takes the process with it; such a node is refused. Of a
divisor that is computed, ONNX Runtime 1.31 says itself that it is zero. What one of its
optimizers dies of is run without that one.
"""

from collections.abc import Iterator

import onnx
from onnx import TensorProto, numpy_helper

from analyzer.core.tensors import is_external

DIVIDING = frozenset({"Div", "Mod"})
"""Operators that divide integers."""

WHOLE = frozenset(
    {
        TensorProto.INT8,
        TensorProto.INT16,
        TensorProto.INT32,
        TensorProto.INT64,
        TensorProto.UINT8,
        TensorProto.UINT16,
        TensorProto.UINT32,
        TensorProto.UINT64,
    }
)
"""Element types of integers."""


GRIDS = frozenset({"QuantizeLinear", "DequantizeLinear"})
MOVING_GRIDS = "QDQPropagationTransformer"
"""The optimizer that moves grids over what moves numbers; where a body reads the result
from around it, ONNX Runtime 1.31 looks for it among the node's own inputs, and aborts."""


def deadly_optimizers(graph: onnx.GraphProto) -> list[str]:
    """Return the optimizers that ONNX Runtime may die of in a model.

    Args:
        graph: A model's main graph.
    """
    gridded = any(node.op_type in GRIDS for node in graph.node)
    bodied = gridded and any(
        attribute.HasField("g") for node in graph.node for attribute in node.attribute
    )
    return [MOVING_GRIDS] if bodied else []


def division_by_zero(graph: onnx.GraphProto) -> tuple[str, str] | None:
    """Return the first node that would divide integers by zero, and what is zero in it.

    Args:
        graph: A model's main graph; a divisor that is computed is not seen.
    """
    dividing = [node for node in graph.node if node.op_type in DIVIDING and node.input[1:]]
    zeros = set(_zeros(graph)) if dividing else set()
    for node in graph.node:
        if node.op_type == "ConvTranspose" and any(
            attribute.name == "group" and attribute.i == 0 for attribute in node.attribute
        ):
            return node.name, "its group is 0"
        if node.op_type in DIVIDING and zeros.intersection(node.input[1:2]):
            return node.name, f"its divisor {node.input[1]} holds a 0"
    return None


def _zeros(graph: onnx.GraphProto) -> Iterator[str]:
    """Yield the integer constants that hold a zero."""
    values = [(one.name, one) for one in graph.initializer]
    values += [
        (node.output[0], attribute.t)
        for node in graph.node
        if node.op_type == "Constant"
        for attribute in node.attribute
        if attribute.name == "value"
    ]
    for name, tensor in values:
        here = tensor.data_type in WHOLE and not is_external(tensor)
        if here and not numpy_helper.to_array(tensor).all():
            yield name
