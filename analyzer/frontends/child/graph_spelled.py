"""A TensorFlow graph whose operators are spelled with others."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

Spelling = Callable[[Any], Sequence[Any] | None]
"""Gives, for an operation, tensors that compute what it gives; None where it cannot. It is
called within the operation's own graph."""

SPELLED = "/spelled/"
"""The scope of what an operator is spelled with, behind its name."""


def with_spellings(graph: Any, spellings: Mapping[str, Spelling]) -> Any:
    """Return a graph in which operators of some types are computed by others.

    What reads an operation reads the spelling instead, under the operation's own name.

    Args:
        graph: A ``GraphDef``; it is not changed. Functions in it stay as they are.
        spellings: By type of operator.
    """
    if not any(node.op in spellings for node in graph.node):
        return graph
    made: dict[str, Sequence[Any]] = {}
    with tf.Graph().as_default() as whole:
        tf.import_graph_def(graph, name="")
        for operation in whole.get_operations():
            if operation.type not in spellings:
                continue
            with tf.name_scope(f"{operation.name}{SPELLED}"):
                results = spellings[operation.type](operation)
            if results is not None:
                made[operation.name] = results
    written = whole.as_graph_def()
    for node in written.node:
        node.input[:] = [_redirected(name, made) for name in node.input]
        if node.name in made:
            _pass_on(node, made[node.name][0])
    return written


def _redirected(tensor: str, made: Mapping[str, Sequence[Any]]) -> str:
    """Return what a node reads instead of a further output of a spelled operation."""
    name, _, place = tensor.partition(":")
    further = name in made and place not in {"", "0"}
    return str(made[name][int(place)].name) if further else tensor


def _pass_on(node: Any, tensor: Any) -> None:
    name = node.name
    node.Clear()
    node.name, node.op = name, "Identity"
    node.input.append(tensor.name)
    node.attr["T"].type = tensor.dtype.as_datatype_enum
