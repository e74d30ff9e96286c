"""Integers are taken for floats with another scale or zero point than they were made with.

Cause
    A converter folded, merged or renumbered the parameters of a quantized model: the
    QuantizeLinear and the DequantizeLinear of one tensor no longer agree, a weight is read
    with another layer's scale, a zero point of the other signedness is left in.

Evidence
    A tensor is read otherwise than it was written; or the stored integers are those of the
    source's weight under another scale or zero point, to within the rounding of their grid;
    and the region is right with it, as far as eight bits go. Or a bias has another scale
    than its input's times its weight's, and the model does not run as it is written.

Repair
    Set the scale and the zero point. The integers stay, and the model stays quantized. A
    bias is rounded anew, to the scale that kernels of integers take for granted.

Prevention
    Fold quantizers only together with the operator between them, and keep one scale and one
    zero point for each tensor.

References:
    https://github.com/onnx/tensorflow-onnx/issues/1719
    https://github.com/onnx/tensorflow-onnx/issues/559
"""

from functools import partial

import numpy as np
import onnx

from analyzer.core.grids import GridChange, GridFault
from analyzer.core.types import Array, Fault, FaultClass, Fix
from rules.base import Example, Rule
from rules.changes import Change
from rules.grids import (
    CERTAIN,
    grid_change,
    points,
    regrid,
    regridded,
    said,
    scales,
    spoilt,
    store_quantized,
)
from rules.models import Layer, chain, conv, layer
from rules.sabotage import Victim, spoiled
from rules.wording import named

KINDS = frozenset(
    {GridFault.MISREAD, GridFault.SCALE, GridFault.ZERO_POINT, GridFault.BIAS}
)


def detect(fault: Fault) -> Change | None:
    return regridded(fault, KINDS)


def explain(cause: Change) -> str:
    one = grid_change(cause)
    low, high = one.seen
    if one.fault is GridFault.MISREAD:
        return (
            f"{named(cause.node)}: {one.tensor} is quantized with {said(one.right)} on one "
            f"side and {said(one.wrong)} on the other; with the former on both it is right"
        )
    if one.fault is GridFault.ZERO_POINT:
        return (
            f"{named(cause.node)}: {one.tensor} has {points(one.wrong)}, where the "
            f"source's values, from {low:.4g} to {high:.4g}, want {points(one.right)}: "
            f"{one.share:.2%} of the numbers are wrong"
        )
    if one.fault is GridFault.BIAS:
        return (
            f"{named(cause.node)}: the bias {one.tensor}, from {low:.4g} to {high:.4g}, is "
            f"written with {scales(one.wrong)}; a kernel of integers takes it times "
            f"{scales(one.right)}, its input's times its weight's{_others(one)}"
        )
    return (
        f"{named(cause.node)}: the integers of {one.tensor} are taken times "
        f"{scales(one.wrong)}, and are the source's weight times {scales(one.right)}"
    )


def _others(one: GridChange) -> str:
    """Return, as the end of a sentence, how many more biases are off."""
    count = len({setting.node.name for setting in one.settings}) - 1
    return f"; so are {count} more of the model's biases" if count else ""


def repair(cause: Change) -> tuple[Fix, ...]:
    return regrid(cause)


def sabotage(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto | None:
    return spoiled(model, rng, {"Conv", "Gemm", "MatMul"}, _misread)


def _misread(victim: Victim) -> bool:
    return store_quantized(victim, lambda integers, scale: (integers, scale * FACTOR))


FACTOR = np.float32(1.5)
"""What a sabotaged scale is multiplied with."""


def _shifted(integers: Array, scale: Array) -> tuple[Array, Array]:
    return np.clip(integers.astype(np.int32) // 2 + 30, -128, 127).astype(
        np.int8
    ), scale * 2


LAYERS: tuple[Layer, ...] = (conv(), layer("Relu"), conv(4, 8), layer("Relu"), conv(8, 2))


RULE = Rule(
    slug="quantization-scale",
    fault_class=FaultClass.DTYPE_PRECISION,
    confidence=CERTAIN,
    detect=detect,
    explain=explain,
    repair=repair,
    sabotage=sabotage,
    examples=(
        Example(
            source=partial(chain, *LAYERS), target=partial(spoilt, LAYERS, 2, _misread)
        ),
        Example(
            source=partial(chain, *LAYERS),
            target=partial(
                spoilt, LAYERS, 2, lambda victim: store_quantized(victim, _shifted)
            ),
        ),
    ),
)
