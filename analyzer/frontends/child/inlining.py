"""Functions of a TensorFlow graph that were to be compiled, made ones that are inlined."""

from typing import Any

import tensorflow as tf

KEPT_APART = ("_XlaMustCompile", "_noinline", "_XlaCompile")
"""Marks by which TensorFlow leaves a call as it is. Keras compiles grouped convolutions,
which the CPU's own kernels do not take; tf2onnx translates no call."""


def with_inlining(graph: Any) -> Any:
    """Return a graph of whose functions none is kept apart from what calls it.

    Args:
        graph: A ``GraphDef``; it is not changed.
    """
    if not any(_is_apart(each) for each in _marked(graph)):
        return graph
    copy = tf.compat.v1.GraphDef()
    copy.CopyFrom(graph)
    for each in _marked(copy):
        for mark in KEPT_APART:
            each.attr.pop(mark, None)
    return copy


def _marked(graph: Any) -> list[Any]:
    """Return all that carries such marks: nodes, functions, and the functions' nodes."""
    functions = list(graph.library.function)
    inner = [node for function in functions for node in function.node_def]
    return [*graph.node, *functions, *inner]


def _is_apart(marked: Any) -> bool:
    return any(mark in marked.attr for mark in KEPT_APART)
