"""Some channels of a weight are zero.

Cause
    A tensor was cut, padded or only partly written: the channels beyond the break are lost.

Evidence
    Whole channels of the target's weight are zero where the source's are not, the others
    are right, and so is the region with the source's weight.

Repair
    Copy the source's weight in the target's layout.
"""

from functools import partial

import numpy as np
import onnx

from analyzer.core.listing import several
from analyzer.core.types import Array, Fault, FaultClass, Fix
from rules.base import PROVEN, Example, Rule
from rules.changes import Damaged, beside, damaged, undoing
from rules.models import Layer, chain, conv, layer, with_kernel
from rules.patterns import zeroed_channels
from rules.sabotage import Victim, spoiled
from rules.wording import named

SIDES = ("output", "input")
Lost = tuple[int, tuple[int, ...]]
"""An axis, and the channels along it that are zero."""


def detect(fault: Fault) -> Damaged[Lost] | None:
    return damaged(fault, _lost)


def explain(cause: Damaged[Lost]) -> str:
    one, (axis, channels) = cause.change, cause.pattern
    return (
        f"{named(one.node)}: {SIDES[axis]} channels {several(channels)} of "
        f"{one.difference.field} are zero, the source's are not{beside(one)}"
    )


def repair(cause: Damaged[Lost]) -> tuple[Fix, ...]:
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


def _lost(source: Array, target: Array) -> Lost | None:
    is_vector = source.size == max(source.shape, default=1)  # of one number a channel
    return None if is_vector else zeroed_channels(source, target)


def emptied(one: Layer, *channels: int) -> Layer:
    """Return a layer that lost some output channels of its kernel."""
    kernel = one.constants[1].copy()
    kernel[list(channels)] = 0
    return with_kernel(one, kernel)


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
