"""A sequence comes out back to front.

Cause
    Frameworks disagree on the order in which a backward recurrence gives its results, and on
    what a reversed sum or a negative step means. The flip that makes up for it is missing.

Evidence
    What came out, reversed along one axis, is what should have come out, on every sample.

Repair
    Reverse the axis.
"""

from functools import partial

import numpy as np
import onnx

from dataclasses import dataclass

from analyzer.core.types import Array, Fault, FaultClass, Fix, InsertNode, Sample
from rules.base import PROVEN, Example, Rule, Spot
from rules.evidence import fits, results
from rules.models import axes, chain, conv, layer
from rules.regions import producers

TO_THE_START = int(np.iinfo(np.int64).min) + 1
"""An end before any beginning, as Slice wants it for a negative step."""

ONE_SLICE_OPSET = 10
"""From here a Slice takes its steps as an input; before, it has none."""


@dataclass(frozen=True, slots=True, eq=False)
class Reversed:
    """A tensor that is reversed along an axis."""

    tensor: str
    axis: int
    opset: int
    spot: Spot


def detect(fault: Fault) -> Reversed | None:
    name = fault.target.outputs[0] if len(fault.target.outputs) == 1 else ""
    rank = next((array.ndim for n, array, _ in results(fault) if n == name), 0)
    axis = next((a for a in range(rank) if fits(fault, _flipped(a), name)), None)
    giver = producers(fault.target.nodes).get(name)
    if axis is None or giver is None:
        return None
    return Reversed(name, axis, giver.opset, Spot(fault.source.nodes[-1:], fault.target.nodes[-2:][::-1]))


def explain(cause: Reversed) -> str:
    return f"{cause.tensor}: comes out back to front along axis {cause.axis}"


def repair(cause: Reversed) -> Fix | None:
    if cause.opset < ONE_SLICE_OPSET:
        return None
    steps = {1: axes(-1), 2: axes(TO_THE_START), 3: axes(cause.axis), 4: axes(-1)}
    edit = InsertNode(cause.tensor, "Slice", {}, steps)
    return Fix(f"Reverse {cause.tensor} along axis {cause.axis}", (edit,))


def _flipped(axis: int):  # type: ignore[no-untyped-def]  # a hypothesis, see `fits`
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
                chain, conv(), layer("Relu"), layer("Slice", axes(-1), axes(TO_THE_START), axes(2), axes(-1)),
            ),
            target=partial(chain, conv(), layer("Relu")),
        ),
    ),
)
