"""Some channels of a weight are zero.

Cause
    A tensor was cut, padded or only partly written: the channels beyond the break are lost.

Evidence
    Whole channels of the target's weight are zero where the source's are not, the others
    are right, and so is the region with the source's weight.

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
from rules.models import Layer, chain, conv, layer
from rules.patterns import zeroed_channels
from rules.sabotage import Victim, spoiled
from rules.wording import named

SIDES = ("output", "input")
Lost = tuple[int, tuple[int, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Holes:
    """A weight difference, and the channels that are zero."""

    change: Change
    axis: int
    channels: tuple[int, ...]

    @property
    def spot(self) -> Spot:
        """Where it lies."""
        return self.change.spot


def detect(fault: Fault) -> Holes | None:
    found = change(fault, lambda difference: _lost(difference) is not None)
    lost = None if found is None else _lost(found.difference)
    return None if found is None or lost is None else Holes(found, *lost)


def explain(cause: Holes) -> str:
    one, side = cause.change, SIDES[cause.axis]
    listed = ", ".join(str(channel) for channel in cause.channels)
    return (
        f"{named(one.node)}: {side} channels {listed} of {one.difference.field} are zero, "
        f"the source's are not{beside(one)}"
    )


def repair(cause: Holes) -> Fix | None:
    one = cause.change
    return undoing(f"Restore the lost channels of {one.node.name}", one)


def sabotage(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto | None:
    return spoiled(model, rng, {"Conv"}, _empty)


def _empty(victim: Victim) -> bool:
    kernel = victim.constant(1)
    if kernel is None or kernel.shape[0] < 2:  # noqa: PLR2004 - something must stay
        return False
    wrong = kernel.copy()
    wrong[int(victim.rng.integers(kernel.shape[0]))] = 0
    victim.set_constant(1, wrong)
    return True


def _lost(difference: Difference) -> Lost | None:
    source, target = difference.source, difference.target
    if difference.aspect is not Aspect.WEIGHT or not isinstance(source, np.ndarray):
        return None
    if not isinstance(target, np.ndarray) or source.ndim < 2:  # noqa: PLR2004 - a vector has no channels of many
        return None
    return zeroed_channels(source, target)


def emptied(one: Layer, *channels: int) -> Layer:
    """Return a layer that lost some output channels of its kernel."""
    kernel = one.constants[1].copy()
    kernel[list(channels)] = 0
    return Layer(one.op, one.attributes, {**one.constants, 1: kernel})


RULE = Rule(
    slug="channels-lost",
    fault_class=FaultClass.WEIGHTS_BIASES,
    confidence=PROVEN,
    detect=detect,
    explain=explain,
    repair=repair,
    sabotage=sabotage,
    examples=(
        Example(
            source=partial(chain, conv(), layer("Relu"), conv(4, 4), layer("Relu")),
            target=partial(
                chain, emptied(conv(), 1, 2), layer("Relu"), conv(4, 4), layer("Relu")
            ),
        ),
    ),
)
