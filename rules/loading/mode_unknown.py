"""An option has a value that its operator does not know.

Cause
    The converter wrote the word that the framework uses, and ONNX has another for it:
    bilinear for linear, replicate for edge. The runtime refuses the model before it
    computes anything.

Evidence
    The model does not load, and an option of the operator is none of the words that its
    definition lists.

Repair
    Write the source's word, or ONNX's own for the same.

References:
    https://github.com/pytorch/pytorch/issues/12647
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import onnx

from analyzer.core.types import Fault, FaultClass, Fix, Node, SetAttribute
from rules.base import PROVEN, Example, Rule, Spot
from rules.models import chain, conv, layer
from rules.sabotage import Victim, spoiled
from rules.wording import named

_COORDINATES = (
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
    "tf_half_pixel_for_nn",
    "tf_crop_and_resize",
)
_NEAREST = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")

KNOWN: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("Resize", "mode"): ("nearest", "linear", "cubic"),
    ("Upsample", "mode"): ("nearest", "linear"),
    ("Resize", "coordinate_transformation_mode"): _COORDINATES,
    ("Resize", "nearest_mode"): _NEAREST,
    ("Pad", "mode"): ("constant", "reflect", "edge", "wrap"),
    ("Gelu", "approximate"): ("none", "tanh"),
    ("LSTM", "direction"): ("forward", "reverse", "bidirectional"),
    ("GRU", "direction"): ("forward", "reverse", "bidirectional"),
    ("DepthToSpace", "mode"): ("DCR", "CRD"),
}
"""The words that an operator's option may be, by operator and option.

Source: https://onnx.ai/onnx/operators"""

SYNONYMS = {
    "bilinear": "linear",
    "trilinear": "linear",
    "bicubic": "cubic",
    "reflection": "reflect",
    "symmetric": "reflect",
    "replicate": "edge",
    "zeros": "constant",
    "erf": "none",
}
"""What ONNX calls what frameworks call otherwise."""


@dataclass(frozen=True, slots=True, eq=False)
class Unknown:
    """A node, its option, the word that is none, and the word that should be."""

    node: Node
    field: str
    found: str
    right: str
    spot: Spot


def detect(fault: Fault) -> Unknown | None:
    if np.isfinite(fault.local_error) and fault.fault_class is None:
        return None
    return next(_unknown(fault), None)


def explain(cause: Unknown) -> str:
    words = ", ".join(KNOWN[cause.node.op, cause.field])
    return (
        f"{named(cause.node)}: {cause.field} is {cause.found}, and {cause.node.op} of "
        f"opset {cause.node.opset} knows {words}; the runtime refuses the model"
    )


def repair(cause: Unknown) -> tuple[Fix, ...]:
    edit = SetAttribute(cause.node.name, cause.field, cause.right)
    return (Fix(f"Set {cause.field} of {cause.node.name} to {cause.right}", (edit,)),)


def _unknown(fault: Fault) -> Iterator[Unknown]:
    """Yield the options of the region that are no word of their operator's."""
    for node in fault.target.nodes:
        for field, value in node.attributes.items():
            words = KNOWN.get((node.op, field), ())
            if not words or not isinstance(value, str) or value in words:
                continue
            ours = [one for one in fault.source.nodes if field in one.attributes]
            stated = [str(one.attributes[field]) for one in ours]
            right = next((one for one in stated if one in words), SYNONYMS.get(value))
            if right is not None:
                yield Unknown(node, field, value, right, Spot(tuple(ours), (node,)))


def sabotage(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto | None:
    return spoiled(model, rng, {op for op, _ in KNOWN}, _foreign)


def _foreign(victim: Victim) -> bool:
    """Write a word of a node's options as a framework calls it."""
    for word, known in SYNONYMS.items():
        for op, field in KNOWN:
            value = victim.attribute(field, b"")
            if op == victim.node.op_type and value == known.encode():
                victim.set_attribute(field, word)
                return True
    return False


def resized(mode: str) -> onnx.ModelProto:
    """Return a convolution, an enlargement, and another convolution."""
    none = np.zeros(0, np.float32)
    scales = np.asarray([1, 1, 2, 2], np.float32)
    return chain(conv(), layer("Resize", none, scales, mode=mode), conv(4, 2))


RULE = Rule(
    slug="mode-unknown",
    fault_class=FaultClass.LOAD_FAILURE,
    confidence=PROVEN,
    detect=detect,
    explain=explain,
    repair=repair,
    sabotage=sabotage,
    examples=(
        Example(source=partial(resized, "linear"), target=partial(resized, "bilinear")),
    ),
)
