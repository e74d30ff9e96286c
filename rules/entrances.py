"""Regions that compute alike but are given their input in another order."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from analyzer.core.permutations import is_identity
from analyzer.core.settings import settings
from analyzer.core.types import Array, Aspect, Difference, Fault, Node, Permutation
from rules.regions import RESHAPING

MOST_AXES = 5
"""Rank up to which every order of the axes is tried."""

PRODUCTS = {
    "Gemm": "MatMul",
    "MatMul": "MatMul",
    "Conv": "Conv",
    "ConvTranspose": "ConvTranspose",
}
"""Operators that may hold their bias, and what each is without it."""

BIAS = 2
"""The slot in which they hold it."""


@dataclass(frozen=True, slots=True, eq=False)
class Entrance:
    """The tensor that two like regions read in two orders, as either side holds it.

    Attributes:
        tensor: Name of the target's tensor.
        right: The source's values, one array per recorded sample.
        given: The target's values of the same samples.
        readers: Target node and slot that read it.
        source: The source nodes of the region.
    """

    tensor: str
    right: tuple[Array, ...]
    given: tuple[Array, ...]
    readers: tuple[tuple[Node, int], ...]
    source: tuple[Node, ...]


def entrance(fault: Fault) -> Entrance | None:
    """Return the input of two regions that would compute the same if it lay alike in both.

    Args:
        fault: A fault.

    Returns:
        The input, where both regions hold the same operators, with no difference in any
        setting or weight, and read one tensor, or all others alike: then only the order of
        that input can be at fault.
    """
    if not is_alike(fault):
        return None
    moved = [
        (ours, theirs)
        for ours, theirs in _read_in_pairs(fault)
        if len(fault.target.inputs) == 1 or not _lies_alike(ours, theirs, fault)
    ]
    return _entered(*moved[0], fault) if len(moved) == 1 else None


def _read_in_pairs(fault: Fault) -> tuple[tuple[str, str], ...]:
    """Return what the regions read, by the slots of paired nodes; empty if one is left."""
    ours, theirs = fault.source.inputs, fault.target.inputs
    if len(ours) == len(theirs) == 1:
        return ((ours[0], theirs[0]),)
    nodes = (
        both
        for pair in fault.pairs
        if [node.op for node in pair.source] == [node.op for node in pair.target]
        for both in zip(pair.source, pair.target, strict=True)
    )
    read = {
        (one, other)
        for source, target in nodes
        for one, other in zip(source.inputs, target.inputs, strict=False)
        if one in ours and other in theirs
    }
    whole = sorted(one for one, _ in read) == sorted(ours)
    return tuple(read) if whole and len(read) == len(theirs) else ()


def _lies_alike(ours: str, theirs: str, fault: Fault) -> bool:
    """Return whether an input holds the same values in the same places on every sample."""
    both = [(s.source_inputs.get(ours), s.inputs.get(theirs)) for s in fault.recorded]
    return all(
        one is not None and other is not None and np.array_equal(one, other)
        for one, other in both
    )


def _entered(ours: str, theirs: str, fault: Fault) -> Entrance | None:
    seen = [s for s in fault.recorded if ours in s.source_inputs and theirs in s.inputs]
    readers = readers_of(theirs, fault)
    if not seen or not readers:
        return None
    return Entrance(
        theirs,
        tuple(s.source_inputs[ours] for s in seen),
        tuple(s.inputs[theirs] for s in seen),
        readers,
        fault.source.nodes,
    )


def readers_of(tensor: str, fault: Fault) -> tuple[tuple[Node, int], ...]:
    """Return the nodes of the target's region that read a tensor, each with the slot."""
    return tuple(
        (node, slot)
        for node in fault.target.nodes
        for slot, name in enumerate(node.inputs)
        if name == tensor
    )


def is_alike(fault: Fault) -> bool:
    """Return whether both regions hold the same operators, settings and weights."""
    inside = {node.name for node in fault.target.nodes}
    if any(
        d.target_node is None or (d.target_node.name in inside and not _is_of_layout(d))
        for d in fault.differences
    ):
        return False
    if fault.unpaired_source or fault.unpaired_target:
        return False
    return _operators(fault.source.nodes) == _operators(fault.target.nodes)


def _is_of_layout(difference: Difference) -> bool:
    """Return whether a setting is the same in both files, and differs by the layout alone.

    An axis is compared where the source's lies in the target's layout; in the place where
    that layout is what is wrong, the number that both files hold is the right one.
    """
    ours, theirs = difference.source_node, difference.target_node
    if difference.aspect is not Aspect.ATTRIBUTE or ours is None or theirs is None:
        return False
    held = [settings(node).get(difference.field) for node in (ours, theirs)]
    return held[0] is not None and np.array_equal(np.asarray(held[0]), np.asarray(held[1]))


def _operators(nodes: Sequence[Node]) -> list[str]:
    """Return the operators of a region, a product and its bias in one spelling."""
    return [op for node in nodes if node.op not in RESHAPING for op in _spelled(node)]


def _spelled(node: Node) -> tuple[str, ...]:
    op = PRODUCTS.get(node.op, "")
    if not op:
        return (node.op,)
    return (op, "Add") if BIAS in node.constants else (op,)


def orders(rank: int) -> tuple[Permutation, ...]:
    """Return every order of some axes but their own; none where there are too many."""
    if not 1 < rank <= MOST_AXES:
        return ()
    return tuple(order for order in permutations(range(rank)) if not is_identity(order))


def needed_order(given: Entrance) -> Permutation | None:
    """Return how the target's tensor must be transposed to lie as the source's does.

    Args:
        given: What two like regions read.

    Returns:
        The first order of the axes that fits every sample; None where none does, or where
        the tensor lies right as it is.
    """
    if given.given[0].ndim != given.right[0].ndim:
        return None
    pairs = list(zip(given.given, given.right, strict=True))
    if all(np.array_equal(one, other) for one, other in pairs):
        return None
    fitting = (
        order
        for order in orders(given.given[0].ndim)
        if all(np.array_equal(one.transpose(order), other) for one, other in pairs)
    )
    return next(fitting, None)
