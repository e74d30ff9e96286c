"""The ONNX types of arrays and of a model's tensors."""

from collections.abc import Collection, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper

from analyzer.core.inference import inferred
from analyzer.core.types import Array


def type_of(array: Array, sizes: Sequence[int] | None = None) -> onnx.TypeProto:
    """Return the ONNX type of an array.

    Args:
        array: Array of any dtype; one of dtype object holds strings, or the arrays of a
            sequence.
        sizes: The sizes to declare; None leaves every size open and declares the rank.
    """
    if array.dtype == np.object_ and array.size and isinstance(array.flat[0], np.ndarray):
        return helper.make_sequence_type_proto(type_of(array.flat[0]))
    text = array.dtype.kind in "OUS"
    kind = TensorProto.STRING if text else helper.np_dtype_to_tensor_dtype(array.dtype)
    return helper.make_tensor_type_proto(kind, sizes or [None] * array.ndim)


def input_types(
    model: onnx.ModelProto, names: Collection[str]
) -> dict[str, onnx.TypeProto]:
    """Return the type that a model declares or implies for some of its tensors.

    Args:
        model: The whole model.
        names: Tensors asked about.

    Returns:
        Type by name, sizes left out; tensors of unknown type are left out.
    """
    known = _declared(model.graph)
    if not set(names) <= known.keys():
        known = _declared(inferred(model)) | known
    return {name: known[name] for name in names if name in known}


def _declared(graph: onnx.GraphProto) -> dict[str, onnx.TypeProto]:
    """Return the declared types of a graph's tensors without their sizes."""
    values = (*graph.input, *graph.output, *graph.value_info)
    types = {value.name: value.type for value in values if value.HasField("type")}
    weights = {
        tensor.name: helper.make_tensor_type_proto(tensor.data_type, list(tensor.dims))
        for tensor in graph.initializer
    }
    return {name: _without_shape(kind) for name, kind in (types | weights).items()}


def _without_shape(kind: onnx.TypeProto) -> onnx.TypeProto:
    """Return a type that leaves the rank and every size open."""
    if not kind.HasField("tensor_type"):
        return kind
    return helper.make_tensor_type_proto(kind.tensor_type.elem_type, None)
