"""What a model says of its tensors' types, as far as opening a fused operator needs it."""

from collections.abc import Mapping
from dataclasses import dataclass

import onnx


@dataclass(frozen=True, slots=True)
class TensorType:
    """The element type of a tensor, as `onnx.TensorProto` numbers it, and its shape.

    Attributes:
        dtype: Element type.
        shape: A size for each axis, None where it varies; None: the rank is unknown.
    """

    dtype: int
    shape: tuple[int | None, ...] | None

    @property
    def rank(self) -> int | None:
        """The number of axes, None where it is unknown."""
        return None if self.shape is None else len(self.shape)


Types = Mapping[str, TensorType]
"""Types of tensors by name; those that no one declares are missing."""


def declared(graph: onnx.GraphProto) -> dict[str, TensorType]:
    """Return the types that a graph declares, of inputs, outputs, weights and between.

    Args:
        graph: The main graph, or a subgraph.
    """
    found = {
        value.name: _of_value(value.type.tensor_type)
        for value in (*graph.value_info, *graph.output, *graph.input)
        if value.type.tensor_type.elem_type
    }
    weights = ((one.name, one) for one in graph.initializer)
    return found | {k: TensorType(one.data_type, tuple(one.dims)) for k, one in weights}


def _of_value(stated: onnx.TypeProto.Tensor) -> TensorType:
    if not stated.HasField("shape"):
        return TensorType(stated.elem_type, None)
    sizes = stated.shape.dim
    known = (one.dim_value if one.HasField("dim_value") else None for one in sizes)
    return TensorType(stated.elem_type, tuple(known))
