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

from functools import partial

import numpy as np
import onnx

from analyzer.core.types import Array, Fault, FaultClass, Fix
from rules.base import PROVEN, Example, Rule
from rules.changes import Damaged, beside, computed_kind, damaged, undoing
from rules.models import Layer, chain, conv, layer, with_kernel
from rules.patterns import uniform_factor
from rules.sabotage import Victim, spoiled
from rules.wording import named

FACTOR = 0.25
"""What a sabotaged weight is multiplied with."""


def detect(fault: Fault) -> Damaged[float] | None:
    return damaged(fault, _factor)


def explain(cause: Damaged[float]) -> str:
    one = cause.change
    return (
        f"{named(one.node)}: {one.difference.field} is {cause.pattern:.6g} times the "
        f"source's, in every element{beside(one)}"
    )


def repair(cause: Damaged[float]) -> tuple[Fix, ...]:
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


def _factor(source: Array, target: Array) -> float | None:
    has_ratio = source.size > 1  # any two single numbers have one
    return uniform_factor(source, target) if has_ratio else None


def scaled(one: Layer, factor: float) -> Layer:
    """Return a layer whose kernel is multiplied by a factor."""
    kernel = one.constants[1] * np.float32(factor)
    return with_kernel(one, kernel)


RULE = Rule(
    slug="weight-scaled",
    fault_class=FaultClass.WEIGHTS_BIASES,
    confidence=PROVEN,
    detect=detect,
    explain=explain,
    repair=repair,
    kind=computed_kind,
    sabotage=sabotage,
    examples=(
        Example(
            source=partial(chain, conv(), layer("Relu"), conv(4, 2)),
            target=partial(chain, conv(), layer("Relu"), scaled(conv(4, 2), 0.5)),
        ),
    ),
)
