"""Branches and bodies as models of their own, every tensor under the name it has."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import onnx

from analyzer.core.graph import constants
from analyzer.core.types import Array, Feeds, Node
from analyzer.runtime.region import extract, run_region

BRANCHES = ("then_branch", "else_branch")
"""The attributes of an If, the one it takes on true first."""

BODIES: Mapping[str, tuple[str, ...]] = {
    "If": BRANCHES,
    "Loop": ("body",),
    "Scan": ("body",),
}
"""The operators that hold graphs, and the attributes that hold them."""

SCAN_OF_TODAY = 9
"""The opset from which a Scan has no batch axis of its own."""


def is_control(node: Node) -> bool:
    """Return whether a node holds graphs that can be looked into."""
    known = node.op in BODIES and not node.domain
    old = node.op == "Scan" and node.opset < SCAN_OF_TODAY
    return known and not old and all(graph_of(node, name) for name in BODIES[node.op])


def graph_of(node: Node, attribute: str) -> onnx.GraphProto | None:
    """Return the graph that a node holds under one of its attributes."""
    graph = node.attributes.get(attribute)
    return graph if isinstance(graph, onnx.GraphProto) else None


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """One graph of a control-flow node, laid open in the graph around it.

    Attributes:
        node: The control-flow node.
        attribute: The attribute that holds the graph.
        model: The model around it, the body's nodes in the place of the node.
        folder: The folder its external locations are relative to.
        inputs: What the body is given at each turn, in order.
        outputs: What it gives at each turn, in order.
        ranks: The declared rank of each input, None where none is declared.
        made: What the body's own nodes give.
        fixed: Value of each constant of the model and of the body, by name.
    """

    node: Node
    attribute: str
    model: onnx.ModelProto
    folder: Path
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    ranks: tuple[int | None, ...]
    made: frozenset[str]
    fixed: Mapping[str, Array]

    def part(self, feeds: Feeds, outputs: Sequence[str]) -> onnx.ModelProto:
        """Return the model of one turn.

        Args:
            feeds: A value for each tensor at which it begins, for its type.
            outputs: What it gives; what none of its own nodes gives is left out.
        """
        wanted = [name for name in dict.fromkeys(outputs) if name in self.made]
        return extract(self.model, tuple(feeds), wanted, arrays=feeds)


def body_of(
    model: onnx.ModelProto, folder: Path, node: Node, attribute: str
) -> Body | None:
    """Return a node's body laid open; None where its names hide those around it.

    Args:
        model: The model the node stands in.
        folder: The folder its external locations are relative to.
        node: A control-flow node.
        attribute: The attribute that holds the body.
    """
    inner = graph_of(node, attribute)
    if inner is None:
        return None
    flat = onnx.ModelProto()
    flat.CopyFrom(model)
    graph = flat.graph
    place = next(n for n, one in enumerate(graph.node) if tuple(one.output) == node.outputs)
    del graph.node[place]
    if set(_names(graph)) & set(_names(inner)):
        return None
    graph.node.extend(inner.node)
    graph.initializer.extend(inner.initializer)
    graph.sparse_initializer.extend(inner.sparse_initializer)
    return Body(
        node,
        attribute,
        flat,
        folder,
        tuple(value.name for value in inner.input),
        tuple(value.name for value in inner.output),
        tuple(map(_rank, inner.input)),
        frozenset(name for one in inner.node for name in one.output if name),
        constants(flat, folder),
    )


def _names(graph: onnx.GraphProto) -> Iterable[str]:
    """Yield every name that a graph defines."""
    weights = (weight.values.name for weight in graph.sparse_initializer)
    values = (one.name for one in (*graph.input, *graph.initializer))
    given = (name for node in graph.node for name in node.output if name)
    return chain(weights, values, given)


def _rank(value: onnx.ValueInfoProto) -> int | None:
    kind = value.type.tensor_type
    return len(kind.shape.dim) if kind.HasField("shape") else None


def outer_values(body: Body, names: Iterable[str], known: Feeds) -> dict[str, Array]:
    """Return what tensors around a body hold.

    Args:
        body: The body.
        names: Tensors asked about; empty names are left out.
        known: Values of the tensors that are fed.

    Raises:
        RunError: What computes one of them does not run.
    """
    held = {**body.fixed, **known}
    wanted = [name for name in dict.fromkeys(names) if name and name not in held]
    computed = run_region(body.model, body.folder, known, wanted) if wanted else {}
    return {name: (held | computed)[name] for name in names if name}


def scalar(value: object, rank: int | None, dtype: type) -> Array:
    """Return a turn's number or condition in the rank that a body declares."""
    return np.full((1,) * (rank or 0), value, dtype=dtype)
