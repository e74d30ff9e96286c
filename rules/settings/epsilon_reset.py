"""A normalisation has another epsilon than it was trained with.

Cause
    The converter left `epsilon` out, so that the runtime uses its own default, or it
    rounded it. Every channel of small variance is scaled wrongly.

Evidence
    The region is right with the source's epsilon; where the source's batch normalisation is
    folded away, the epsilon is solved from the folded kernel.

Repair
    Set the epsilon. Safe: nothing else reads it.

Prevention
    State the epsilon on both sides: Keras batch normalisation takes 1e-3 where nothing is
    said, torch 1e-5.
"""

from functools import partial

import numpy as np
import onnx

from analyzer.core.types import Difference, Fault, FaultClass, Fix
from rules.base import PROVEN, Example, Rule
from rules.changes import Change, beside, change, undoing
from rules.models import batch_norm, chain, conv
from rules.sabotage import Victim, spoiled
from rules.wording import named, shown

ONNX_DEFAULT = 1e-5
NORMALISATIONS = frozenset(
    {
        "BatchNormalization",
        "InstanceNormalization",
        "LayerNormalization",
        "GroupNormalization",
    }
)
COARSER = 100.0
"""Factor on a sabotaged epsilon: it shows where the variance is small."""


def detect(fault: Fault) -> Change | None:
    return change(fault, _is_epsilon)


def explain(cause: Change) -> str:
    one = cause.difference
    default = " (ONNX's default)" if one.target == ONNX_DEFAULT else ""
    return (
        f"{named(cause.node)}: epsilon {shown(one.target)}{default} replaced the trained "
        f"{shown(one.source)}{beside(cause)}"
    )


def repair(cause: Change) -> tuple[Fix, ...]:
    return undoing(f"Restore the trained epsilon of {cause.node.name}", cause)


def sabotage(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto | None:
    return spoiled(model, rng, NORMALISATIONS, _coarsen)


def _coarsen(victim: Victim) -> bool:
    epsilon = float(victim.attribute("epsilon", ONNX_DEFAULT))  # type: ignore[arg-type]  # a FLOAT
    victim.set_attribute("epsilon", epsilon * COARSER)
    return True


def _is_epsilon(difference: Difference) -> bool:
    return difference.field == "epsilon"


RULE = Rule(
    slug="epsilon-reset",
    fault_class=FaultClass.LAYER_HYPERPARAMETERS,
    confidence=PROVEN,
    detect=detect,
    explain=explain,
    repair=repair,
    sabotage=sabotage,
    examples=(
        Example(
            source=partial(chain, conv(), batch_norm(epsilon=1e-3)),
            target=partial(chain, conv(), batch_norm()),
        ),
    ),
)
