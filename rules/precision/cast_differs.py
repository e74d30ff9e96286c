"""A tensor is cast to another dtype than in the source.

Cause
    The converter chose a dtype of its own, or dropped the fraction: integers where the
    source computes with floats, or the other way round. Or it narrows a double model: what
    lies below a large offset is lost.

Evidence
    Two casts that belong together name different dtypes, and the region is right with the
    source's; or the outputs are right as soon as the cast keeps the source's precision.

Repair
    Cast to the source's dtype.

References:
    https://github.com/pytorch/pytorch/issues/85316
"""

from functools import partial

import onnx

from analyzer.core.types import Aspect, Difference, Fault, FaultClass, Fix
from rules.base import PROVEN, Example, Rule
from rules.changes import Change, beside, change, undoing
from rules.models import chain, conv, layer
from rules.wording import element_type, named

SINGLE = onnx.TensorProto.FLOAT
WHOLE = onnx.TensorProto.INT32


def detect(fault: Fault) -> Change | None:
    return change(fault, _is_dtype)


def explain(cause: Change) -> str:
    one = cause.difference
    ours, theirs = element_type(one.source), element_type(one.target)
    if one.source_node is None:
        return (
            f"{named(cause.node)}: casts to {theirs} what the source keeps in {ours}"
            f"{beside(cause)}"
        )
    return f"{named(cause.node)}: casts to {theirs}, the source to {ours}{beside(cause)}"


def repair(cause: Change) -> tuple[Fix, ...]:
    return undoing(f"Cast {cause.node.name} as the source does", cause)


def _is_dtype(difference: Difference) -> bool:
    return difference.aspect is Aspect.DTYPE


def network(dtype: int) -> onnx.ModelProto:
    """Return a convolution whose result passes through another dtype, and a second one."""
    there, back = layer("Cast", to=dtype), layer("Cast", to=SINGLE)
    return chain(conv(), there, back, layer("Relu"), conv(4, 2))


RULE = Rule(
    slug="cast-differs",
    fault_class=FaultClass.DTYPE_PRECISION,
    confidence=PROVEN,
    detect=detect,
    explain=explain,
    repair=repair,
    examples=(
        Example(
            source=partial(network, onnx.TensorProto.DOUBLE),
            target=partial(network, WHOLE),
        ),
    ),
)
