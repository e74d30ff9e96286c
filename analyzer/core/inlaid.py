"""The graphs inside If, Loop and Scan, taken from one model to another."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import onnx
from onnx import defs, numpy_helper

from analyzer.core.graph import schema_defaults
from analyzer.core.types import Array, Node

REDEFINED = ((13, frozenset({"Softmax", "LogSoftmax", "Hardmax"})),)
"""Opsets from which operators mean something else by the same settings.

Source: https://onnx.ai/onnx/operators/onnx__Softmax.html"""


def keeps_meaning(graph: onnx.GraphProto, old: int, new: int) -> bool:
    """Return whether every operator of a graph can be said alike in two opsets.

    Args:
        graph: A branch or a body.
        old: The opset it is written for.
        new: Another.
    """
    return old == new or all(_is_same(node, old, new) for node in _every_node(graph))


def _every_node(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    for node in graph.node:
        yield node
        for inner in _graphs(node):
            yield from _every_node(inner)


def _graphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            yield attribute.g
        yield from attribute.graphs


def _is_same(node: onnx.NodeProto, old: int, new: int) -> bool:
    """Return whether an opset takes a node as it stands, and takes it to mean the same."""
    if node.domain not in {"", "ai.onnx"}:
        return False
    crossed = (ops for since, ops in REDEFINED if (old < since) != (new < since))
    if any(node.op_type in ops for ops in crossed):
        return False
    try:
        first, second = (defs.get_schema(node.op_type, one, "") for one in (old, new))
    except defs.SchemaError:
        return False
    stated = {attribute.name for attribute in node.attribute}
    defaults = (schema_defaults(node.op_type, one, "") for one in (old, new))
    mine, theirs = (
        {name: value for name, value in known.items() if name not in stated}
        for known in defaults
    )
    fits = stated <= second.attributes.keys() and len(node.input) <= second.max_input
    alike = all(np.array_equal(mine[n], theirs[n]) for n in mine.keys() & theirs.keys())
    return bool(fits and alike and first.min_input == second.min_input)


def prefixed(node: Node, prefix: str) -> Node:
    """Return a node with a prefix on every tensor in its graphs, those around included.

    Args:
        node: A node that may hold graphs.
        prefix: What keeps the names apart from those of another model.

    Returns:
        The node as it is where it holds no graph; else with the constants around its graphs
        laid into them.
    """
    graphs = {k: v for k, v in node.attributes.items() if isinstance(v, onnx.GraphProto)}
    if not graphs:
        return node
    inlaid = {name: _inlaid(graph, node.held, prefix) for name, graph in graphs.items()}
    return replace(node, attributes={**node.attributes, **inlaid})


def _inlaid(
    graph: onnx.GraphProto, held: Mapping[str, Array], prefix: str
) -> onnx.GraphProto:
    copy = onnx.GraphProto()
    copy.CopyFrom(graph)
    own = {one.name for one in (*copy.input, *copy.initializer)}
    copy.initializer.extend(
        numpy_helper.from_array(np.asarray(value, order="C"), name)
        for name, value in held.items()
        if name not in own
    )
    _rename(copy, prefix)
    return copy


def _rename(graph: onnx.GraphProto, prefix: str) -> None:
    """Put a prefix on every name of a graph, in place, and of the graphs inside it."""
    for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        value.name = f"{prefix}{value.name}"
    for node in graph.node:
        node.name = f"{prefix}{node.name}" if node.name else ""
        node.input[:] = [f"{prefix}{name}" if name else "" for name in node.input]
        node.output[:] = [f"{prefix}{name}" if name else "" for name in node.output]
        for inner in _graphs(node):
            _rename(inner, prefix)
