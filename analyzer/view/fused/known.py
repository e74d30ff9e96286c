"""What a model says of its tensors, as far as opening a fused operator needs it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import onnx


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a tensor.

    Attributes:
        dtype: Element type, as `onnx.TensorProto` numbers it; 0: unknown.
        shape: A size for each axis, None where it varies; None: the rank is unknown.
        maker: Type of the operator that gives it; empty for an input or a weight.
    """

    dtype: int = 0
    shape: tuple[int | None, ...] | None = None
    maker: str = ""

    @property
    def rank(self) -> int | None:
        """The number of axes, None where it is unknown."""
        return None if self.shape is None else len(self.shape)


Tensors = Mapping[str, Known]
"""What is known of tensors, by name."""

UNKNOWN = Known()
"""A tensor of which nothing is said."""


def declared(graph: onnx.GraphProto) -> dict[str, Known]:
    """Return what a graph says of its inputs, outputs, weights and tensors between.

    Args:
        graph: The main graph, or a subgraph.
    """
    found = {
        value.name: _of_value(value.type.tensor_type)
        for value in (*graph.value_info, *graph.output, *graph.input)
    }
    for node in graph.node:
        for name in node.output:
            found[name] = replace(found.get(name, UNKNOWN), maker=node.op_type)
    weights = ((one.name, one) for one in graph.initializer)
    return found | {k: Known(one.data_type, tuple(one.dims)) for k, one in weights}


def _of_value(stated: onnx.TypeProto.Tensor) -> Known:
    if not stated.HasField("shape"):
        return Known(stated.elem_type)
    sizes = stated.shape.dim
    known = (one.dim_value if one.HasField("dim_value") else None for one in sizes)
    return Known(stated.elem_type, tuple(known))
