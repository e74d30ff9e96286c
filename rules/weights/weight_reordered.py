"""A weight was transposed, reversed or restacked where its sizes allow it.

Cause
    Frameworks store kernels in different axis orders, transposed convolutions and
    recurrences in mirrored ones, and the gates of a recurrence stacked in an order of their
    own: input, output, forget, cell in ONNX, input, forget, cell, output in torch. With
    equal sizes a wrong order passes every shape check.

Evidence
    A transposition or reversal of the source's weight, or an exchange of its equal blocks,
    gives the target's exactly, and the region is right with the source's. Where the file
    computes the weight, it is followed back to the node that reads but right parts.

Repair
    Copy the source's weight in the target's layout.

References:
    https://github.com/onnx/tensorflow-onnx/issues/824
"""

from functools import partial

import numpy as np
import onnx

from analyzer.core.types import Fault, FaultClass, Fix
from rules.base import PROVEN, Example, Rule
from rules.changes import Damaged, beside, computed_kind, damaged, undoing
from rules.models import Layer, chain, conv, dense, layer, with_kernel
from rules.patterns import reordering
from rules.sabotage import Victim, spoiled
from rules.wording import named


def detect(fault: Fault) -> Damaged[str] | None:
    return damaged(fault, reordering)


def explain(cause: Damaged[str]) -> str:
    one = cause.change
    return (
        f"{named(one.node)}: {one.difference.field} is the source's weight {cause.pattern}"
        f"{beside(one)}"
    )


def repair(cause: Damaged[str]) -> tuple[Fix, ...]:
    one = cause.change
    return undoing(f"Restore the order of {one.difference.field} of {one.node.name}", one)


def sabotage(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto | None:
    return spoiled(model, rng, {"Conv"}, _transpose)


def _transpose(victim: Victim) -> bool:
    kernel = victim.constant(1)
    if kernel is None or kernel.ndim < 4 or kernel.shape[-1] < 2:  # noqa: PLR2004 - two spatial axes
        return False
    if kernel.shape[-1] != kernel.shape[-2]:
        return False
    victim.set_constant(1, np.ascontiguousarray(kernel.swapaxes(-1, -2)))
    return True


def transposed(one: Layer) -> Layer:
    """Return a layer whose kernel has its last two axes swapped."""
    kernel = np.ascontiguousarray(one.constants[1].swapaxes(-1, -2))
    return with_kernel(one, kernel)


RULE = Rule(
    slug="weight-reordered",
    fault_class=FaultClass.WEIGHTS_BIASES,
    confidence=PROVEN,
    detect=detect,
    explain=explain,
    repair=repair,
    kind=computed_kind,
    sabotage=sabotage,
    examples=(
        Example(
            source=partial(chain, conv(), layer("Relu"), conv(4, 2)),
            target=partial(chain, conv(), layer("Relu"), transposed(conv(4, 2))),
        ),
        Example(
            source=partial(chain, layer("Flatten"), dense(9, 9), dense(9), size=(1, 9)),
            target=partial(
                chain, layer("Flatten"), transposed(dense(9, 9)), dense(9), size=(1, 9)
            ),
        ),
    ),
)
