"""A bias, or what stands for one, is not the source's.

Cause
    The bias was lost when two operators were fused, taken from another layer, or folded
    with the wrong mean.

Evidence
    What is added per channel differs once folded scales are multiplied in, and the region
    is right with the source's.

Repair
    Set the bias; where the target's operator has none, give it one.

References:
    https://github.com/onnx/tensorflow-onnx/issues/1740
    https://github.com/onnx/optimizer/issues/178
"""

from functools import partial

import numpy as np
import onnx

from analyzer.core.types import Aspect, Difference, Fault, FaultClass, Fix
from rules.base import Example, Rule
from rules.changes import Change, beside, change, computed_kind, undoing
from rules.models import Layer, batch_norm, chain, conv, layer
from rules.patterns import damage
from rules.sabotage import Victim, spoiled
from rules.wording import named

BIAS_SLOTS = {"Conv": 2, "ConvTranspose": 2, "Gemm": 2, "BatchNormalization": 2}
SHIFTING = frozenset({"Add", "Sub"})
PARTICULAR = 0.85
"""Confidence: a bias is a weight too: the rule that says so in particular comes first."""


def detect(fault: Fault) -> Change | None:
    return change(fault, _is_bias)


def explain(cause: Change) -> str:
    one = cause.difference
    if not isinstance(one.target, np.ndarray) or not isinstance(one.source, np.ndarray):
        return f"{named(cause.node)}: has no bias, the source's has one{beside(cause)}"
    seen = damage(one.source, one.target)
    return (
        f"{named(cause.node)}: the bias of {len(seen.channels)} of {seen.of} channels is "
        f"off by up to {seen.largest:.3g} of the largest{beside(cause)}"
    )


def repair(cause: Change) -> tuple[Fix, ...]:
    return undoing(f"Restore the bias of {cause.node.name}", cause)


def sabotage(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto | None:
    return spoiled(model, rng, BIAS_SLOTS.keys(), _lose)


def _lose(victim: Victim) -> bool:
    bias = victim.constant(BIAS_SLOTS[victim.node.op_type])
    if bias is None or not bias.any():
        return False
    victim.set_constant(BIAS_SLOTS[victim.node.op_type], np.zeros_like(bias))
    return True


def _is_bias(difference: Difference) -> bool:
    node = difference.target_node
    if difference.aspect is not Aspect.WEIGHT or node is None:
        return False
    return node.op in SHIFTING or BIAS_SLOTS.get(node.op) == difference.slot


def without_bias(one: Layer) -> Layer:
    """Return a layer that lost its bias."""
    return Layer(one.op, one.attributes, {1: one.constants[1]})


RULE = Rule(
    slug="bias-differs",
    fault_class=FaultClass.WEIGHTS_BIASES,
    confidence=PARTICULAR,
    detect=detect,
    explain=explain,
    repair=repair,
    kind=computed_kind,
    sabotage=sabotage,
    examples=(
        Example(
            source=partial(chain, conv(), layer("Relu"), conv(4, 2)),
            target=partial(chain, conv(), layer("Relu"), without_bias(conv(4, 2))),
        ),
        Example(
            source=partial(chain, conv(), batch_norm(), layer("Relu")),
            target=partial(chain, without_bias(conv()), batch_norm(), layer("Relu")),
        ),
    ),
)
