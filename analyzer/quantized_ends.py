"""Quantizers at the integer ends of a model: put there, and taken off again."""

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from analyzer.core.ends import IntegerEnd
from analyzer.core.graph import producers
from analyzer.core.grids import READER, WRITER

Grids = Mapping[str, IntegerEnd]
"""What the integers of some inputs or outputs stand for, by name."""


def with_floats(model: onnx.ModelProto, ends: Grids) -> onnx.ModelProto:
    """Return a model with a quantizer before each input, and one behind each output.

    Args:
        model: With integers at its ends; it stays as it is.
        ends: Inputs and outputs, by name.
    """
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    graph = changed.graph
    _rename(graph, {name: end.integers for name, end in ends.items()})
    first: list[onnx.NodeProto] = []
    last: list[onnx.NodeProto] = []
    for values, made, op in ((graph.input, first, WRITER), (graph.output, last, READER)):
        for value in (one for one in values if one.name in ends):
            end = ends[value.name]
            made.append(_quantizer(op, value.name, end))
            graph.initializer.extend(_constants(end))
            value.type.tensor_type.elem_type = TensorProto.FLOAT
    own = list(graph.node)
    del graph.node[:]
    graph.node.extend([*first, *own, *last])
    return changed


def _rename(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    """Rename tensors in the nodes of a graph and what it tells of them."""
    for node in graph.node:
        for slots in (node.input, node.output):
            for place, name in enumerate(slots):
                if name in names:
                    slots[place] = names[name]
    for value in graph.value_info:
        value.name = names.get(value.name, value.name)


def _quantizer(op: str, name: str, end: IntegerEnd) -> onnx.NodeProto:
    read, given = (name, end.integers) if op == WRITER else (end.integers, name)
    constants = [tensor.name for tensor in _constants(end)]
    return helper.make_node(op, [read, *constants], [given], name=f"{end.integers}_{op}")


def _constants(end: IntegerEnd) -> tuple[TensorProto, TensorProto]:
    return (
        numpy_helper.from_array(np.asarray(end.scale, np.float32), f"{end.integers}_scale"),
        numpy_helper.from_array(np.asarray(end.zero, end.dtype), f"{end.integers}_zero"),
    )


def with_integers(model: onnx.ModelProto, ends: Grids) -> onnx.ModelProto:
    """Return a model with the ends that its file has: the integers, and no quantizers.

    An end whose quantizer an edit has taken away, or gone around, stays one of floats.

    Args:
        model: Made by `with_floats`, and edited since.
        ends: The ends as they were made.
    """
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    graph = changed.graph
    for value in (*graph.input, *graph.output):
        end = ends.get(value.name)
        added = None if end is None else _added(graph, value.name, end)
        if end is None or added is None:
            continue
        inner = added.output[0] if added.op_type == WRITER else added.input[0]
        graph.node.remove(added)
        _rename(graph, {inner: value.name})
        value.type.tensor_type.elem_type = helper.np_dtype_to_tensor_dtype(
            np.dtype(end.dtype)
        )
        gone = {tensor.name for tensor in _constants(end)}
        kept = [one for one in graph.initializer if one.name not in gone]
        del graph.initializer[:]
        graph.initializer.extend(kept)
    return changed


def _added(graph: onnx.GraphProto, name: str, end: IntegerEnd) -> onnx.NodeProto | None:
    """Return the quantizer that was added at an end, where nothing goes around it."""
    quantizer = producers(graph.node).get(name)
    if quantizer is not None:
        return quantizer if quantizer.op_type == READER else None
    readers = [node for node in graph.node if name in node.input]
    alone = len(readers) == 1 and readers[0].output[0] == end.integers
    return readers[0] if alone else None
