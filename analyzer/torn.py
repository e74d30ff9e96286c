"""The part of a target around a node that stops it, and the source's part for it.

It goes back to the nearest tensors that agree, and on to where the models meet again.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from analyzer.core.graph import node_reads, nodes
from analyzer.core.types import Fault, FaultClass, Node, Pivot, Region
from analyzer.matching.operators import OperatorPair
from analyzer.matching.tensors import Links
from analyzer.measuring import with_measuring
from analyzer.outside import bare_fault
from analyzer.regions import region
from analyzer.view import Operator, View


@dataclass(frozen=True, eq=False)
class Torn:
    """A pair whose target stops.

    Attributes:
        target: The target's pivot.
        left: The source's macro graph.
        right: The target's macro graph.
        links: Tensor pairs by target tensor.
        operators: Operator pairs from weights and structure.
        stopped: Names of the nodes at which the target stops.
    """

    target: Pivot
    left: View
    right: View
    links: Links
    operators: Sequence[OperatorPair]
    stopped: Collection[str]

    @cached_property
    def every(self) -> tuple[Node, ...]:
        """The target's nodes, those that only compute sizes among them."""
        return nodes(self.target.model, self.target.folder)

    @cached_property
    def _partner(self) -> dict[int, Operator]:
        return {both.target: self.left.operators[both.source] for both in self.operators}

    def fault(self, kind: FaultClass, problem: str, node: Node) -> Fault:
        """Return the fault of a stopping node, with the source's nodes for its part.

        Args:
            kind: Whether the target does not load, or does not run.
            problem: The sentence to report.
            node: The node.
        """
        left, links = self.left, self.links
        ours = {link.tensors.source: link.tensors for link in links.values()}
        given, expected = self._meeting(node)
        part = region(self.right, (given,), links.keys())
        twin = region(left, (expected,), ours.keys()) if expected else Region((), (), ())
        twin = with_measuring(left, twin, ours.keys())
        known = {one.op for one in twin.nodes}
        odd = [one for one in part.nodes if one.op not in known] or [node]
        if node not in part.nodes:  # it only computes sizes: what reads it is right
            odd = [node]
        guilty = [name for one in (*odd, node) for name in one.outputs if name]
        edges = {links[name].tensors for name in part.inputs if name in links}
        edges |= {ours[name] for name in (*twin.inputs, *twin.measured) if name in ours}
        return replace(
            bare_fault(kind, problem, nodes=part.nodes, counterparts=twin.nodes),
            source=twin,
            target=replace(part, nodes=(*self._spoilt(node), *part.nodes)),
            guilty=tuple(dict.fromkeys(guilty))[:4],
            edges=tuple(sorted(edges, key=lambda edge: edge.target)),
        )

    def _spoilt(self, node: Node) -> tuple[Node, ...]:
        """Return the nodes that only compute sizes, and cannot any more.

        Left in place, they would stop the target even where nothing reads them.
        """
        reached = set(filter(None, node.outputs))
        found = []
        for one in self.every:
            stops = one.name in self.stopped or not reached.isdisjoint(node_reads(one))
            if stops and not any(name in self.right.giver for name in one.outputs):
                reached.update(filter(None, one.outputs))
                found.append(one)
        return tuple(found)

    def _meeting(self, node: Node) -> tuple[str, str | None]:
        """Return where the models meet again: the target's tensor, and the source's.

        What the node itself should give; else what the first operator behind it should of
        which that is known; else the models' only outputs.
        """
        given = next(name for name in node.outputs if name)
        reached = {given}
        for one in self.every:
            if given not in one.outputs and reached.isdisjoint(one.inputs):
                continue
            reached.update(filter(None, one.outputs))
            end = self._read_of(one)
            expected = self._expected(one, end) if end in self.right.giver else None
            if expected is not None:
                return end, expected
        ends, theirs = self.right.outputs, self.left.outputs
        if len(ends) == len(theirs) == 1 and reached.issuperset(ends):
            return ends[0], theirs[0]
        return given, None

    def _read_of(self, node: Node) -> str:
        """Return the first of what a node gives that anybody reads; else the first."""
        right, names = self.right, [name for name in node.outputs if name]
        read = (name for name in names if right.readers.get(name) or name in right.outputs)
        return next(read, names[0])

    def _expected(self, node: Node, given: str) -> str | None:
        """Return the source tensor that a stopping node should give.

        A tensor of the same name and operator; else what the counterpart of a reader reads;
        else what the node's own counterpart gives.
        """
        left, right = self.left, self.right
        namesake = left.giver.get(given)
        if namesake is not None and namesake.op == node.op:
            return given
        for reader in (one for one in right.nodes if given in one.inputs):
            end = next(name for name in reader.outputs if name)
            macro = self._partner.get(right.owner[end].index)
            slot = reader.inputs.index(given)
            for other in macro.nodes if macro else ():
                read = other.inputs[slot : slot + 1]
                if other.op == reader.op and read != ("",):
                    return next((name for name in read if name in left.giver), None)
        owner = self._partner.get(right.owner[given].index)
        return owner.outputs[-1] if owner else None
