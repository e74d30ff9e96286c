"""A sequence comes out back to front.

Cause
    Frameworks disagree on the order in which a backward recurrence gives its results, and
    on what a reversed sum or a negative step means. The flip that makes up for it is
    missing.

Evidence
    What came out, reversed along one axis, is what should have come out, on every sample.

Repair
    Reverse the axis.

Safety
    Below opset 10 a Slice has no steps, and the Gather in its place fixes the axis's size.

References:
    https://github.com/apache/tvm/issues/18135
    https://github.com/onnx/keras-onnx/issues/89
"""

from dataclasses import dataclass
from functools import partial

import numpy as np

from analyzer.core.types import Array, Fault, FaultClass, Fix, InsertNode, Safety, Sample
from rules.base import PROVEN, Example, Rule, Spot
from rules.evidence import Hypothesis, fits, results
from rules.models import axes, chain, conv, layer
from rules.regions import producers

TO_THE_START = int(np.iinfo(np.int64).min) + 1
"""An end before any beginning, as Slice wants it for a negative step."""

STEPS_OPSET = 10
"""From here a Slice has steps; before, a Gather of as many indices as were seen must do."""


@dataclass(frozen=True, slots=True, eq=False)
class Reversed:
    """A tensor that is reversed along an axis of some size."""

    tensor: str
    axis: int
    size: int
    opset: int
    spot: Spot


def detect(fault: Fault) -> Reversed | None:
    name = fault.target.outputs[0] if len(fault.target.outputs) == 1 else ""
    rank = next((array.ndim for n, array, _ in results(fault) if n == name), 0)
    axis = next((a for a in range(rank) if fits(fault, _flipped(a), name)), None)
    giver = producers(fault.target.nodes).get(name)
    if axis is None or giver is None:
        return None
    guilty = fault.unpaired_target or (giver,)
    size = int(next(array.shape[axis] for n, array, _ in results(fault) if n == name))
    return Reversed(name, axis, size, giver.opset, Spot(fault.unpaired_source, guilty))


def explain(cause: Reversed) -> str:
    return f"{cause.tensor}: comes out back to front along axis {cause.axis}"


def repair(cause: Reversed) -> tuple[Fix, ...]:
    title = f"Reverse {cause.tensor} along axis {cause.axis}"
    if cause.opset < STEPS_OPSET:
        order = np.arange(cause.size, dtype=np.int64)[::-1].copy()
        edit = InsertNode(cause.tensor, "Gather", {"axis": cause.axis}, {1: order})
        return (Fix(title, (edit,), Safety.UNSAFE),)
    steps = {1: axes(-1), 2: axes(TO_THE_START), 3: axes(cause.axis), 4: axes(-1)}
    edit = InsertNode(cause.tensor, "Slice", {}, steps)
    return (Fix(title, (edit,)),)


def _flipped(axis: int) -> Hypothesis:
    def hypothesis(observed: Array, sample: Sample) -> Array:
        del sample
        return np.flip(observed, axis)

    return hypothesis


RULE = Rule(
    slug="order-reversed",
    fault_class=FaultClass.COMPUTATIONAL_GRAPH,
    confidence=PROVEN,
    detect=detect,
    explain=explain,
    repair=repair,
    examples=(
        Example(
            source=partial(
                chain,
                conv(),
                layer("Relu"),
                layer("Slice", axes(-1), axes(TO_THE_START), axes(2), axes(-1)),
            ),
            target=partial(chain, conv(), layer("Relu")),
        ),
    ),
)
