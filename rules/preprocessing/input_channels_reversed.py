"""The target expects the channels of its input in another order.

Cause
    One framework reads images as RGB, another as BGR, and the exchange was folded into the
    first weights, or lost.

Evidence
    The first weights are the source's with their input channels reversed or in another
    order, and the region is right with the source's.

Repair
    Put the channels of the first weights in the source's order; or those of the input.

Prevention
    Feed both models from one function that reads images, and say its channel order.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import onnx

from analyzer.core.listing import several
from analyzer.core.types import Array, Fault, FaultClass, Fix, InsertNode
from rules.base import PROVEN, Example, Rule, Spot
from rules.changes import Change, beside, damaged, undoing
from rules.models import Layer, chain, conv, layer, with_kernel
from rules.patterns import same
from rules.regions import computed_inputs
from rules.sabotage import Victim, spoiled
from rules.wording import named

BLUE_FIRST = (2, 1, 0)
"""The order of three channels in which images are read as BGR instead of RGB."""

MOST_CHANNELS = 64
"""Channels of an input that are looked for one by one; more belong to no image."""

FURTHER = 0.01
"""Confidence by which a change at the model's input outranks the same change elsewhere."""


@dataclass(frozen=True, slots=True, eq=False)
class Mirrored:
    """The first weights, whose input channels are moved, and the input they read."""

    change: Change
    tensor: str
    order: tuple[int, ...]
    spot: Spot


def detect(fault: Fault) -> Mirrored | None:
    found = damaged(fault, _moved_channels)
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
    told = f"permuted ({several(cause.order)})"
    if cause.order == BLUE_FIRST:
        told = "in reverse order (BGR for RGB)"
    reads = f"{cause.tensor}: {named(one.node)} takes its {len(cause.order)} channels"
    return f"{reads} {told}{beside(one)}"


def repair(cause: Mirrored) -> tuple[Fix, ...]:
    one, node = cause.change, cause.change.node
    order = np.asarray(cause.order, np.int64)
    reads = computed_inputs(node)[0]
    readers = ((node.name, node.inputs.index(reads)),)
    edit = InsertNode(reads, "Gather", {"axis": 1}, {1: order}, readers)
    return (
        *undoing(f"Let {node.name} take the channels in the source's order", one),
        Fix(f"Permute the channels of {cause.tensor}", (edit,)),
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


def _moved_channels(source: Array, target: Array) -> tuple[int, ...] | None:
    """Return which input channel of the source's each one of the target's is."""
    if source.ndim < 3 or not 1 < source.shape[1] <= MOST_CHANNELS:  # noqa: PLR2004 - a kernel; one channel has no order
        return None
    if source.shape != target.shape or same(source, target):
        return None
    left, order = list(range(source.shape[1])), []
    for place in range(target.shape[1]):
        wanted = target[:, place]
        found = next((one for one in left[::-1] if same(source[:, one], wanted)), None)
        if found is None:
            return None
        left.remove(found)
        order.append(found)
    return tuple(order)


def mirrored(one: Layer) -> Layer:
    """Return a convolution whose input channels are reversed."""
    kernel = np.ascontiguousarray(one.constants[1][:, ::-1])
    return with_kernel(one, kernel)


def alpha_last(one: Layer) -> Layer:
    """Return a convolution that reads BGRA instead of RGBA."""
    return with_kernel(one, np.ascontiguousarray(one.constants[1][:, [2, 1, 0, 3]]))


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
        Example(
            source=partial(chain, conv(4, 4), layer("Relu"), size=(1, 4, 9, 9)),
            target=partial(chain, alpha_last(conv(4, 4)), layer("Relu"), size=(1, 4, 9, 9)),
        ),
    ),
)
