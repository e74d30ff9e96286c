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

from functools import partial

import numpy as np
import onnx

from analyzer.core.types import Difference, Fault, FaultClass, Fix
from rules.base import PROVEN, Example, Rule
from rules.changes import Change, beside, change, computed_kind, undoing
from rules.models import chain, conv, layer, with_kernel
from rules.sabotage import Victim, spoiled
from rules.wording import named

PARTICULAR = PROVEN + 0.01
"""Confidence: that it is another layer's says more than how the numbers differ."""


def detect(fault: Fault) -> Change | None:
    return change(fault, _is_misplaced)


def explain(cause: Change) -> str:
    one = cause.difference
    own = "" if one.source_node is None else f", not that of {named(one.source_node)}"
    return (
        f"{named(cause.node)}: {one.field} holds what the source reads as {one.home}"
        f"{own}{beside(cause)}"
    )


def repair(cause: Change) -> tuple[Fix, ...]:
    one = cause.difference
    return undoing(f"Give {cause.node.name} its own {one.field}", cause)


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
    explain=explain,
    repair=repair,
    kind=computed_kind,
    sabotage=sabotage,
    examples=(
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
