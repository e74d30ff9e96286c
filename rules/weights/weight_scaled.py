"""A trained weight was multiplied by a number.

Cause
    A scale was applied twice or not at all: a batch normalisation folded two times, a
    quantization scale left in or out, an equalisation whose other half was lost.

Evidence
    One number takes the source's weight into the target's, element by element, and the
    region is right with the source's.

Repair
    Copy the source's values in the target's layout.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import onnx

from analyzer.core.types import Aspect, Difference, Fault, FaultClass, Fix
from rules.base import PROVEN, Example, Rule, Spot
from rules.changes import Change, beside, change, undoing
from rules.models import Layer, chain, conv, layer
from rules.patterns import uniform_factor
from rules.sabotage import Victim, spoiled
from rules.wording import named

FACTOR = 0.25
"""What a sabotaged weight is multiplied with."""


@dataclass(frozen=True, slots=True, eq=False)
class Scaled:
    """A weight difference, and the factor between the two."""

    change: Change
    factor: float

    @property
    def spot(self) -> Spot:
        """Where it lies."""
        return self.change.spot


def detect(fault: Fault) -> Scaled | None:
    found = change(fault, lambda difference: _factor(difference) is not None)
    factor = None if found is None else _factor(found.difference)
    return None if found is None or factor is None else Scaled(found, factor)


def explain(cause: Scaled) -> str:
    one = cause.change
    return (
        f"{named(one.node)}: {one.difference.field} is {cause.factor:.6g} times the "
        f"source's, in every element{beside(one)}"
    )


def repair(cause: Scaled) -> Fix | None:
    one = cause.change
    return undoing(f"Undo the factor on {one.difference.field} of {one.node.name}", one)


def sabotage(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto | None:
    return spoiled(model, rng, {"Conv", "Gemm", "MatMul"}, _scale)


def _scale(victim: Victim) -> bool:
    kernel = victim.constant(1)
    if kernel is None or kernel.dtype != np.float32:
        return False
    victim.set_constant(1, kernel * np.float32(FACTOR))
    return True


def _factor(difference: Difference) -> float | None:
    source, target = difference.source, difference.target
    if difference.aspect is not Aspect.WEIGHT or not isinstance(source, np.ndarray):
        return None
    if not isinstance(target, np.ndarray) or source.size < 2:  # noqa: PLR2004 - any two numbers have a ratio
        return None
    return uniform_factor(source, target)


def scaled(one: Layer, factor: float) -> Layer:
    """Return a layer whose kernel is multiplied by a factor."""
    kernel = one.constants[1] * np.float32(factor)
    return Layer(one.op, one.attributes, {**one.constants, 1: kernel})


RULE = Rule(
    slug="weight-scaled",
    fault_class=FaultClass.WEIGHTS_BIASES,
    confidence=PROVEN,
    detect=detect,
    explain=explain,
    repair=repair,
    sabotage=sabotage,
    examples=(
        Example(
            source=partial(chain, conv(), layer("Relu"), conv(4, 2)),
            target=partial(chain, conv(), layer("Relu"), scaled(conv(4, 2), 0.5)),
        ),
    ),
)
