"""A frozen TensorFlow graph, and which of its nodes stand behind each node of its pivot."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import tensorflow as tf

from analyzer.core.types import Array, Node
from rewriter.export.layouts import holders

ADDED = re.compile(r"(:\d+|__\d+|_Gemm|_Concat)$")
"""What tf2onnx appends to a node's name for the tensors and nodes that it makes of it."""

PASSING = frozenset(
    {
        "Identity",
        "NoOp",
        "ReadVariableOp",
        "StopGradient",
        "IdentityN",
        "Squeeze",
        "Reshape",
    }
)
"""What may stand between a constant and the operator that it serves."""

KINDS: Mapping[str, frozenset[str]] = {
    "Conv": frozenset({"Conv2D", "DepthwiseConv2dNative", "Conv3D"}),
    "ConvTranspose": frozenset({"Conv2DBackpropInput", "Conv3DBackpropInputV2"}),
    "MaxPool": frozenset({"MaxPool", "MaxPoolV2", "MaxPool3D"}),
    "AveragePool": frozenset({"AvgPool", "AvgPool3D"}),
    "MatMul": frozenset({"MatMul", "BatchMatMulV2", "BatchMatMul", "Einsum"}),
    "Gemm": frozenset({"MatMul"}),
}
"""What a node whose own name was lost, or is that of what was folded into it, can be."""

NEAR = 6
"""Operators that tf2onnx folds into one, at most: a convolution and what shifts it."""


@dataclass(frozen=True, eq=False)
class GraphView:
    """A frozen graph, looked at beside its pivot.

    Attributes:
        graph: The ``GraphDef``; all that it captured is constant.
        ends: The graph's tensor behind each input and output of the pivot.
    """

    graph: Any
    ends: Mapping[str, str]

    @cached_property
    def nodes(self) -> dict[str, Any]:
        """Each node by name."""
        return {node.name: node for node in self.graph.node}

    @cached_property
    def taken(self) -> set[str]:
        """Every name that a new node cannot have; it grows with them."""
        return set(self.nodes)

    @cached_property
    def constants(self) -> dict[str, Array]:
        """The value of each constant, by node."""
        return {
            node.name: tf.make_ndarray(node.attr["value"].tensor)
            for node in self.graph.node
            if node.op == "Const"
        }

    @cached_property
    def readers(self) -> dict[str, list[tuple[str, int]]]:
        """Who reads each node, as name and slot."""
        found: dict[str, list[tuple[str, int]]] = {}
        for node in self.graph.node:
            for slot, name in enumerate(node.input):
                if not name.startswith("^"):
                    found.setdefault(node_of(name), []).append((node.name, slot))
        return found

    @cached_property
    def shapes(self) -> dict[str, Any]:
        """The shape and dtype of what each node gives first."""
        with tf.Graph().as_default() as scratch:
            tf.import_graph_def(self.graph, name="")
        return {one.name: one.outputs[0] for one in scratch.get_operations() if one.outputs}

    def origin(self, name: str) -> str:
        """Return the node that a pivot's node or tensor is named after, or nothing."""
        name = self.ends.get(name, name)
        while name not in self.nodes and ADDED.search(name):
            name = ADDED.sub("", name)
        return name if name in self.nodes else ""

    def giver(self, node: Node) -> str:
        """Return the graph's node that gives what a pivot's node gives, or nothing.

        Args:
            node: Of the imported pivot.
        """
        named = self.origin(node.outputs[0]) or self.origin(node.name)
        while named and self.nodes[named].op in {"Identity", "IdentityN"}:
            named = node_of(self.nodes[named].input[0])
        owner = self.owner(node)
        if named and (not owner or named in self.below(owner)):
            return named
        return self._shifted(owner, node) if owner else ""

    def owner(self, node: Node) -> str:
        """Return the graph's node that does what a pivot's node does, or nothing.

        A convolution may bear the name of the addition behind it, or a new one; then it is
        the one of its kind that reads its weight, known by the exact value.

        Args:
            node: Of the imported pivot.
        """
        kinds = KINDS.get(node.op)
        names = [self.origin(name) for name in (node.name, node.outputs[0])]
        named = next(filter(None, names), "")
        if named and (kinds is None or self.nodes[named].op in kinds):
            return named
        for name in self._above(named) if named and kinds else ():
            if self.nodes[name].op in (kinds or ()):
                return name
        return self._of_weight(node, kinds) if kinds else ""

    def served(self, constant: str) -> Iterator[str]:
        """Yield the operators that read a constant, through what only passes it on."""
        for name, _ in self.readers.get(constant, ()):
            if self.nodes[name].op in PASSING:
                yield from self.served(name)
            else:
                yield name

    def below(self, name: str) -> set[str]:
        """Return a node and the few behind it."""
        found, last = {name}, {name}
        for _ in range(NEAR):
            last = {reader for one in last for reader, _ in self.readers.get(one, ())}
            found |= last
        return found

    def _above(self, name: str) -> Iterator[str]:
        """Yield the few nodes before one, along its first input."""
        for _ in range(NEAR):
            reads = data(self.nodes[name])
            if not reads:
                return
            name = node_of(reads[0])
            yield name

    def _of_weight(self, node: Node, kinds: frozenset[str] | None) -> str:
        found = {
            name
            for value in node.constants.values()
            if value.ndim > 1
            for constant in holders(self.constants, value)
            for name in self.served(constant)
            if self.nodes[name].op in (kinds or ())
        }
        return found.pop() if len(found) == 1 else ""

    def _shifted(self, owner: str, node: Node) -> str:
        """Return the addition behind an operator that has one of the node's constants."""
        for value in node.constants.values():
            for constant in holders(self.constants, value):
                for name in self.served(constant):
                    if name != owner and name in self.below(owner):
                        return name
        return owner


def node_of(tensor: str) -> str:
    """Return the node that a tensor of a ``GraphDef`` is of."""
    return tensor.removeprefix("^").partition(":")[0]


def data(node: Any) -> Sequence[str]:
    """Return what a node reads, control edges left out."""
    return [name for name in node.input if not name.startswith("^")]
