"""A weight is that of another layer.

Cause
    Weights were written by their order or their shape and not by their name, two tensors of
    one shape were taken for duplicates and merged, or a shared tensor was overwritten.

Evidence
    The target's weight holds, number by number, what the source reads in another place, and
    the region is right with the weight that the source has in this one.

Repair
    Copy the source's values in the target's layout. Other readers of a shared constant keep
    theirs.

Prevention
    Leave out the pass that merges initializers, and compare tensors by value, not by a hash
    of their shape, before one is dropped.
"""

from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np
import onnx

from analyzer.core.listing import several
from analyzer.core.places import exchanged
from analyzer.core.types import Difference, Fault, FaultClass, Fix
from rules.base import PROVEN, Example, Rule, Spot
from rules.changes import Change, beside, change, computed_kind, undoing
from rules.evidence import blamed
from rules.models import chain, conv, layer, with_kernel
from rules.sabotage import Victim, spoiled
from rules.wording import named

PARTICULAR = PROVEN + 0.01
"""Confidence: that it is another layer's says more than how the numbers differ."""


@dataclass(frozen=True, slots=True, eq=False)
class Misplaced:
    """A weight of another layer; where that layer has this one's, both of them."""

    change: Change
    other: Difference | None
    spot: Spot


def detect(fault: Fault) -> Misplaced | None:
    found = change(fault, _is_misplaced)
    return None if found is None else Misplaced(found, None, found.spot)


def together(fault: Fault) -> Misplaced | None:
    """Return the cause where two layers have each other's weights, and nothing else."""
    joint = tuple(one for one in blamed(fault) if one.jointly)
    moved = [one for one in joint if one.home and one.target_node and one.source_node]
    nodes = {id(one.target_node) for one in joint}
    for one, other in combinations(sorted(moved, key=_size), 2):
        if len(nodes) == len(BOTH) and exchanged(one, other):
            return _exchanged(one, other, joint)
    return None


BOTH = ("first", "second")
"""The two layers, as a sentence calls them."""


def _size(difference: Difference) -> int:
    return -np.size(np.asarray(difference.target))  # the kernel before the bias


def _exchanged(
    one: Difference, other: Difference, joint: tuple[Difference, ...]
) -> Misplaced | None:
    """Return the cause of two layers that have each other's weights."""
    ours = tuple(node for node in (one.source_node, other.source_node) if node)
    theirs = tuple(node for node in (one.target_node, other.target_node) if node)
    spot = Spot(ours, theirs)
    return Misplaced(Change(one, joint, theirs[0], spot), other, spot)


def explain(cause: Misplaced) -> str:
    one = cause.change.difference
    if cause.other is not None:
        return (
            f"{several(map(named, cause.spot.target), ' and ')} have exchanged weights: "
            f"{one.field} of the {BOTH[0]} is {one.home} in the source, "
            f"{cause.other.field} of the {BOTH[1]} is {cause.other.home}"
        )
    own = "" if one.source_node is None else f", not what {named(one.source_node)} reads"
    return (
        f"{named(cause.change.node)}: {one.field} holds what the source reads as {one.home}"
        f"{own}{beside(cause.change)}"
    )


def repair(cause: Misplaced) -> tuple[Fix, ...]:
    one = cause.change
    title = f"Give {one.node.name} its own {one.difference.field}"
    if cause.other is not None:
        both = several((node.name for node in cause.spot.target), " and ")
        title = f"Exchange the weights of {both}"
    return undoing(title, one)


def sabotage(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto | None:
    return spoiled(model, rng, {"Conv", "Gemm", "MatMul"}, _exchange)


def _exchange(victim: Victim) -> bool:
    """Give a node the weight of another node of its kind, of the same shape."""
    own = victim.constant(1)
    if own is None:
        return False
    for node in victim.model.graph.node:
        other = Victim(victim.model, node, victim.rng).constant(1)
        if node.op_type != victim.node.op_type or other is None:
            continue
        if other.shape == own.shape and not np.array_equal(other, own):
            victim.set_constant(1, other)
            return True
    return False


def _is_misplaced(difference: Difference) -> bool:
    return bool(difference.home)


RULE = Rule(
    slug="weight-misplaced",
    fault_class=FaultClass.WEIGHTS_BIASES,
    confidence=PARTICULAR,
    detect=detect,
    together=together,
    explain=explain,
    repair=repair,
    kind=computed_kind,
    sabotage=sabotage,
    examples=(
        Example(
            source=partial(
                chain, conv(3, 3), layer("Relu"), conv(3, 3, seed=5), layer("Tanh")
            ),
            target=partial(
                chain,
                with_kernel(conv(3, 3), conv(3, 3, seed=5).constants[1]),
                layer("Relu"),
                with_kernel(conv(3, 3, seed=5), conv(3, 3).constants[1]),
                layer("Tanh"),
            ),
        ),
        Example(
            source=partial(chain, conv(3, 3), layer("Relu"), conv(3, 3, seed=5)),
            target=partial(
                chain,
                conv(3, 3),
                layer("Relu"),
                with_kernel(conv(3, 3, seed=5), conv(3, 3).constants[1]),
            ),
        ),
    ),
)
