"""The target expects the channels of its input in reverse order.

Cause
    One framework reads images as RGB, another as BGR, and the exchange was folded into the
    first weights, or lost.

Evidence
    The first weights are the source's with their input channels reversed, and the region is
    right with the source's.

Repair
    Reverse the channels of the first weights; or reverse those of the input.

Prevention
    Feed both models from one function that reads images, and say its channel order.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import onnx

from analyzer.core.types import Array, Fault, FaultClass, Fix, InsertNode
from rules.base import PROVEN, Example, Rule, Spot
from rules.changes import Change, beside, damaged, undoing
from rules.models import Layer, chain, conv, layer, with_kernel
from rules.patterns import same
from rules.regions import computed_inputs
from rules.sabotage import Victim, spoiled
from rules.wording import named

FURTHER = 0.01
"""Confidence by which a change at the model's input outranks the same change elsewhere."""


@dataclass(frozen=True, slots=True, eq=False)
class Mirrored:
    """The first weights, whose input channels are reversed, and the input they read."""

    change: Change
    tensor: str
    channels: int
    spot: Spot


def detect(fault: Fault) -> Mirrored | None:
    found = damaged(fault, _mirrored_channels)
    if found is None:
        return None
    tensor = computed_inputs(found.change.node)[0]
    given = {name: node for node in fault.target.nodes for name in node.outputs}
    while tensor in given and given[tensor].op == "Transpose":
        tensor = given[tensor].inputs[0]
    if tensor not in fault.entries:
        return None
    return Mirrored(found.change, tensor, found.pattern, found.spot)


def explain(cause: Mirrored) -> str:
    one = cause.change
    return (
        f"{cause.tensor}: {named(one.node)} takes its {cause.channels} channels in reverse "
        f"order (BGR for RGB){beside(one)}"
    )


def repair(cause: Mirrored) -> tuple[Fix, ...]:
    one, node = cause.change, cause.change.node
    order = np.arange(cause.channels, dtype=np.int64)[::-1].copy()
    reads = computed_inputs(node)[0]
    readers = ((node.name, node.inputs.index(reads)),)
    edit = InsertNode(reads, "Gather", {"axis": 1}, {1: order}, readers)
    return (
        *undoing(f"Let {node.name} take the channels in the source's order", one),
        Fix(f"Reverse the channels of {cause.tensor}", (edit,)),
    )


def sabotage(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto | None:
    names = {value.name for value in model.graph.input}

    def mirror(victim: Victim) -> bool:
        kernel = victim.constant(1)
        if victim.node.input[0] not in names or kernel is None or kernel.shape[1] < 2:  # noqa: PLR2004 - one channel has no order
            return False
        victim.set_constant(1, np.ascontiguousarray(kernel[:, ::-1]))
        return True

    return spoiled(model, rng, {"Conv"}, mirror)


def _mirrored_channels(source: Array, target: Array) -> int | None:
    """Return the number of input channels of a convolution that reads them in reverse."""
    if source.ndim < 3 or source.shape[1] < 2:  # noqa: PLR2004 - a kernel; one channel has no order
        return None
    return source.shape[1] if same(source[:, ::-1], target) else None


def mirrored(one: Layer) -> Layer:
    """Return a convolution whose input channels are reversed."""
    kernel = np.ascontiguousarray(one.constants[1][:, ::-1])
    return with_kernel(one, kernel)


RULE = Rule(
    slug="input-channels-reversed",
    fault_class=FaultClass.PREPROCESSING,
    confidence=PROVEN + FURTHER,
    detect=detect,
    explain=explain,
    repair=repair,
    sabotage=sabotage,
    examples=(
        Example(
            source=partial(chain, conv(), layer("Relu")),
            target=partial(chain, mirrored(conv()), layer("Relu")),
        ),
    ),
)
