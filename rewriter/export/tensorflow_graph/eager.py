"""A model computed at once by the table, as ONNX's own node tests want it."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import numpy as np
import onnx
import tensorflow as tf

from analyzer.core.errors import ExportError
from analyzer.core.types import Array
from rewriter.export.tensorflow_graph.module import Graph, Settings
from rewriter.export.tensorflow_graph.program import program
from rewriter.export.tensorflow_graph.table import table

WHOLE = frozenset({onnx.TensorProto.INT32, onnx.TensorProto.INT64})
"""Element types that axes, sizes and counts have."""


def computed(model: onnx.ModelProto, inputs: Sequence[Any]) -> list[Array]:
    """Return a model's outputs, each of the shape and dtype that TensorFlow gives it.

    Everything is fed. Where a node has to know its axes, sizes or counts when the program
    is written, those inputs are known, as they are in the models that exporters write.

    Args:
        model: Any model.
        inputs: One array or tensor proto per input, in order.

    Raises:
        ExportError: An operator lacks, or TensorFlow has no kernel for it.
    """
    settled = _parameters(model)
    try:
        return _traced(model, inputs, frozenset())
    except ExportError:
        if not settled:
            raise
    return _traced(model, inputs, settled)


def _parameters(model: onnx.ModelProto) -> frozenset[str]:
    """Return the whole-numbered inputs that are no node's first, and those of Resize."""
    nodes = model.graph.node
    first = {node.input[0] for node in nodes if node.input}
    scales = {name for node in nodes if node.op_type == "Resize" for name in node.input[1:]}
    whole = {
        value.name
        for value in model.graph.input
        if value.type.tensor_type.elem_type in WHOLE or value.name in scales
    }
    return frozenset(whole - first)


def _traced(
    model: onnx.ModelProto, inputs: Sequence[Any], settled: AbstractSet[str]
) -> list[Array]:
    names = [value.name for value in model.graph.input]
    arrays = dict(zip(names, map(_array, inputs), strict=False))
    own = onnx.ModelProto()
    own.CopyFrom(model)
    for name in sorted(settled):
        own.graph.initializer.append(onnx.numpy_helper.from_array(arrays[name], name))
    graph = Graph(program(own, table().keys()), Settings(variables=False))
    fed = [tf.constant(arrays[name]) for name in names if name not in settled]
    try:
        results = graph.concrete()(*fed)
    except tf.errors.UnimplementedError as surprise:
        said = str(surprise).strip().splitlines()[-1]
        raise ExportError(
            f"TensorFlow has no kernel for the model: {said}",
            hint="write the repaired model with -o to an .onnx file",
        ) from surprise
    return [_plain(results[value.name].numpy()) for value in model.graph.output]


def _array(given: Any) -> Array:  # noqa: ANN401  # a test feeds arrays, protos or lists
    if isinstance(given, onnx.TensorProto):
        return onnx.numpy_helper.to_array(given)
    return np.asarray(given)


def _plain(found: Any) -> Array:  # noqa: ANN401  # text comes as bytes, a scalar as a number
    array = np.asarray(found)
    if array.dtype != np.dtype(object):
        return array
    texts = [one.decode() for one in array.reshape(-1)]
    return np.array(texts, object).reshape(array.shape)
