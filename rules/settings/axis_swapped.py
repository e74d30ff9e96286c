"""An operator works along another axis than the source's.

Cause
    The layout changed and an axis was not moved with it, or moved twice; or it is off by
    one. Sizes that happen to be equal hide it from every shape check.

Evidence
    The axis differs once the layouts are laid over each other, and the region is right with
    the source's axis.

Repair
    Set the axis, in the target's layout.

References:
    https://github.com/onnx/onnxmltools/issues/719
    https://github.com/onnx/tensorflow-onnx/issues/1757
    https://github.com/onnx/tensorflow-onnx/issues/1763
    https://github.com/onnx/tensorflow-onnx/issues/400
"""

from functools import partial

import numpy as np
import onnx

from analyzer.core.types import Difference, Fault, FaultClass, Fix
from rules.base import PROVEN, Example, Rule
from rules.changes import Change, beside, change, undoing
from rules.models import chain, conv, dense, layer
from rules.sabotage import Victim, spoiled
from rules.wording import named, shown

AXES = frozenset({"axis", "axes"})


def detect(fault: Fault) -> Change | None:
    return change(fault, _is_axis)


def explain(cause: Change) -> str:
    one = cause.difference
    return (
        f"{named(cause.node)}: works along axis {shown(one.target)}, the source's axis is "
        f"{shown(one.source)} in this layout{beside(cause)}"
    )


def repair(cause: Change) -> tuple[Fix, ...]:
    return undoing(f"Restore the axis of {cause.node.name}", cause)


def sabotage(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto | None:
    return spoiled(model, rng, {"Softmax", "LogSoftmax", "CumSum"}, _next_axis)


def _next_axis(victim: Victim) -> bool:
    axis = int(victim.attribute("axis", -1))  # type: ignore[arg-type]  # an INT
    victim.set_attribute("axis", axis - 1 if axis < 0 else max(axis - 1, 0))
    return victim.node.op_type != "CumSum" and axis != 0


def _is_axis(difference: Difference) -> bool:
    return difference.field in AXES


RULE = Rule(
    slug="axis-swapped",
    fault_class=FaultClass.LAYER_HYPERPARAMETERS,
    confidence=PROVEN,
    detect=detect,
    explain=explain,
    repair=repair,
    sabotage=sabotage,
    examples=(
        Example(
            source=partial(chain, conv(), layer("Softmax", axis=1), conv(4, 2)),
            target=partial(chain, conv(), layer("Softmax", axis=3), conv(4, 2)),
        ),
        Example(
            source=partial(
                chain, conv(), layer("ReduceMean", axes=(2,)), layer("Flatten"), dense(32)
            ),
            target=partial(
                chain, conv(), layer("ReduceMean", axes=(3,)), layer("Flatten"), dense(32)
            ),
        ),
    ),
)
