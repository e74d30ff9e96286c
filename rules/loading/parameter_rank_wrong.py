"""An operator's parameters have a rank that it does not take.

Cause
    Old files, and importers of them, hold one number per channel in the shape in which it
    is stretched over an image. From the opset on in which an operator demands a vector, the
    runtime refuses the node, though every number is right.

Evidence
    The target stops at the node; a parameter of it has one number per channel in a shape of
    another rank than the operator's definition says, and with a vector of the same numbers
    it runs.

Repair
    Store the same numbers as a vector.

Prevention
    Upgrade the file to opset 9 or later before it is optimised.

References:
    https://github.com/onnx/optimizer/issues/177
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import onnx

from analyzer.core.listing import several
from analyzer.core.types import Array, Fault, FaultClass, Fix, Node, Safety, SetConstant
from rules.base import PROVEN, Example, Rule, Spot
from rules.models import Layer, batch_norm, chain, conv
from rules.sabotage import Victim, spoiled
from rules.wording import named

VECTORS = {
    "BatchNormalization": (1, 2, 3, 4),
    "InstanceNormalization": (1, 2),
    "GroupNormalization": (1, 2),
    "Conv": (2,),
    "ConvTranspose": (2,),
}
"""The slots in which an operator takes one number per channel, as a vector.

Source: https://onnx.ai/onnx/operators"""


@dataclass(frozen=True, slots=True, eq=False)
class WrongRank:
    """A node, the slots whose constants have a wrong rank, and the first one's shape."""

    node: Node
    slots: tuple[int, ...]
    shape: tuple[int, ...]
    spot: Spot


def detect(fault: Fault) -> WrongRank | None:
    if np.isfinite(fault.local_error):
        return None
    for node in fault.target.nodes:
        slots = tuple(
            slot for slot in VECTORS.get(node.op, ()) if _is_stretched(node, slot)
        )
        if slots:
            ours = tuple(one for one in fault.source.nodes if one.op == node.op)
            shape = node.constants[slots[0]].shape
            return WrongRank(node, slots, shape, Spot(ours, (node,)))
    return None


def explain(cause: WrongRank) -> str:
    told = several(f"input{slot}" for slot in cause.slots)
    return (
        f"{named(cause.node)}: {told} of shape {cause.shape} where a vector of "
        f"{max(cause.shape)} is taken; the runtime refuses the node"
    )


def repair(cause: WrongRank) -> tuple[Fix, ...]:
    edits = tuple(
        SetConstant(cause.node.name, slot, _vector(cause.node.constants[slot]))
        for slot in cause.slots
    )
    title = f"Store the parameters of {cause.node.name} as vectors"
    return (Fix(title, edits, Safety.SAFE),)


def _is_stretched(node: Node, slot: int) -> bool:
    held = node.constants.get(slot)
    return held is not None and held.ndim > 1 and held.size == max(held.shape)


def _vector(stretched: Array) -> Array:
    return np.ascontiguousarray(stretched.reshape(-1))


def sabotage(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto | None:
    return spoiled(model, rng, VECTORS.keys(), _stretch)


def _stretch(victim: Victim) -> bool:
    """Store a node's vectors as they would broadcast over an image."""
    held = {s: victim.constant(s) for s in VECTORS[victim.node.op_type]}
    vectors = {s: one for s, one in held.items() if one is not None and one.ndim == 1}
    for slot, vector in vectors.items():
        victim.set_constant(slot, vector.reshape(1, -1, 1, 1))
    return bool(vectors)


def stretched() -> onnx.ModelProto:
    """Return a convolution and a batch normalisation of which no parameter is a vector."""
    norm = batch_norm()
    wide = {slot: one.reshape(1, -1, 1, 1) for slot, one in norm.constants.items()}
    return chain(conv(), Layer(norm.op, norm.attributes, wide), conv(4, 2))


RULE = Rule(
    slug="parameter-rank-wrong",
    fault_class=FaultClass.LOAD_FAILURE,
    confidence=PROVEN,
    detect=detect,
    explain=explain,
    repair=repair,
    sabotage=sabotage,
    examples=(
        Example(source=partial(chain, conv(), batch_norm(), conv(4, 2)), target=stretched),
    ),
)
