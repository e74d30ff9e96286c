"""Loops that freezing has lowered to switches and merges, made functional again.

``convert_variables_to_constants_v2`` lowers them unless it is told not to, and tf2onnx
knows the lists of tensors that recurrent layers fill only in functional loops.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf
from tensorflow.python.framework.graph_to_function_def import graph_to_function_def

from analyzer.frontends.child.lowered import (
    Loop,
    Nodes,
    loops,
    node_name,
    readers,
    source,
)

LISTS = "TensorList"
"""How operators begin for whose sake a loop is raised; tf2onnx knows all other loops."""

Shapes = Mapping[str, Any]


def with_loops(graph: Any) -> Any:
    """Return a graph whose loops over lists of tensors are ``While`` operators.

    Args:
        graph: A frozen ``GraphDef``; it is not changed. Loops within loops stay.
    """
    if not any(node.op.startswith(LISTS) for node in graph.node):
        return graph
    nodes = {node.name: node for node in graph.node}
    shapes = _shapes(graph)
    for loop in loops(nodes):
        graph = _raised(graph, loop, shapes)
    return graph


def _raised(graph: Any, loop: Loop, shapes: Shapes) -> Any:
    """Return a graph with one loop as an operator; what left the loop reads its outputs."""
    nodes = {node.name: node for node in graph.node}
    inside = _inside(loop, nodes)
    if any(nodes[name].op == "Enter" for name in inside - {e.name for e in loop.entering}):
        return graph
    merges = [variable.merge.name for variable in loop.variables]
    switches = [f"{variable.switch.name}:1" for variable in loop.variables]
    again = [variable.again for variable in loop.variables]
    unchanged = [node.name for node in loop.constants]
    functions = (
        _function(nodes, loop, [*merges, *unchanged], [loop.going], shapes),
        _function(nodes, loop, [*switches, *unchanged], [*again, *unchanged], shapes),
    )
    copy = tf.compat.v1.GraphDef()
    copy.CopyFrom(graph)
    del copy.node[:]
    copy.node.extend(_outside(graph, inside))
    copy.node.extend([_operator(loop, functions, shapes), *_leaving(loop)])
    copy.library.function.extend(functions)
    return copy


def _inside(loop: Loop, nodes: Nodes) -> set[str]:
    """Return the names of all nodes that wait for a loop to begin, up to what it gives."""
    reading = readers(nodes)
    waiting = [node.name for node in loop.entering]
    found = set(waiting)
    while waiting:
        fresh = {node.name for node in reading.get(waiting.pop(), ())} - found
        found |= fresh
        waiting += [name for name in fresh if nodes[name].op != "Exit"]
    return found


def _outside(graph: Any, inside: set[str]) -> Iterator[Any]:
    for node in graph.node:
        if node.name in inside:
            continue
        copy = tf.compat.v1.NodeDef()
        copy.CopyFrom(node)
        copy.input[:] = [t for t in node.input if t[0] != "^" or node_name(t) not in inside]
        yield copy


def _function(
    nodes: Nodes, loop: Loop, reads: Sequence[str], gives: Sequence[str], shapes: Shapes
) -> Any:
    """Return the part of a graph between some tensors and others as a function."""
    places = {tensor: f"argument_{place}" for place, tensor in enumerate(reads)}
    results = [source(tensor, nodes, places) for tensor in gives]
    part = tf.compat.v1.GraphDef()
    for enter, name in zip(loop.entering, places.values(), strict=True):
        part.node.append(_argument(name, enter, shapes))
    part.node.extend(_between(nodes, places, results))
    with tf.Graph().as_default() as scratch:
        tf.import_graph_def(part, name="")
    arguments = [scratch.get_tensor_by_name(f"{name}:0") for name in places.values()]
    wanted = [scratch.get_tensor_by_name(_whole(tensor)) for tensor in results]
    own = [each for each in scratch.get_operations() if each.name not in places.values()]
    names = [f"result_{place}" for place in range(len(wanted))]
    function = graph_to_function_def(scratch, own, arguments, wanted, names)
    function.signature.name = f"__{loop.name}_{len(gives)}".replace("/", "_")
    return function


def _between(
    nodes: Nodes, places: Mapping[str, str], results: Sequence[str]
) -> Iterator[Any]:
    """Yield copies of the nodes that results are made with, up to the arguments."""
    seen: set[str] = set(places.values())
    waiting = [node_name(tensor) for tensor in results]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        copy = tf.compat.v1.NodeDef()
        copy.CopyFrom(nodes[name])
        data = [tensor for tensor in copy.input if tensor[0] != "^"]
        copy.input[:] = [source(tensor, nodes, places) for tensor in data]
        waiting += [node_name(tensor) for tensor in copy.input]
        yield copy


def _argument(name: str, enter: Any, shapes: Shapes) -> Any:
    node = tf.compat.v1.NodeDef(name=name, op="Placeholder")
    node.attr["dtype"].type = enter.attr["T"].type
    node.attr["shape"].shape.CopyFrom(shapes[enter.name])
    return node


def _operator(loop: Loop, functions: tuple[Any, Any], shapes: Shapes) -> Any:
    node = tf.compat.v1.NodeDef(name=loop.name, op="StatelessWhile")
    node.input.extend(enter.input[0] for enter in loop.entering)
    node.attr["T"].list.type.extend(enter.attr["T"].type for enter in loop.entering)
    for role, function in zip(("cond", "body"), functions, strict=True):
        node.attr[role].func.name = function.signature.name
    sizes = [shapes[enter.name] for enter in loop.entering]
    node.attr["output_shapes"].list.shape.extend(sizes)
    return node


def _leaving(loop: Loop) -> Iterator[Any]:
    """Yield what gives the loop's last values under the names they had."""
    for place, variable in enumerate(loop.variables):
        if variable.leave is None:
            continue
        node = tf.compat.v1.NodeDef(name=variable.leave.name, op="Identity")
        node.input.append(f"{loop.name}:{place}")
        node.attr["T"].type = variable.enter.attr["T"].type
        yield node


def _shapes(graph: Any) -> dict[str, Any]:
    """Return the shape of what comes in at each loop, as it is on every turn."""
    with tf.Graph().as_default() as scratch:
        tf.import_graph_def(graph, name="")
    found = {}
    for operation in scratch.get_operations():
        if operation.type != "Enter":
            continue
        readers = operation.outputs[0].consumers()
        merge = next((each for each in readers if each.type == "Merge"), operation)
        found[operation.name] = merge.outputs[0].shape.as_proto()
    return found


def _whole(tensor: str) -> str:
    return tensor if ":" in tensor else f"{tensor}:0"
