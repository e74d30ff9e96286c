"""An operator has another setting than the source's.

Cause
    The conversion gave an attribute, or a setting that newer opsets take as an input,
    another value than the source has; or a loop begins with another condition.

Evidence
    The same operator on both sides, one setting differs, and the region is right as soon as
    the target takes the source's value.

Repair
    Copy the source's value, in the target's layout and opset. Safe: nothing else reads it.

References:
    https://github.com/pytorch/pytorch/issues/79361
    https://github.com/onnx/tensorflow-onnx/issues/914
    https://github.com/onnx/tensorflow-onnx/issues/1728
    https://github.com/pytorch/pytorch/issues/17531
"""

from functools import partial

import numpy as np
import onnx

from analyzer.core.types import Aspect, Difference, Fault, FaultClass, Fix
from rules.base import LIKELY, Example, Rule
from rules.changes import Change, beside, change, steered, undoing
from rules.models import chain, conv, layer
from rules.sabotage import Victim, spoiled
from rules.wording import named, shown


def detect(fault: Fault) -> Change | None:
    return change(fault, _is_setting)


def explain(cause: Change) -> str:
    one = cause.difference
    return (
        f"{named(cause.node)}: {steered(one) or one.field} is {shown(one.target)}, "
        f"the source's is {shown(one.source)}{beside(cause)}"
    )


def repair(cause: Change) -> tuple[Fix, ...]:
    return undoing(f"Restore {cause.difference.field} of {cause.node.name}", cause)


def sabotage(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto | None:
    return spoiled(model, rng, {"LeakyRelu", "Elu", "Selu", "HardSigmoid"}, _other_alpha)


def _other_alpha(victim: Victim) -> bool:
    alpha = float(victim.attribute("alpha", 0.01))  # type: ignore[arg-type]  # a FLOAT
    victim.set_attribute("alpha", alpha + 0.25)
    return True


def _is_setting(difference: Difference) -> bool:
    return difference.aspect is Aspect.ATTRIBUTE or bool(steered(difference))


RULE = Rule(
    slug="attribute-differs",
    fault_class=FaultClass.LAYER_HYPERPARAMETERS,
    confidence=LIKELY,
    detect=detect,
    explain=explain,
    repair=repair,
    sabotage=sabotage,
    examples=(
        Example(
            source=partial(chain, conv(), layer("LeakyRelu", alpha=0.3)),
            target=partial(chain, conv(), layer("LeakyRelu", alpha=0.01)),
        ),
        Example(
            source=partial(chain, conv(dilations=(2, 2)), layer("GlobalAveragePool")),
            target=partial(chain, conv(dilations=(1, 1)), layer("GlobalAveragePool")),
        ),
    ),
)
