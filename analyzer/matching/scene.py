"""Both models side by side, and the values that one sample has in either."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analyzer.core.graph import node_reads
from analyzer.core.types import Feeds, Node
from analyzer.matching.inherited import keeps_order
from analyzer.matching.proposals import Proposal
from analyzer.view import INPUT, View
from analyzer.view.absorb import LAYOUT_OPS, label

BIAS = 2
"""Slot in which Gemm, Conv and their kind read what an Add behind them spells out."""


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """Both macro graphs, and the values of one sample on either side."""

    source: View
    target: View
    given: Feeds
    seen: Feeds
    banned: frozenset[tuple[str, str]]

    def fixed(self, left: str, right: str) -> bool:
        """Return whether ONNX itself gives both tensors one order of axes."""
        return left in self.source.channels_first and right in self.target.channels_first

    def keeps_shape(self, left: str, right: str, alike: Mapping[str, str]) -> bool:
        """Return whether two tensors must have one shape, given what their nodes read.

        Joined along the batch, two tensors hold the same numbers as along the channels.
        """
        return (
            operator_of(self.target, right) not in LAYOUT_OPS
            and self.given[left].ndim == self.seen[right].ndim
            and keeps_order(self.source, self.target, left, right, alike)
        )

    def same_op(self, left: str, right: str) -> bool:
        """Return whether operators of one type give both tensors."""
        return operator_of(self.source, left) == operator_of(self.target, right)

    def is_crossed(self, left: str, right: str) -> bool:
        """Return whether a tensor is another node's of a macro operator both sides have.

        A bias of zeros passes on what it reads; the source's sum it is all the same.
        """
        one, other = _maker(self.source, left), _maker(self.target, right)
        if one is None or other is None:
            return False
        ours = {node.op for node in self.source.owner[left].nodes}
        theirs = {node.op for node in self.target.owner[right].nodes}
        if one.op != other.op and one.op in theirs and other.op in ours:
            beside = self.source.owner[left].nodes, self.target.owner[right].nodes
            return not _is_bias_beside(one, other, *beside)
        if label(one) == label(other):
            return BIAS in _own(other, one) and "Add" in ours
        added = BIAS in other.constants and other.op in ours and "Add" not in theirs
        return added and _is_added_to(self.source.owner[left].nodes, left)

    def options(self, proposal: Proposal) -> tuple[str, ...]:
        """Return the source tensors of a proposal that no run and no node has refuted.

        First comes what stands before an operator that stands behind the target tensor: a
        scale may belong to the macro operator on one side alone.
        """
        right = proposal.target
        possible = (
            name
            for name in proposal.options
            if name in self.given and (name, right) not in self.banned
            if not self.is_crossed(name, right)
        )
        behind = _treating(self.target, right)
        return tuple(
            sorted(possible, key=lambda name: not behind & self._inside(proposal, name))
        )

    def _inside(self, proposal: Proposal, left: str) -> frozenset[str]:
        """Return the names of the operators that read a tensor in its macro operator."""
        nodes = self.source.operators[proposal.operators.source].nodes
        return frozenset(node.op for node in nodes if left in node.inputs)


def _is_added_to(nodes: Sequence[Node], name: str) -> bool:
    """Return whether one of a macro operator's nodes adds a constant to a tensor."""
    return any(one.op == "Add" and one.constants and name in one.inputs for one in nodes)


def _is_bias_beside(
    one: Node, other: Node, ours: Sequence[Node], theirs: Sequence[Node]
) -> bool:
    """Return whether one node holds the bias that the other one adds for its own kind."""
    if other.op != "Add":
        one, other, theirs = other, one, ours
    if other.op != "Add" or BIAS not in one.constants:
        return False
    return all(BIAS not in node.constants for node in theirs if node.op == one.op)


def _maker(view: View, tensor: str) -> Node | None:
    """Return the node that computed a tensor's values, layouts aside."""
    return view.giver.get(view.root.get(tensor, tensor))


def _treating(view: View, tensor: str) -> frozenset[str]:
    """Return the operators that read a tensor and nothing else that is computed."""
    return frozenset(
        node.op
        for node in view.readers.get(tensor, ())
        if sum(name in view.dynamic for name in node_reads(node)) == 1
    )


def _own(node: Node, other: Node) -> frozenset[int]:
    """Return the slots in which a node has constants and another one has none."""
    return frozenset(node.constants.keys() - other.constants.keys())


def operator_of(view: View, tensor: str) -> str:
    """Return the type of the operator that gives a tensor; `INPUT` for an input's."""
    return view.giver[tensor].op if tensor in view.giver else INPUT
