"""A weight was transposed or reversed where its sizes allow it.

Cause
    Frameworks store kernels in different axis orders, and transposed convolutions and
    recurrences in mirrored ones. With equal sizes a wrong order passes every shape check.

Evidence
    A transposition or reversal of the source's weight gives the target's exactly, and the
    region is right with the source's.

Repair
    Copy the source's weight in the target's layout.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import onnx

from analyzer.core.types import Aspect, Difference, Fault, FaultClass, Fix
from rules.base import PROVEN, Example, Rule, Spot
from rules.changes import Change, beside, change, undoing
from rules.models import Layer, chain, conv, dense, layer
from rules.patterns import reordering
from rules.sabotage import Victim, spoiled
from rules.wording import named


@dataclass(frozen=True, slots=True, eq=False)
class Reordered:
    """A weight difference, and in words what was done to the order."""

    change: Change
    how: str

    @property
    def spot(self) -> Spot:
        """Where it lies."""
        return self.change.spot


def detect(fault: Fault) -> Reordered | None:
    found = change(fault, lambda difference: _how(difference) is not None)
    how = None if found is None else _how(found.difference)
    return None if found is None or how is None else Reordered(found, how)


def explain(cause: Reordered) -> str:
    one = cause.change
    return (
        f"{named(one.node)}: {one.difference.field} is the source's weight {cause.how}"
        f"{beside(one)}"
    )


def repair(cause: Reordered) -> Fix | None:
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


def _how(difference: Difference) -> str | None:
    source, target = difference.source, difference.target
    if difference.aspect is not Aspect.WEIGHT or not isinstance(source, np.ndarray):
        return None
    return reordering(source, target) if isinstance(target, np.ndarray) else None


def transposed(one: Layer) -> Layer:
    """Return a layer whose kernel has its last two axes swapped."""
    kernel = np.ascontiguousarray(one.constants[1].swapaxes(-1, -2))
    return Layer(one.op, one.attributes, {**one.constants, 1: kernel})


RULE = Rule(
    slug="weight-reordered",
    fault_class=FaultClass.WEIGHTS_BIASES,
    confidence=PROVEN,
    detect=detect,
    explain=explain,
    repair=repair,
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
