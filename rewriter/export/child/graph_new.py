"""Nodes of a repaired pivot that TensorFlow's graph has not: how it says them."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf

from analyzer.core.types import Array, Node
from rewriter.export.child.graph_bodies import ADDED
from rewriter.export.child.graph_edits import AddNode, GraphEdit, Rewire
from rewriter.export.child.graph_place import refused
from rewriter.export.child.graph_view import GraphView

SAME_NAME = frozenset(
    {
        "Abs", "Ceil", "Cos", "Elu", "Erf", "Exp", "Floor", "Identity", "LeakyRelu", "Log",
        "Neg", "Reciprocal", "Relu", "Rsqrt", "Selu", "Sigmoid", "Sign", "Sin", "Softplus",
        "Softsign", "Sqrt", "Tanh",
    }
)  # fmt: skip
"""Operators of one operand that both have, under one name."""

OTHER_NAME = {
    "Add": "AddV2",
    "Sub": "Sub",
    "Mul": "Mul",
    "Div": "RealDiv",
    "Pow": "Pow",
    "Max": "Maximum",
    "Min": "Minimum",
}
"""Operators of two operands."""

SIX = 6.0


def new_node(
    view: GraphView, node: Node, operands: Sequence[str | Array]
) -> Iterator[AddNode]:
    """Yield the nodes that compute what a new node of the pivot does, the last one last.

    Args:
        view: The graph.
        node: The new node.
        operands: What it reads: nodes of the graph by name, or values.

    Raises:
        ExportError: TensorFlow has no such operator, or an operand's layout matters.
    """
    beside = next((one for one in operands if isinstance(one, str)), "")
    name = _free(view, f"{beside.rpartition('/')[0]}/{ADDED}/{node.op}".removeprefix("/"))
    known = tuple(
        one if isinstance(one, str) else _laid(view, node, beside, one) for one in operands
    )
    if node.op in SAME_NAME:
        yield AddNode(name, node.op, known, beside, _options(node))
    elif node.op in OTHER_NAME and len(operands) == 2:  # noqa: PLR2004 - two operands
        yield AddNode(name, OTHER_NAME[node.op], known, beside)
    elif node.op == "Clip":
        yield from _clip(view, node, name, beside)
    else:
        raise refused(node, "it cannot be put into a graph by itself")


def shifted(view: GraphView, node: Node, owner: str, bias: Array) -> Iterator[GraphEdit]:
    """Yield an addition behind an operator that had none, for all that read it.

    Args:
        view: The graph.
        node: The operator's, in the repaired pivot.
        owner: The operator.
        bias: What is to be added, one number for each channel.

    Raises:
        ExportError: Which axis of the graph's has the channels is not known.
    """
    name = _free(view, f"{owner}/{ADDED}/Add")
    yield AddNode(name, "AddV2", (owner, _laid(view, node, owner, bias)), owner)
    yield Rewire(owner, name, None)


def _laid(view: GraphView, node: Node, beside: str, value: Array) -> Array:
    """Return a constant as it meets a tensor of the graph: along the axis of its size."""
    if value.size == 1:
        return _scalar(value)
    tensor = view.shapes.get(beside)
    shape = None if tensor is None else tensor.shape
    sizes = [] if shape is None or shape.rank is None else shape.as_list()
    found = [axis for axis, size in enumerate(sizes) if size == value.size]
    if value.size != max(value.shape) or len(found) != 1:
        raise refused(node, "it has a constant whose layout there is not known")
    return value.reshape([value.size] + [1] * (len(sizes) - found[0] - 1))


def _options(node: Node) -> Mapping[str, object]:
    alpha = node.attributes.get("alpha")
    if node.op == "Elu" and alpha not in {None, 1.0}:
        raise refused(node, f"its alpha is {alpha!r}, and TensorFlow's is 1")
    if node.op == "LeakyRelu":
        return {"alpha": tf.compat.v1.AttrValue(f=float(alpha))}  # type: ignore[arg-type]  # a number
    return {}


def _clip(view: GraphView, node: Node, name: str, beside: str) -> Iterator[AddNode]:
    """Yield a Relu6 where that is what it is, else a maximum and a minimum."""
    low, high = (node.constants.get(slot) for slot in (1, 2))
    if low is not None and high is not None and float(low) == 0 and float(high) == SIX:
        yield AddNode(name, "Relu6", (beside,), beside)
        return
    last = beside
    for op, bound in (("Maximum", low), ("Minimum", high)):
        if bound is not None:
            own = _free(view, f"{name}/{op}")
            yield AddNode(own, op, (last, _scalar(bound)), beside)
            last = own


def _scalar(value: Array) -> Array:
    return np.asarray(value).reshape(())


def _free(view: GraphView, name: str) -> str:
    """Return a name that the graph does not have yet."""
    number, free = 0, name
    while free in view.taken:
        number += 1
        free = f"{name}_{number}"
    view.taken.add(free)
    return free
