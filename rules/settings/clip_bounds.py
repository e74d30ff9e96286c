"""An activation is cut off at another value.

Cause
    The bounds of a Clip, which newer opsets take as constant inputs, were mixed up, lost or
    rounded: a ReLU6 became a ReLU, or clips at another number.

Evidence
    The bounds differ and the region is right with the source's; where the source spells it
    in other operators, the bound with which the region is right is solved for.

Repair
    Set the bounds to the source's.
"""

from functools import partial

import numpy as np
import onnx

from analyzer.core.types import Array, Aspect, Difference, Fault, FaultClass, Fix
from rules.base import PROVEN, Example, Rule
from rules.changes import Change, beside, change, undoing
from rules.models import chain, conv, layer
from rules.sabotage import Victim, spoiled
from rules.wording import named, shown

BOUNDS = {"min": "below", "max": "above"}
LIMITING = {"Min": "above", "Max": "below"}
"""Operators that clip on one side, at their constant."""

NARROWER = 0.25
"""Factor on a sabotaged bound: low enough that ordinary activations reach it."""


def detect(fault: Fault) -> Change | None:
    return change(fault, _is_bound)


def explain(cause: Change) -> str:
    one = cause.difference
    side = BOUNDS.get(one.field) or LIMITING[cause.node.op]
    return (
        f"{named(cause.node)}: clips {side} at {shown(one.target)}, "
        f"the source at {shown(one.source)}{beside(cause)}"
    )


def repair(cause: Change) -> tuple[Fix, ...]:
    return undoing(f"Restore the bound of {cause.node.name}", cause)


def sabotage(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto | None:
    return spoiled(model, rng, {"Clip"}, _narrow)


def _narrow(victim: Victim) -> bool:
    bound = victim.constant(2)
    if bound is None or not bound.any():
        return False
    victim.set_constant(2, np.asarray(bound * NARROWER, dtype=bound.dtype))
    return True


def _is_bound(difference: Difference) -> bool:
    node = difference.target_node
    is_limit = (
        node is not None and node.op in LIMITING and np.asarray(difference.target).size == 1
    )
    return difference.field in BOUNDS or (difference.aspect is Aspect.WEIGHT and is_limit)


def relu6(top: float) -> Array:
    """Return an upper bound as Clip takes it."""
    return np.asarray(top, dtype=np.float32)


RULE = Rule(
    slug="clip-bounds",
    fault_class=FaultClass.LAYER_HYPERPARAMETERS,
    confidence=PROVEN,
    detect=detect,
    explain=explain,
    repair=repair,
    sabotage=sabotage,
    examples=(
        Example(
            source=partial(
                chain, conv(), layer("Clip", relu6(0.0), relu6(0.6)), conv(4, 2)
            ),
            target=partial(
                chain, conv(), layer("Clip", relu6(0.0), relu6(0.1)), conv(4, 2)
            ),
        ),
        Example(
            source=partial(
                chain, conv(), layer("Relu"), layer("Min", relu6(0.6)), conv(4, 2)
            ),
            target=partial(
                chain, conv(), layer("Relu"), layer("Min", relu6(0.1)), conv(4, 2)
            ),
        ),
    ),
)
