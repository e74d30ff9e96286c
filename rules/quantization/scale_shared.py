"""One quantization scale stands where every channel, or every tensor, needs its own.

Cause
    The converter kept one scale of many: a constant ``y_scale`` for every tensor of the
    model, the largest channel's for all channels of a weight, or the first of them.

Evidence
    The stored integers are those of the source's weight under one scale a channel; or a
    tensor's scale is so much too large that its values span but a few steps of the grid;
    and the region is right with scales of its own.

Repair
    Set the scale of each channel, or the tensor's own range.

Prevention
    Quantize weights per channel, and let the converter read the scale of each tensor.

References:
    https://github.com/onnx/tensorflow-onnx/issues/1438
    https://github.com/onnx/tensorflow-onnx/issues/965
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
    put_on_grid,
    regrid,
    regridded,
    scales,
    spoilt,
    store_quantized,
)
from rules.models import Layer, chain, conv, layer, weights, with_kernel
from rules.sabotage import Victim, spoiled
from rules.wording import named

KINDS = frozenset({GridFault.SHARED, GridFault.COARSE})


def detect(fault: Fault) -> Change | None:
    return regridded(fault, KINDS)


def explain(cause: Change) -> str:
    one = grid_change(cause)
    if one.fault is GridFault.SHARED:
        return (
            f"{named(cause.node)}: one {scales(one.wrong)} holds for every channel of "
            f"{one.tensor}; its integers were made with {scales(one.right)}"
        )
    low, high = one.seen
    steps = (high - low) / float(one.wrong.scale.ravel()[0])
    return (
        f"{named(cause.node)}: {one.tensor} is rounded in steps of {scales(one.wrong)}, of "
        f"which the source's values, from {low:.4g} to {high:.4g}, span {steps:.2g}; they "
        f"want {scales(one.right)}"
    )


def repair(cause: Change) -> tuple[Fix, ...]:
    return regrid(cause)


def sabotage(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto | None:
    return spoiled(model, rng, {"Conv", "Gemm"}, _shared)


def _shared(victim: Victim) -> bool:
    return store_quantized(victim, _with_first)


def _with_first(integers: Array, scale: Array) -> tuple[Array, Array]:
    return integers, np.full(1, scale[0])


def _coarse(victim: Victim) -> bool:
    return put_on_grid(victim, 0.0, 2040.0)


def uneven(filters: int = 8) -> Layer:
    """Return a convolution whose channels differ in size by a factor of thirty."""
    one = conv(4, filters)
    sizes = np.geomspace(1.0, 30.0, filters).astype(np.float32)
    return with_kernel(one, weights(filters, 4, 3, 3) * sizes.reshape(-1, 1, 1, 1))


LAYERS: tuple[Layer, ...] = (
    conv(), layer("Relu"), uneven(), layer("Sigmoid"), conv(8, 2),
)  # fmt: skip


RULE = Rule(
    slug="scale-shared",
    fault_class=FaultClass.DTYPE_PRECISION,
    confidence=CERTAIN,
    detect=detect,
    explain=explain,
    repair=repair,
    sabotage=sabotage,
    examples=(
        Example(source=partial(chain, *LAYERS), target=partial(spoilt, LAYERS, 2, _shared)),
        Example(source=partial(chain, *LAYERS), target=partial(spoilt, LAYERS, 3, _coarse)),
    ),
)
