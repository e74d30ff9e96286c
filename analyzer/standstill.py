"""What a dangling tensor should hold, by the source's tensors."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from analyzer.core.types import Fault, Node, Region
from analyzer.matching.operators import OperatorPair
from analyzer.matching.tensors import Links
from analyzer.measuring import with_measuring
from analyzer.regions import region
from analyzer.view import View


def lost_part(
    severed: Sequence[Node],
    nobody: Collection[str],
    views: tuple[View, View],
    links: Links,
    operators: Sequence[OperatorPair],
) -> tuple[Region, Region, Links] | None:
    """Return what gives a dangling tensor in the source, and its reader in the target.

    Args:
        severed: Target nodes that read what nobody gives.
        nobody: Tensors that nobody gives.
        views: The source's macro graph and the target's.
        links: Tensor pairs by target tensor.
        operators: Operator pairs from weights and structure.
    """
    left, right = views
    ours = {link.tensors.source for link in links.values()}
    for node in severed:
        for name in (one for one in node.inputs if one in nobody):
            wanted = read_instead(name, left, right, operators)
            twin = region(left, (wanted,), ours) if wanted else Region((), (), ())
            twin = with_measuring(left, twin, ours)
            if twin.nodes and ours.issuperset((*twin.inputs, *twin.measured)):
                return twin, Region((node,), (), (name,)), links
    return None


def between(fault: Fault, twin: Region, reader: Region, links: Links) -> Fault:
    """Return a fault with regions that end at a dangling tensor."""
    read = {*twin.inputs, *twin.measured}
    pairs = {link.tensors for link in links.values() if link.tensors.source in read}
    edges = tuple(sorted(pairs, key=lambda edge: edge.target))
    return replace(fault, source=twin, target=reader, edges=edges, results=(), sizes=())


def read_instead(
    given: str, left: View, right: View, operators: Sequence[OperatorPair]
) -> str | None:
    """Return what the counterpart of a tensor's reader reads in its place."""
    partner = {both.target: left.operators[both.source] for both in operators}
    for reader in (one for one in right.nodes if given in one.inputs):
        macro = partner.get(right.owner[next(n for n in reader.outputs if n)].index)
        slot = reader.inputs.index(given)
        for other in macro.nodes if macro else ():
            read = other.inputs[slot : slot + 1]
            if other.op == reader.op and read != ("",):
                return next((n for n in read if n in left.giver), None)
    return None
