"""Normalisations that the source folds into a weight, and that the target does not hold."""

from dataclasses import dataclass

import numpy as np

from analyzer.core.changes import undone
from analyzer.core.types import Array, Aspect, Difference, Edit, Fault, Node
from rules.evidence import blamed
from rules.patterns import same

LINEAR = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
"""Operators that a normalisation folds into."""

LEAST = 3
"""Channels from which factors that are all different are no accident."""

NEAR_ONE = 1e-3
"""A factor closer to one than this is none: that channel is as the source has it."""


@dataclass(frozen=True, slots=True, eq=False)
class Unfolded:
    """A weight that lacks one factor per channel.

    Attributes:
        node: The target node that reads it.
        source: Its counterpart.
        nodes: Every target node that the normalisation lies in.
        factors: What each channel lacks, float64.
        edits: What folds it in again.
    """

    node: Node
    source: Node
    nodes: tuple[Node, ...]
    factors: Array
    edits: tuple[Edit, ...]


def unfolded(fault: Fault) -> Unfolded | None:
    """Return the weight that lacks a normalisation; None where none does.

    A weight alone may be scaled channel by channel for another reason; here the bias
    differs with it, and by something else than those factors.

    Args:
        fault: A fault.
    """
    joint = [one for one in blamed(fault) if one.jointly and one.aspect is Aspect.WEIGHT]
    for one in joint:
        factors = _factors(one)
        if factors is None or one.target_node is None or one.source_node is None:
            continue
        shifts = [other for other in joint if other is not one]
        if not shifts or any(_is_scaled(shift, factors) for shift in shifts):
            continue
        named = {d.target_node.name: d.target_node for d in joint if d.target_node}
        edits = tuple(edit for each in joint for edit in undone(each))
        beside = (node for node in named.values() if node is not one.target_node)
        nodes = (one.target_node, *beside)
        return Unfolded(one.target_node, one.source_node, nodes, factors, edits)
    return None


def _factors(difference: Difference) -> Array | None:
    """Return the factors, along an axis, between the weights of a linear operator."""
    ours, theirs, node = difference.source, difference.target, difference.target_node
    if node is None or node.op not in LINEAR or difference.slot != 1:
        return None
    if not isinstance(ours, np.ndarray) or not isinstance(theirs, np.ndarray):
        return None
    if ours.shape != theirs.shape:
        return None
    found = (_along(axis, ours, theirs) for axis in range(ours.ndim))
    return next((factors for factors in found if factors is not None), None)


def _along(axis: int, ours: Array, theirs: Array) -> Array | None:
    right, wrong = (np.moveaxis(one, axis, 0).astype(np.float64) for one in (ours, theirs))
    rows = right.reshape(len(right), -1), wrong.reshape(len(wrong), -1)
    single = rows[0].shape[1] == 1  # any two single numbers have a ratio
    if single or len(right) < LEAST:
        return None
    power = np.sum(rows[1] ** 2, axis=1)
    if not power.all():
        return None
    factors = np.asarray(np.sum(rows[0] * rows[1], axis=1) / power)
    several = len(np.unique(factors.round(6))) == len(factors)
    telling = several and bool((np.abs(factors - 1) > NEAR_ONE).all())
    scaled = (rows[1] * factors[:, None]).astype(np.float32)
    return factors if telling and same(rows[0].astype(np.float32), scaled) else None


def _is_scaled(difference: Difference, factors: Array) -> bool:
    """Return whether a bias differs by the very factors of its weight."""
    ours, theirs = difference.source, difference.target
    if not isinstance(ours, np.ndarray) or not isinstance(theirs, np.ndarray):
        return False
    if ours.size != factors.size or theirs.size != factors.size:
        return False
    return same(ours.reshape(-1), (theirs.reshape(-1) * factors).astype(ours.dtype))
