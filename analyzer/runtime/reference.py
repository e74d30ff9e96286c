"""A part of a model as onnx.reference computes it: in float64, without ONNX Runtime."""

import onnx
from onnx import TensorProto, helper, numpy_helper

from analyzer.core.graph import opsets
from analyzer.core.types import Array, Feeds

MISREAD = frozenset({"Softmax", "LogSoftmax", "Hardmax"})
"""Operators that onnx.reference computes along one axis, also where an old opset says all
from that axis on."""

PER_AXIS = 13
"""Opset from which they are computed along one axis."""


def reference_values(part: onnx.ModelProto, feeds: Feeds) -> dict[str, Array] | None:
    """Return what a part gives in double precision; None where nothing else computes it.

    Args:
        part: A model whose weights are inside it.
        feeds: Array by input name; floats of any width.

    Returns:
        Array by output name, its floats in float64.
    """
    from onnx.reference import ReferenceEvaluator  # 0.1 s that a sound runtime need not pay

    old = opsets(part).get("", 0) < PER_AXIS
    if old and any(node.op_type in MISREAD for node in part.graph.node):
        return None
    wide = {name: _widened(array) for name, array in feeds.items()}
    names = [value.name for value in part.graph.output]
    try:
        given = ReferenceEvaluator(_doubled(part)).run(names, wide)
    except Exception:  # noqa: BLE001 - it raises whatever NumPy or a missing operator does
        return None
    return dict(zip(names, given, strict=True))


def _widened(array: Array) -> Array:
    return array.astype("float64") if array.dtype.kind == "f" else array


def _doubled(part: onnx.ModelProto) -> onnx.ModelProto:
    """Return a part that computes in float64 whatever it computed in float32."""
    wide = onnx.ModelProto()
    wide.CopyFrom(part)
    for tensor in wide.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            values = numpy_helper.to_array(tensor).astype("float64")
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    for value in wide.graph.input:
        if value.type.tensor_type.elem_type == TensorProto.FLOAT:
            value.type.tensor_type.elem_type = TensorProto.DOUBLE
    for node in wide.graph.node:
        for attribute in node.attribute:
            _double(node, attribute)
    return wide


def _double(node: onnx.NodeProto, attribute: onnx.AttributeProto) -> None:
    """Let a Cast to float32, and a Constant of it, give float64, in our own copy."""
    if node.op_type == "Cast" and attribute.name == "to":
        attribute.i = (
            TensorProto.DOUBLE if attribute.i == TensorProto.FLOAT else attribute.i
        )
    if attribute.HasField("t") and attribute.t.data_type == TensorProto.FLOAT:
        values = numpy_helper.to_array(attribute.t).astype("float64")
        attribute.CopyFrom(
            helper.make_attribute(attribute.name, numpy_helper.from_array(values))
        )
