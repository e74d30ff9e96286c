"""An option of an operator was lost, so that it does what is usual instead.

Cause
    The converter, or the opset it wrote, knows the operator but not the option: the
    smallest instead of the largest elements, a reversed or exclusive sum, rounding up of
    pool sizes.

Evidence
    The target has the schema's default, or has no such option at all; the source says
    otherwise; and the region is right with the source's value.

Repair
    Set the option where the target's opset has it; else write the operator so that it does
    the same without: the smallest elements are the largest of the negated tensor.

References:
    https://github.com/pytorch/pytorch/issues/32960
    https://github.com/pytorch/pytorch/issues/111159
    https://github.com/onnx/tensorflow-onnx/issues/1100
    https://github.com/pytorch/pytorch/issues/12647
    https://github.com/pytorch/pytorch/issues/22959
    https://github.com/onnx/tensorflow-onnx/issues/1385
    https://github.com/microsoft/onnxscript/issues/2852
"""

from functools import partial

import numpy as np
import onnx

from analyzer.core.graph import attribute_value, opsets, schema_defaults
from analyzer.core.types import Aspect, Difference, Fault, FaultClass, Fix
from rules.base import Example, Rule
from rules.changes import Change, beside, change, undoing
from rules.models import axes, chain, conv, layer
from rules.sabotage import Victim, spoiled
from rules.wording import named, shown

OPTIONS = frozenset(
    {
        "largest",
        "sorted",
        "reverse",
        "exclusive",
        "ceil_mode",
        "count_include_pad",
        "direction",
        "keepdims",
        "select_last_index",
        "fmod",
        "linear_before_reset",
        "transA",
        "transB",
        "align_corners",
        "antialias",
        "exclude_outside",
        "upper",
        "reduction",
        "batch_dims",
        "mode",
        "coordinate_transformation_mode",
        "nearest_mode",
        "approximate",
        "group",
    }
)
"""Attributes that choose what an operator does, not how much of it."""

IDLE = frozenset({"sorted", "nearest_mode"})
"""Options that change nothing where another one, or the size, leaves them no choice."""

PARTICULAR = 0.85
"""Confidence: a lost option is likelier than a merely different attribute."""


def detect(fault: Fault) -> Change | None:
    return change(fault, _is_lost_option)


def explain(cause: Change) -> str:
    one = cause.difference
    known = (
        "is not known" if one.target is None else f"is {shown(one.target)}, the default,"
    )
    return (
        f"{named(cause.node)}: the source's {one.field}={shown(one.source)} was lost; "
        f"in the target's opset {cause.node.opset} it {known} here{beside(cause)}"
    )


def repair(cause: Change) -> tuple[Fix, ...]:
    return undoing(f"Give {cause.node.name} the source's {cause.difference.field}", cause)


def sabotage(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto | None:
    return spoiled(
        model, rng, {"TopK", "CumSum", "AveragePool", "Resize", "GRU", "LSTM"}, _drop
    )


def _drop(victim: Victim) -> bool:
    node = victim.node
    usual = schema_defaults(node.op_type, opsets(victim.model).get("", 1), "")
    unpadded = not any(one.name == "pads" and any(one.ints) for one in node.attribute)
    known = [
        one.name
        for one in node.attribute
        if one.name in OPTIONS - IDLE
        and attribute_value(one) != usual.get(one.name)
        and not (one.name == "count_include_pad" and unpadded)
    ]
    for name in known:
        victim.set_attribute(name, None)
    return bool(known)


def _is_lost_option(difference: Difference) -> bool:
    node = difference.target_node
    if node is None or difference.field not in OPTIONS or difference.source is None:
        return False
    default = schema_defaults(node.op, node.opset, node.domain).get(difference.field)
    return difference.aspect is Aspect.ATTRIBUTE and difference.target in (None, default)


RULE = Rule(
    slug="option-dropped",
    fault_class=FaultClass.LAYER_HYPERPARAMETERS,
    confidence=PARTICULAR,
    detect=detect,
    explain=explain,
    repair=repair,
    sabotage=sabotage,
    examples=(
        Example(
            source=partial(
                chain, conv(), layer("CumSum", axes(3)[0], reverse=1), conv(4, 2)
            ),
            target=partial(chain, conv(), layer("CumSum", axes(3)[0]), conv(4, 2)),
        ),
        Example(
            source=partial(
                chain,
                conv(),
                layer(
                    "AveragePool",
                    kernel_shape=(3, 3),
                    pads=(1, 1, 1, 1),
                    count_include_pad=1,
                ),
            ),
            target=partial(
                chain,
                conv(),
                layer("AveragePool", kernel_shape=(3, 3), pads=(1, 1, 1, 1)),
            ),
        ),
    ),
)
