"""A frozen TensorFlow graph as ONNX, its batch norms and its users' names kept."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import onnx
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2,
)

from analyzer.core.types import Array
from analyzer.frontends.child.batch_norms import constant, with_batch_norms
from analyzer.frontends.child.graph_spelled import with_spellings
from analyzer.frontends.child.graph_spellings import UNKNOWN
from analyzer.frontends.child.handlers import keep_batch_norms_unfolded
from analyzer.frontends.child.raised import with_loops
from analyzer.frontends.child.thin_graph import onnx_of
from analyzer.frontends.child.words import converted


def pivot_of(
    path: str, graph: Any, inputs: Sequence[str], outputs: Sequence[str]
) -> onnx.ModelProto:
    """Return a frozen graph in ONNX form.

    Args:
        path: The model, as the user gave it.
        graph: A ``GraphDef`` without variables.
        inputs: Names of the tensors that are fed, such as ``x:0``.
        outputs: Names of the tensors that are wanted, in order.

    Raises:
        LoadError: tf2onnx fails.
    """
    keep_batch_norms_unfolded()
    known = with_spellings(graph, UNKNOWN)
    whole = with_loops(with_batch_norms(known, ranks(known)))
    return converted(path, "tf2onnx", lambda: onnx_of(whole, inputs, outputs))


def frozen(function: Any) -> Any:
    """Return a function's ``GraphDef`` without variables; all it captured is constant.

    Args:
        function: A ``ConcreteFunction``.
    """
    constant_one = convert_variables_to_constants_v2(
        function, lower_control_flow=False, aggressive_inlining=True
    )
    captured = {
        inner.op.name: outer.numpy()
        for outer, inner in function.graph.captures
        if outer.dtype != tf.resource
    }
    return with_constants(constant_one.graph.as_graph_def(), captured)


def ranks(graph: Any) -> dict[str, int | None]:
    """Return the rank of every tensor of a graph, by name; None where it is unknown.

    Args:
        graph: A ``GraphDef``.
    """
    with tf.Graph().as_default() as scratch:
        tf.import_graph_def(graph, name="")
    return dict(_ranks(scratch))


def _ranks(graph: Any) -> Iterator[tuple[str, int | None]]:
    for operation in graph.get_operations():
        for tensor in operation.outputs:
            yield tensor.name.removesuffix(":0"), tensor.shape.rank


def without_defaults(graph: Any) -> Any:
    """Return a graph in which what may be fed, but need not be, has its default.

    Keras of TensorFlow 1 asks so whether it is training.

    Args:
        graph: A ``GraphDef``; it is not changed.
    """
    copy = tf.compat.v1.GraphDef()
    copy.CopyFrom(graph)
    for node in copy.node:
        if node.op == "PlaceholderWithDefault":
            node.op = "Identity"
            kind = node.attr["dtype"].type
            node.attr.clear()
            node.attr["T"].type = kind
    return copy


def with_constants(graph: Any, values: Mapping[str, Array]) -> Any:
    """Return a copy of a graph some of whose nodes have become constants.

    Args:
        graph: A ``GraphDef``; it is not changed.
        values: By name of the node.
    """
    copy = tf.compat.v1.GraphDef()
    copy.CopyFrom(graph)
    for node in copy.node:
        if node.name in values:
            node.CopyFrom(constant(node.name, values[node.name]))
    return copy


def renamed_nodes(graph: Any, names: Mapping[str, str]) -> tuple[Any, dict[str, str]]:
    """Return a copy of a graph some of whose nodes are called otherwise.

    Args:
        graph: A ``GraphDef``; it is not changed.
        names: New name by old name; a new name that is taken is not given.

    Returns:
        The copy, and the wanted name of each node by the name that it has now.
    """
    taken = {node.name for node in graph.node}
    given = {}
    for old, new in names.items():
        given[old] = old if new in taken else new
        taken.add(new)
    copy = tf.compat.v1.GraphDef()
    copy.CopyFrom(graph)
    for node in copy.node:
        node.name = given.get(node.name, node.name)
        node.input[:] = [_renamed(tensor, given) for tensor in node.input]
    return copy, {given[old]: new for old, new in names.items()}


def _renamed(tensor: str, names: Mapping[str, str]) -> str:
    control = "^" if tensor.startswith("^") else ""
    node, colon, place = tensor.removeprefix("^").partition(":")
    return f"{control}{names.get(node, node)}{colon}{place}"
