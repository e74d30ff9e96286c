"""Orders of axes that follow from what two nodes read, whatever their values are."""

from collections.abc import Mapping
from functools import partial

from analyzer.core.graph import node_reads
from analyzer.core.permutations import composed, inverse
from analyzer.core.types import Node, Permutation, TensorPair
from analyzer.matching.layouts import SAME, Layout, layout_of
from analyzer.view import View
from analyzer.view.absorb import ELEMENTWISE_OPS, SAME_OP

JOINING_OPS = frozenset(
    {"Concat", "Split", "Slice", "Pad", "Softmax", "LogSoftmax", "CumSum"}
    | {"Identity", "Dropout", "Cast"}
)
"""Operators that give their axes in the order in which they read them."""

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


def inherited_layout(
    source: View,
    target: View,
    left: str,
    right: str,
    known: Mapping[str, TensorPair],
    *,
    reach: int = FARTHEST,
) -> Layout | None:
    """Return how a source tensor's axes lie in a target tensor as their givers order them.

    Args:
        source: The source's macro graph.
        target: The target's macro graph.
        left: A source tensor.
        right: A target tensor.
        known: Pairs by target tensor.
        reach: Nodes that may still be walked back.

    Returns:
        A permutation without any reshape; None where the nodes do not tell.
    """
    if right in known and known[right].source == left:
        return layout_of(known[right]) if known[right].shape is None else None
    if left in source.channels_first and right in target.channels_first:
        return SAME
    one, other = source.giver.get(left), target.giver.get(right)
    if not reach or one is None or other is None:
        return None
    back = partial(inherited_layout, source, target, known=known, reach=reach - 1)
    before, after = _perm(one), _perm(other)
    if after is not None:
        return _moved(back(left, other.inputs[0]), None, after)
    if before is not None:
        return _moved(back(one.inputs[0], right), inverse(before), None)
    ours = [name for name in node_reads(one) if name in source.dynamic]
    theirs = [name for name in node_reads(other) if name in target.dynamic]
    keeps = one.op in ELEMENTWISE_OPS | JOINING_OPS and len(ours) == len(theirs)
    both = zip(ours, theirs, strict=True) if keeps and _are_alike(one, other) else ()
    found = {back(a, b) for a, b in both}
    return found.pop() if len(found) == 1 else None


def _moved(
    layout: Layout | None, before: Permutation | None, after: Permutation | None
) -> Layout | None:
    """Return a layout with a Transpose on either side of it."""
    if layout is None:
        return None
    return Layout(composed(before, layout.permutation, after), None)


def _perm(node: Node) -> Permutation | None:
    perm = node.attributes.get("perm") if node.op == "Transpose" else None
    return tuple(int(axis) for axis in perm) if isinstance(perm, tuple) else None
