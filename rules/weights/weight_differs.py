"""A trained weight is not the one that was trained.

Cause
    The conversion read, cast, folded or stored a tensor wrongly; or the two files come from
    two trainings.

Evidence
    The constant differs once both are laid out alike and folded scales are multiplied in,
    and the region is right with the source's values.

Repair
    Copy the source's values in the target's layout and dtype; where a batch normalisation
    is folded on one side only, scaled to fit. Other readers of a shared constant keep
    theirs.

References:
    https://github.com/onnx/optimizer/issues/133
"""

from functools import partial

import numpy as np
import onnx

from analyzer.core.types import Array, Aspect, Difference, Fault, FaultClass, Fix
from rules.base import LIKELY, Example, Rule
from rules.changes import Change, beside, change, computed_kind, steered, undoing
from rules.models import batch_norm, chain, conv, layer, weights
from rules.patterns import damage
from rules.sabotage import Victim, spoiled
from rules.wording import named

LINEAR = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
MOST_CHANNELS = 6
"""Channels that a sentence lists one by one."""


def detect(fault: Fault) -> Change | None:
    return change(fault, is_weight)


def explain(cause: Change) -> str:
    one = cause.difference
    if not isinstance(one.source, np.ndarray) or not isinstance(one.target, np.ndarray):
        return (
            f"{named(cause.node)}: {one.field} is absent, the source has one{beside(cause)}"
        )
    if one.source.size == one.target.size == 1:
        wrong, right = float(one.target.reshape(-1)[0]), float(one.source.reshape(-1)[0])
        return (
            f"{named(cause.node)}: {one.field} is {wrong:.6g} where {right:.6g} gives what "
            f"the source computes{beside(cause)}"
        )
    seen = damage(one.source, one.target)
    where = _channels(seen.channels, seen.of)
    return (
        f"{named(cause.node)}: {seen.changed} of {seen.size} numbers of {one.field} are "
        f"not the source's, {where}, "
        f"by up to {seen.largest:.3g} of the largest{beside(cause)}"
    )


def repair(cause: Change) -> tuple[Fix, ...]:
    return undoing(f"Restore {cause.difference.field} of {cause.node.name}", cause)


def sabotage(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto | None:
    return spoiled(model, rng, LINEAR, _disturb)


def _disturb(victim: Victim) -> bool:
    kernel = victim.constant(1)
    if kernel is None or kernel.dtype != np.float32 or kernel.size < 2:  # noqa: PLR2004 - a scalar is no kernel
        return False
    wrong = kernel.copy()
    channel = int(victim.rng.integers(kernel.shape[0]))
    wrong[channel] += victim.rng.normal(0.0, float(np.abs(kernel).max()), kernel.shape[1:])
    victim.set_constant(1, wrong)
    return True


def is_weight(difference: Difference) -> bool:
    """Return whether a difference is one of weights."""
    return difference.aspect is Aspect.WEIGHT and not steered(difference)


def _channels(channels: tuple[int, ...], of: int) -> str:
    if len(channels) == of:
        return f"in all {of} channels" if of > 1 else "in its only channel"
    if len(channels) > MOST_CHANNELS:
        return f"in {len(channels)} of {of} channels"
    listed = ", ".join(str(channel) for channel in channels)
    return f"in channel{'s' if len(channels) > 1 else ''} {listed} of {of}"


def other(kernel: Array) -> Array:
    """Return a kernel with one channel that was not trained."""
    wrong = kernel.copy()
    wrong[1] = wrong[1][::-1] * 0.5 + 0.2
    return wrong


def network(kernel: Array) -> onnx.ModelProto:
    """Return a convolution of a kernel, batch normalisation, and one more convolution."""
    first = layer("Conv", kernel, kernel_shape=(3, 3), pads=(1, 1, 1, 1))
    return chain(first, batch_norm(), layer("Relu"), conv(4, 2))


RULE = Rule(
    slug="weight-differs",
    fault_class=FaultClass.WEIGHTS_BIASES,
    confidence=LIKELY,
    detect=detect,
    explain=explain,
    repair=repair,
    kind=computed_kind,
    sabotage=sabotage,
    examples=(
        Example(
            source=partial(network, weights(4, 3, 3, 3)),
            target=partial(network, other(weights(4, 3, 3, 3))),
        ),
        Example(
            source=partial(chain, conv(), layer("Relu"), conv(4, 2, seed=1)),
            target=partial(chain, conv(), layer("Relu"), conv(4, 2, seed=2)),
        ),
    ),
)
