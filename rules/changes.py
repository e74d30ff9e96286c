"""Causes that are one difference: what most rules detect, say and undo alike."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from analyzer.core.changes import undone
from analyzer.core.listing import several
from analyzer.core.types import (
    Array,
    Aspect,
    Difference,
    Fault,
    FaultClass,
    Fix,
    Node,
    Safety,
)
from rules.base import Spot
from rules.evidence import SIMPLEST_FIRST, blamed, first
from rules.wording import shown


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """A difference that cures its region, and what must be undone with it.

    Attributes:
        difference: The one the rule speaks of.
        together: Everything of the same node that only together cures the region.
        node: The target node it lies in.
        spot: The same with its counterpart.
        origin: The node at which a weight goes wrong that the target's file computes.
    """

    difference: Difference
    together: tuple[Difference, ...]
    node: Node
    spot: Spot
    origin: Node | None = None


STEERING = {0: "the number of turns", 1: "the condition"}
"""What a Loop reads first: it says how often, not with what."""


def steered(difference: Difference) -> str:
    """Return what a constant decides that is no weight; empty for any other difference."""
    node, held = difference.target_node, difference.target
    if difference.aspect is not Aspect.WEIGHT or node is None:
        return ""
    if node.op == "Loop":
        return STEERING.get(difference.slot, "")
    flags = isinstance(held, np.ndarray) and held.dtype == np.bool_
    return difference.field if flags else ""


LAYING_OUT = frozenset({"Transpose", "Reshape"})
"""Operators that give their operand's numbers in another shape or order."""


def computed_kind(fault: Fault) -> FaultClass | None:
    """Return the class of a weight that the file puts together wrongly of right parts.

    No trained number is wrong then; what computes with them is.

    Args:
        fault: The fault.

    Returns:
        The class by the operators at which the weights go wrong; None where none does.
    """
    operators = {one.node.op for one in fault.origins}
    if not operators:
        return None
    laid = operators <= LAYING_OUT
    return FaultClass.TENSOR_SHAPE_STRUCTURE if laid else FaultClass.COMPUTATIONAL_GRAPH


PatternT = TypeVar("PatternT")

FOLLOWING = frozenset({"pads", "auto_pad"})
"""Settings that follow from an operator's others."""


@dataclass(frozen=True, slots=True, eq=False)
class Damaged(Generic[PatternT]):
    """A weight that was damaged in a way that has a pattern.

    Attributes:
        change: The difference of weights.
        pattern: What the rule reads in it.
    """

    change: Change
    pattern: PatternT

    @property
    def spot(self) -> Spot:
        """Where it lies."""
        return self.change.spot


def damaged(
    fault: Fault, read: Callable[[Array, Array], PatternT | None]
) -> Damaged[PatternT] | None:
    """Return the first curing difference of weights in which a pattern can be read.

    Args:
        fault: The fault.
        read: Gives the pattern that takes the source's weight, in the target's layout, into
            the target's, or None.
    """
    found = change(fault, lambda one: _pattern(one, read) is not None)
    seen = None if found is None else _pattern(found.difference, read)
    return None if found is None or seen is None else Damaged(found, seen)


def _pattern(
    difference: Difference, read: Callable[[Array, Array], PatternT | None]
) -> PatternT | None:
    """Return what is read in a difference of two weights; None for any other difference."""
    source, target = difference.source, difference.target
    if difference.aspect is not Aspect.WEIGHT:
        return None
    if not isinstance(source, np.ndarray) or not isinstance(target, np.ndarray):
        return None
    return read(source, target)


def change(fault: Fault, wanted: Callable[[Difference], bool]) -> Change | None:
    """Return the first curing difference of a kind, as a cause.

    Args:
        fault: The fault.
        wanted: Tells the differences that the rule speaks of.
    """
    cures = blamed(fault)
    found = first(cures, lambda one: wanted(one) and _is_leading(one, cures))
    if found is None or found.target_node is None:
        return None
    joint = _joint(found, cures)
    source = (found.source_node,) if found.source_node is not None else ()
    spot = Spot(source, (found.target_node,))
    place = found.target_node.name, found.slot
    made = (one.node for one in fault.origins if (one.reader, one.slot) == place)
    return Change(found, joint, found.target_node, spot, next(made, None))


def _is_leading(difference: Difference, cures: Sequence[Difference]) -> bool:
    """Return whether a joint cause is named after this one: setting or largest weight.

    Another dilation takes another padding with it, never the other way round.
    """
    joint = _joint(difference, cures)
    first_of_all = min(
        joint,
        key=lambda one: (
            SIMPLEST_FIRST.index(one.aspect),
            one.field in FOLLOWING,
            -np.size(_values(one)),
        ),
    )
    return difference.target_node is not None and first_of_all is difference


def _joint(difference: Difference, cures: Sequence[Difference]) -> tuple[Difference, ...]:
    """Return what must be undone together with a difference, itself included."""
    if not difference.jointly:
        return (difference,)
    node = difference.target_node
    return tuple(one for one in cures if one.jointly and one.target_node is node)


def _values(difference: Difference) -> Array:
    found = difference.target
    return found if isinstance(found, np.ndarray) else np.zeros(())


def undoing(title: str, cause: Change) -> tuple[Fix, ...]:
    """Return the fix that gives the target the source's values; none where no edit can.

    Args:
        title: What the fix does, in the imperative.
        cause: The difference, and those that go with it.
    """
    edits = tuple(edit for difference in cause.together for edit in undone(difference))
    return (Fix(title, edits, Safety.SAFE),) if edits else ()


def beside(cause: Change) -> str:
    """Return, as the end of a sentence, where it comes from and what goes with it."""
    others = [one for one in cause.together if one is not cause.difference]
    said = (f"{one.field} {shown(one.target)} for {shown(one.source)}" for one in others)
    with_others = f"; together with {several(said)}" if others else ""
    if cause.origin is None:
        return with_others
    made = next(name for name in cause.origin.outputs if name)
    place = f"{cause.origin.op} {made}"
    return f"; the file computes it, and goes wrong at {place}{with_others}"
