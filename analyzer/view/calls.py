"""Calls of local functions, as the nodes of the function's body."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import onnx
from onnx import inliner

from analyzer.view.fused.steps import Steps, inner

Functions = Mapping[tuple[str, str], onnx.FunctionProto]
"""A model's local functions by domain and name."""


def functions_of(model: onnx.ModelProto) -> Functions:
    """Return a model's local functions by domain and name."""
    return {(one.domain, one.name): one for one in model.functions}


def body_of(
    call: onnx.NodeProto, functions: Functions, model: onnx.ModelProto
) -> Steps | None:
    """Return the nodes that a call stands for, the tensors inside marked as inner ones.

    Args:
        call: A node.
        functions: The model's local functions.
        model: The model; its opset imports hold for the body.

    Returns:
        The body, functions inside it opened too; None where the node calls no function, or
        one that is written for another opset.
    """
    key = call.domain, call.op_type
    if key not in functions:
        return None
    graph = inliner.inline_local_functions(_calling(call, functions, model)).graph
    if any((node.domain, node.op_type) == key for node in graph.node):
        return None
    ends = {*call.input, *call.output}
    own = dict.fromkeys(name for name in made(graph.node) if name not in ends)
    names = {k: inner(short) for k, short in _unnumbered(own).items()}
    result = tuple(renamed(node, names) for node in graph.node)
    every = tuple(every_node(result))
    called = _unnumbered(dict.fromkeys(node.name for node in every if node.name))
    for node in every:
        node.name = called.get(node.name, "")
    return result


def _unnumbered(names: Iterable[str]) -> dict[str, str]:
    """Return names without the number the inliner put behind them, where still unique."""
    short = {name: re.sub(r"__\d+$", "", name) for name in names}
    shared = Counter(short.values())
    return {name: one if shared[one] == 1 else name for name, one in short.items()}


def _calling(
    call: onnx.NodeProto, functions: Functions, model: onnx.ModelProto
) -> onnx.ModelProto:
    """Return a model that does nothing but make a call."""
    alone = onnx.ModelProto(ir_version=model.ir_version)
    alone.opset_import.extend(model.opset_import)
    alone.functions.extend(_reached(call, functions))
    graph = alone.graph
    graph.name = "call"
    graph.node.append(call)
    read = dict.fromkeys(name for name in call.input if name)
    graph.input.extend(onnx.ValueInfoProto(name=name) for name in read)
    given = (name for name in call.output if name)
    graph.output.extend(onnx.ValueInfoProto(name=name) for name in given)
    for node in (*graph.node, *(one for f in alone.functions for one in f.node)):
        _state_defaults(node, functions)
    return alone


def _state_defaults(call: onnx.NodeProto, functions: Functions) -> None:
    """Give a call of our own copy its function's defaults: the inliner forgets them."""
    function = functions.get((call.domain, call.op_type))
    stated = {attribute.name for attribute in call.attribute}
    defaults = () if function is None else function.attribute_proto
    call.attribute.extend(one for one in defaults if one.name not in stated)
    for graph in subgraphs(call):
        for node in graph.node:
            _state_defaults(node, functions)


def _reached(call: onnx.NodeProto, functions: Functions) -> tuple[onnx.FunctionProto, ...]:
    """Return the functions that a call needs: its own, and all that those call."""
    found: dict[tuple[str, str], onnx.FunctionProto] = {}
    waiting = [(call.domain, call.op_type)]
    while waiting:
        key = waiting.pop()
        if key not in functions or key in found:
            continue
        found[key] = functions[key]
        waiting += [(node.domain, node.op_type) for node in every_node(functions[key].node)]
    return tuple(found.values())


def every_node(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    """Yield nodes and those of their subgraphs.

    Args:
        nodes: Of a graph or a function.
    """
    for node in nodes:
        yield node
        for graph in subgraphs(node):
            yield from every_node(graph.node)


def subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """Yield the graphs a node holds as attributes, in the order they stand."""
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            yield attribute.g
        yield from attribute.graphs


def made(nodes: Iterable[onnx.NodeProto]) -> Iterator[str]:
    """Yield every tensor that nodes or their subgraphs make.

    Args:
        nodes: Of a graph.
    """
    for node in every_node(nodes):
        yield from (name for name in node.output if name)
        for graph in subgraphs(node):
            yield from (value.name for value in (*graph.input, *graph.initializer))


def renamed(node: onnx.NodeProto, names: Mapping[str, str]) -> onnx.NodeProto:
    """Return a node with tensors under other names, those of its subgraphs too.

    Args:
        node: The node, which stays as it is.
        names: New name by old name.
    """
    result = onnx.NodeProto()
    result.CopyFrom(node)
    _rename(result, names)
    return result


def _rename(node: onnx.NodeProto, names: Mapping[str, str]) -> None:
    for each in (node.input, node.output):
        for place, name in enumerate(each):
            each[place] = names.get(name, name)
    for graph in subgraphs(node):
        for each in (graph.input, graph.output, graph.initializer, graph.value_info):
            for value in each:
                value.name = names.get(value.name, value.name)
        for inside in graph.node:
            _rename(inside, names)
