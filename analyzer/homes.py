"""Weights of the target that the source has in another place."""

from collections.abc import Collection, Iterator
from dataclasses import replace

import numpy as np

from analyzer.core.parts import equal
from analyzer.core.places import place_of
from analyzer.core.types import Array, Aspect, Difference, Fault
from analyzer.sides import Side

FEWEST = 4
"""Numbers of a weight from which the same ones elsewhere are no accident."""


def with_homes(fault: Fault, source: Side) -> Fault:
    """Return a fault whose guilty weights say which other layer of the source they are of.

    Args:
        fault: A fault whose differences are tested.
        source: The source.
    """
    found = tuple(_with_home(one, fault, source) for one in fault.differences)
    return replace(fault, differences=found)


def _with_home(difference: Difference, fault: Fault, source: Side) -> Difference:
    wrong = difference.target
    is_weight = difference.aspect is Aspect.WEIGHT and isinstance(wrong, np.ndarray)
    if not is_weight or not fault.is_cured_by(difference):
        return difference
    assert isinstance(wrong, np.ndarray)  # noqa: S101 - tells the type checker
    if wrong.size < FEWEST or not _varies(wrong):
        return difference
    nodes = (difference.source_node,) if difference.jointly else fault.source.nodes
    own = {id(node) for node in nodes}  # weights may be exchanged within a region
    return replace(difference, home=next(_homes(wrong, own, source), ""))


def _varies(weight: Array) -> bool:
    flat = weight.reshape(-1)
    return bool(np.any(flat[1:FEWEST] != flat[0])) or bool(np.any(flat != flat[0]))


def _homes(wrong: Array, own: Collection[int], source: Side) -> Iterator[str]:
    """Yield where the source reads the same numbers; nothing where its own region does."""
    found = [
        (node, slot)
        for node in source.view.nodes
        for slot, array in node.constants.items()
        if _holds(array, wrong)
    ]
    if not any(id(node) in own for node, _ in found):
        yield from (place_of(node, slot) for node, slot in found)


def _holds(array: Array, wrong: Array) -> bool:
    """Return whether two weights hold the same numbers in one order, or one transposed."""
    if array.size != wrong.size or array.dtype.kind != wrong.dtype.kind:
        return False
    ends = array.reshape(-1)[[0, -1]], wrong.reshape(-1)[[0, -1]]
    if not np.array_equal(*ends):
        return False
    turned = array.T if array.ndim == 2 else array  # noqa: PLR2004 - a matrix
    return any(equal(one.reshape(wrong.shape), wrong) for one in (array, turned))
