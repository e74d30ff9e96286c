"""A part of the model computes with fewer bits, as it declares.

Cause
    The conversion was asked for float16 or quantized integers, or chose them.

Evidence
    The region declares the narrower format, and its error is what rounding to that format makes.

Repair
    None: the loss is declared. Convert again without the option to get the precision back.
"""

from functools import partial

import numpy as np
import onnx

from dataclasses import dataclass

from analyzer.core.types import Fault, FaultClass, Fix, Node, Status
from rules.base import PROVEN, Example, Rule, Spot
from rules.wording import listed

NARROW = {10: "float16", 16: "bfloat16"}
QUANTIZED = frozenset({
    "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "QLinearConv",
    "QLinearMatMul", "ConvInteger", "MatMulInteger",
})


@dataclass(frozen=True, slots=True, eq=False)
class Lowered:
    """The format of a region, and what it costs."""

    dtype: str
    error: float
    spot: Spot


def detect(fault: Fault) -> Lowered | None:
    dtype = next((d for d in map(_format, fault.target.nodes) if d), None)
    if dtype is None:
        return None
    return Lowered(dtype, fault.local_error, Spot(fault.source.nodes[-1:], fault.target.nodes[-1:]))


def explain(cause: Lowered) -> str:
    return (
        f"{listed(cause.spot.target)} {cause.spot.target[0].name}: computes in {cause.dtype}, "
        f"which costs {cause.error:.3g} of the largest value here"
    )


def repair(cause: Lowered) -> Fix | None:
    del cause
    return None


def _format(node: Node) -> str | None:
    if node.op in QUANTIZED:
        return "quantized integers"
    if any(value.dtype == np.float16 for value in node.constants.values()):
        return "float16"
    to = node.attributes.get("to")
    return NARROW.get(to) if isinstance(to, int) else None


RULE: Rule[Lowered] = Rule(
    slug="precision-lowered",
    fault_class=FaultClass.DTYPE_PRECISION,
    confidence=PROVEN,
    detect=detect,
    explain=explain,
    repair=repair,
    examples=(),
    statuses=frozenset({Status.DRIFT}),
)
