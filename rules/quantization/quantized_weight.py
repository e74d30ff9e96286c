"""The integers of a quantized weight are not the source's under any scale.

Cause
    The bytes were taken for the other signedness, wrapped around instead of saturating,
    transposed, or are another layer's.

Evidence
    No scale and no zero point take the stored integers to the source's weight; and the
    region is right with the source's weight on the same kind of grid.

Repair
    Store the source's weight, rounded to the grid. The model stays quantized.

References:
    https://github.com/onnx/tensorflow-onnx/issues/1719
"""

from functools import partial

import numpy as np
import onnx

from analyzer.core.grids import GridFault
from analyzer.core.types import Array, Fault, FaultClass, Fix
from rules.base import Example, Rule
from rules.changes import Change
from rules.grids import (
    CERTAIN,
    grid_change,
    regrid,
    regridded,
    scales,
    spoilt,
    store_quantized,
)
from rules.models import Layer, chain, conv, layer
from rules.sabotage import Victim, spoiled
from rules.wording import named


def detect(fault: Fault) -> Change | None:
    return regridded(fault, {GridFault.INTEGERS})


def explain(cause: Change) -> str:
    one = grid_change(cause)
    low, high = one.seen
    return (
        f"{named(cause.node)}: {one.share:.1%} of the integers of {one.tensor} are not "
        f"those of the source's weight, from {low:.4g} to {high:.4g}, under "
        f"{scales(one.wrong)} or any other"
    )


def repair(cause: Change) -> tuple[Fix, ...]:
    return regrid(cause)


def sabotage(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto | None:
    return spoiled(model, rng, {"Conv", "Gemm"}, _wrapped)


def _wrapped(victim: Victim) -> bool:
    return store_quantized(victim, _wrap)


def _wrap(integers: Array, scale: Array) -> tuple[Array, Array]:
    return (integers.view(np.uint8) ^ np.uint8(0x80)).view(np.int8), scale


LAYERS: tuple[Layer, ...] = (conv(), layer("Relu"), conv(4, 8), layer("Relu"), conv(8, 2))


RULE = Rule(
    slug="quantized-weight",
    fault_class=FaultClass.DTYPE_PRECISION,
    confidence=CERTAIN,
    detect=detect,
    explain=explain,
    repair=repair,
    sabotage=sabotage,
    examples=(
        Example(
            source=partial(chain, *LAYERS), target=partial(spoilt, LAYERS, 2, _wrapped)
        ),
    ),
)
