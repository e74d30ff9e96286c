"""A constant was cut off at what a narrower number format, or a limit, can hold.

Cause
    float16 ends at 65504, and converters to it cut larger constants off, some already at
    10000. A divisor, a mask or an offset is then another number.

Evidence
    The target's constant is the source's with everything beyond one magnitude cut off, and
    the region is right with the source's value, as far as the target's format holds it.

Repair
    Set the constant to the source's value, or to the largest the format holds.
"""

from functools import partial

import numpy as np
import onnx

from analyzer.core.types import Array, Fault, FaultClass, Fix
from rules.base import PROVEN, Example, Rule
from rules.changes import Damaged, beside, damaged, undoing
from rules.models import Layer, chain, conv, layer
from rules.patterns import clipped_at
from rules.sabotage import Victim, spoiled
from rules.wording import named, shown

HALF_MAX = float(np.finfo(np.float16).max)


def detect(fault: Fault) -> Damaged[float] | None:
    return damaged(fault, _limit)


def explain(cause: Damaged[float]) -> str:
    one = cause.change
    return (
        f"{named(one.node)}: {one.difference.field} was cut off at {cause.pattern:g}, the "
        f"source's is {shown(one.difference.source)}{beside(one)}"
    )


def repair(cause: Damaged[float]) -> tuple[Fix, ...]:
    one = cause.change
    return undoing(f"Set {one.difference.field} of {one.node.name} to the source's", one)


def sabotage(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto | None:
    return spoiled(model, rng, {"Mul", "Div", "Add", "Sub", "Conv", "Gemm"}, _clip)


def _clip(victim: Victim) -> bool:
    slot = next(
        (s for s in range(len(victim.node.input)) if victim.constant(s) is not None), -1
    )
    constant = victim.constant(slot) if slot >= 0 else None
    if constant is None or constant.dtype != np.float32:
        return False
    limit = np.float32(np.abs(constant).max() / 4)
    victim.set_constant(slot, np.clip(constant, -limit, limit))
    return bool(0 <= np.abs(constant).min() < limit)  # clipped throughout, it is scaled


def _limit(source: Array, target: Array) -> float | None:
    if source.dtype.kind != "f":
        return None
    is_half = target.dtype == np.float16
    return (
        clipped_at(source, target)
        if is_half or source.size > 1
        else _half_limit(source, target)
    )


def _half_limit(source: Array, target: Array) -> float | None:
    """Return the limit of a single number, where it is one that float16 converters use."""
    limit = clipped_at(source, target)
    return limit if limit in {HALF_MAX, HALF_CAUTIOUS} else None


HALF_CAUTIOUS = 1e4
"""Largest magnitude that onnxconverter-common lets a float16 constant have by default."""


def divided_by(number: float) -> Layer:
    """Return a division by one number."""
    return layer("Div", np.asarray(number, dtype=np.float32))


RULE = Rule(
    slug="constant-clipped",
    fault_class=FaultClass.DTYPE_PRECISION,
    confidence=PROVEN,
    detect=detect,
    explain=explain,
    repair=repair,
    sabotage=sabotage,
    examples=(
        Example(
            source=partial(chain, conv(), divided_by(65535.0), layer("Relu"), conv(4, 2)),
            target=partial(chain, conv(), divided_by(10000.0), layer("Relu"), conv(4, 2)),
        ),
    ),
)
