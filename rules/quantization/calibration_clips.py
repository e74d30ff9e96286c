"""A calibrated range cuts off values that the source really has.

Cause
    The model was calibrated on other inputs than it meets: too few, not preprocessed, or
    with a percentile or an entropy that drops the tail which decides.

Evidence
    More than one in a hundred of the source's own values lie beyond what the grid's scale
    and zero point can hold, which no percentile calibration leaves out; and the region is
    right, as far as eight bits go, with a grid that holds them. A value now and then that
    saturates is drift.

Repair
    Set the scale and the zero point that hold the recorded values with an eighth to spare,
    in all that write and read the tensor; biases that were rounded for the old scale are
    rounded anew.

Prevention
    Calibrate on a few hundred real inputs, preprocessed as at inference.

References:
    https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
"""

from functools import partial

import numpy as np
import onnx

from analyzer.core.grids import GridFault
from analyzer.core.types import Fault, FaultClass, Fix
from rules.base import Example, Rule
from rules.changes import Change
from rules.grids import CERTAIN, grid_change, put_on_grid, regrid, regridded, said, spoilt
from rules.models import Layer, chain, conv, layer
from rules.sabotage import Victim, spoiled
from rules.wording import named

RANGES = {"Sigmoid": (0.0, 0.05), "Tanh": (-0.05, 0.05), "Softmax": (0.0, 0.02)}
"""What is left, in a sabotage, of the range of operators that have one."""


def detect(fault: Fault) -> Change | None:
    return regridded(fault, {GridFault.CLIPS})


def explain(cause: Change) -> str:
    one = grid_change(cause)
    low, high = one.seen
    least, most = one.wrong.ends
    return (
        f"{named(cause.node)}: {said(one.wrong)} hold {least:.4g} to {most:.4g}, the "
        f"source's {one.tensor} reaches from {low:.4g} to {high:.4g}: {one.share:.2%} of "
        f"its values are cut off"
    )


def repair(cause: Change) -> tuple[Fix, ...]:
    return regrid(cause)


def sabotage(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto | None:
    return spoiled(model, rng, RANGES, _clipped)


def _clipped(victim: Victim) -> bool:
    return put_on_grid(victim, *RANGES[victim.node.op_type])


def layers(op: str) -> tuple[Layer, ...]:
    """Return two convolutions with an activation between them."""
    return conv(), layer(op), conv(4, 2)


RULE = Rule(
    slug="calibration-clips",
    fault_class=FaultClass.DTYPE_PRECISION,
    confidence=CERTAIN,
    detect=detect,
    explain=explain,
    repair=repair,
    sabotage=sabotage,
    examples=(
        Example(
            source=partial(chain, *layers("Sigmoid")),
            target=partial(spoilt, layers("Sigmoid"), 1, _clipped),
        ),
        Example(
            source=partial(chain, *layers("Tanh")),
            target=partial(spoilt, layers("Tanh"), 1, _clipped),
        ),
    ),
)
