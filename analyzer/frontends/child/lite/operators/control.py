"""Loops and branches: an operator that runs other graphs of the model."""

from collections.abc import Sequence

import onnx
from onnx import helper

from analyzer.frontends.child.lite import importer
from analyzer.frontends.child.lite.call import Call
from analyzer.frontends.child.lite.draft import INNER, Draft, Layout
from analyzer.frontends.child.lite.facts import Tensor
from analyzer.frontends.child.lite.table import draws


@draws("WHILE")
def loop(call: Call) -> tuple[str, ...]:
    """Draw a loop that carries its inputs on while its condition, another graph, holds."""
    options, state = call.options, _given(call, 0)
    starts = _inlined(call.draft, options.condSubgraphIndex, state)
    body = importer.new_draft(call.draft.shared, options.bodySubgraphIndex)
    shared, graph = call.draft.shared, body.graph
    carried = [shared.fresh(graph.tensors[index].name) for index in graph.inputs]
    _spell(body, carried)
    given = importer.draw(body)
    (again,) = _inlined(body, options.condSubgraphIndex, given)
    count, before = (shared.fresh(f"{call.output.name}{INNER}{part}") for part in ENDS)
    inputs = [
        helper.make_tensor_value_info(count, onnx.TensorProto.INT64, []),
        helper.make_tensor_value_info(before, onnx.TensorProto.BOOL, []),
        *_declared(carried, [graph.tensors[index] for index in graph.inputs]),
    ]
    outputs = [
        helper.make_tensor_value_info(again, onnx.TensorProto.BOOL, []),
        *_declared(given, [graph.tensors[index] for index in graph.outputs]),
    ]
    drawn = helper.make_graph(body.nodes, shared.fresh(graph.name), inputs, outputs)
    return call.adds("Loop", "", *starts, *state, outputs=len(state), body=drawn)


ENDS = ("count", "condition")
"""What ONNX gives the body of a loop beside its own inputs."""


@draws("IF")
def branch(call: Call) -> tuple[str, ...]:
    """Draw one of two graphs, both of which take all inputs but the first."""
    state = _given(call, 1)
    options = call.options
    branches = [
        _branch(call, place, state)
        for place in (options.thenSubgraphIndex, options.elseSubgraphIndex)
    ]
    count = len(call.operator.outputs)
    then, other = branches
    condition = call.real(0)
    return call.adds("If", condition, outputs=count, then_branch=then, else_branch=other)


def _branch(call: Call, place: int, state: Sequence[str]) -> onnx.GraphProto:
    draft = importer.new_draft(call.draft.shared, place)
    _spell(draft, state)
    given = importer.draw(draft)
    tensors = [draft.graph.tensors[index] for index in draft.graph.outputs]
    name = call.draft.shared.fresh(draft.graph.name)
    return helper.make_graph(draft.nodes, name, [], _declared(given, tensors))


def _given(call: Call, first: int) -> list[str]:
    return [call.plain(slot) for slot in range(first, call.count)]


def _spell(draft: Draft, names: Sequence[str]) -> None:
    for index, name in zip(draft.graph.inputs, names, strict=True):
        draft.spelled[index, Layout.STRAIGHT] = name


def _inlined(draft: Draft, place: int, state: Sequence[str]) -> list[str]:
    """Return what a graph gives, drawn among the nodes of another."""
    inner = importer.new_draft(draft.shared, place)
    _spell(inner, state)
    given = importer.draw(inner)
    draft.nodes.extend(inner.nodes)
    return given


def _declared(names: Sequence[str], tensors: Sequence[Tensor]) -> list[onnx.ValueInfoProto]:
    pairs = zip(names, tensors, strict=True)
    return [importer.declared(name, tensor) for name, tensor in pairs]
