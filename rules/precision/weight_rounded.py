"""A weight was rounded to a narrower number format and stored in a wide one.

Cause
    A quantized model was converted without its quantization: the numbers of eight bits
    stand in float32 tensors, and nothing says so. (Numbers of sixteen bits are taken for
    what they are: drift.)

Evidence
    Rounding the source's weight to the format gives the target's, and the region is right
    with the source's.

Repair
    Copy the source's weight in the target's layout.

Prevention
    Keep a quantized model quantized, or convert it from the weights before quantization.

References:
    https://github.com/onnx/tensorflow-onnx/issues/2394
"""

from functools import partial

import numpy as np
import onnx

from analyzer.core.types import Array, Fault, FaultClass, Fix
from rules.base import PROVEN, Example, Rule
from rules.changes import Damaged, beside, damaged, undoing
from rules.models import Layer, chain, conv, layer, with_kernel
from rules.patterns import rounded_to
from rules.sabotage import Victim, spoiled
from rules.wording import named

LAST_STEP = 127
"""Steps of a signed eight-bit grid on either side of zero."""


def detect(fault: Fault) -> Damaged[str] | None:
    return damaged(fault, _format)


def explain(cause: Damaged[str]) -> str:
    one = cause.change
    return (
        f"{named(one.node)}: {one.difference.field} is the source's rounded to "
        f"{cause.pattern}, though it is stored wider{beside(one)}"
    )


def repair(cause: Damaged[str]) -> tuple[Fix, ...]:
    one = cause.change
    return undoing(f"Restore the full precision of {one.node.name}", one)


def sabotage(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto | None:
    return spoiled(model, rng, {"Conv", "Gemm", "MatMul"}, _round)


def _round(victim: Victim) -> bool:
    kernel = victim.constant(1)
    if kernel is None or kernel.dtype != np.float32:
        return False
    victim.set_constant(1, gridded(kernel))
    return True


def _format(source: Array, target: Array) -> str | None:
    return rounded_to(source, target) if target.dtype == np.float32 else None


def gridded(kernel: Array) -> Array:
    """Return a float32 kernel rounded to an eight-bit grid over its own range."""
    step = np.float32(np.abs(kernel).max() / LAST_STEP)
    return np.round(kernel / step).astype(np.float32) * step


def rounded(one: Layer) -> Layer:
    """Return a layer whose kernel was rounded to an eight-bit grid."""
    kernel = gridded(one.constants[1].astype(np.float32))
    return with_kernel(one, kernel)


RULE = Rule(
    slug="weight-rounded",
    fault_class=FaultClass.DTYPE_PRECISION,
    confidence=PROVEN,
    detect=detect,
    explain=explain,
    repair=repair,
    sabotage=sabotage,
    examples=(
        Example(
            source=partial(chain, conv(3, 16), layer("Relu"), conv(16, 8)),
            target=partial(chain, conv(3, 16), layer("Relu"), rounded(conv(16, 8))),
        ),
    ),
)
