"""Orders of axes that follow from what two nodes read, whatever their values are."""

from collections.abc import Mapping

from analyzer.core.graph import node_reads
from analyzer.core.types import Node
from analyzer.view import View
from analyzer.view.absorb import SAME_OP

FARTHEST = 12
"""Nodes walked back to tensors whose pairs are known; macro operators are shorter."""


def keeps_order(
    source: View,
    target: View,
    left: str,
    right: str,
    known: Mapping[str, str],
    *,
    reach: int = FARTHEST,
) -> bool:
    """Return whether two tensors have their axes in one order because their givers do.

    The same operators that read the same tensors in one layout give one layout. Where the
    target's values are wrong, nothing else tells the order of axes of equal size.

    Args:
        source: The source's macro graph.
        target: The target's macro graph.
        left: A source tensor.
        right: A target tensor.
        known: Source tensor by target tensor, for the pairs that lie in one layout.
        reach: Nodes that may still be walked back.
    """
    if right in known:
        return known[right] == left
    one, other = source.giver.get(left), target.giver.get(right)
    if one is None or other is None or not reach or not _are_alike(one, other):
        return False
    reads = [name for name in node_reads(one) if name in source.dynamic]
    theirs = [name for name in node_reads(other) if name in target.dynamic]
    if not reads or len(reads) != len(theirs):
        return False
    return all(
        keeps_order(source, target, a, b, known, reach=reach - 1)
        for a, b in zip(reads, theirs, strict=True)
    )


def _are_alike(one: Node, other: Node) -> bool:
    """Return whether two nodes give their axes in one order when they read them in one."""
    same = SAME_OP.get(one.op, one.op) == SAME_OP.get(other.op, other.op)
    return same and one.attributes.get("perm") == other.attributes.get("perm")
