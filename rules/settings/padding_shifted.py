"""A convolution or pool pads another side, or by another amount.

Cause
    Frameworks round the odd element of "same" padding to different sides, and a converter
    that takes the numbers of one for the other shifts the window: every output is computed
    half a pixel away. It shows with strides above one, where begin and end are not equal.

Evidence
    The pads differ and the region is right with the source's.

Repair
    Copy the pads, explicit, in place of any automatic padding.

Prevention
    Write the padding as numbers before converting: a ZeroPadding2D or F.pad, then a layer
    without padding of its own.

References:
    https://github.com/onnx/onnxmltools/issues/716
    https://github.com/onnx/tensorflow-onnx/issues/323
    https://github.com/onnx/tensorflow-onnx/issues/765
    https://github.com/onnx/tensorflow-onnx/issues/103
    https://github.com/apache/tvm/issues/18635
"""

from functools import partial

import numpy as np
import onnx

from analyzer.core.types import Difference, Fault, FaultClass, Fix
from rules.base import PROVEN, Example, Rule
from rules.changes import Change, beside, change, undoing
from rules.models import chain, conv, layer
from rules.sabotage import Victim, spoiled
from rules.wording import named, shown

PADS = frozenset({"pads", "auto_pad"})

SAYING = ("auto_pad", "output_shape", "output_padding")
"""Attributes of a transposed convolution that say what it cuts off without pads."""


def detect(fault: Fault) -> Change | None:
    return change(fault, _is_padding)


def explain(cause: Change) -> str:
    one = cause.difference
    if cause.node.op == "ConvTranspose":
        return (
            f"{named(cause.node)}: {shown(one.target)} is cut off what it "
            f"gives{_said(cause)}, the source cuts off {shown(one.source)}{beside(cause)}"
        )
    moved = "shifted to" if _total(one.source) == _total(one.target) else "changed to"
    return (
        f"{named(cause.node)}: padding was {moved} {shown(one.target)}, "
        f"the source pads {shown(one.source)}{beside(cause)}"
    )


def _said(cause: Change) -> str:
    """Return how the node says what it cuts off, where that is not by pads."""
    known = cause.node.attributes
    stated = (name for name in SAYING if known.get(name, "NOTSET") not in ("NOTSET", ()))
    found = [f"{name} {shown(known[name])}" for name in stated]
    return f" by {', '.join(found)}" if found else ""


def repair(cause: Change) -> tuple[Fix, ...]:
    return undoing(f"Restore the padding of {cause.node.name}", cause)


def sabotage(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto | None:
    return spoiled(model, rng, {"Conv", "MaxPool", "AveragePool"}, _shift)


def _shift(victim: Victim) -> bool:
    pads = victim.attribute("pads", ())
    if not isinstance(pads, list) or not any(pads):
        return False
    half = len(pads) // 2
    totals = [begin + end for begin, end in zip(pads[:half], pads[half:], strict=True)]
    begins = [
        min(begin + 1, total) for begin, total in zip(pads[:half], totals, strict=True)
    ]
    ends = [total - begin for begin, total in zip(begins, totals, strict=True)]
    victim.set_attribute("pads", (*begins, *ends))
    return bool(begins != pads[:half])


def _is_padding(difference: Difference) -> bool:
    return difference.field in PADS


def _total(value: object) -> int | None:
    return sum(int(number) for number in value) if isinstance(value, tuple) else None


RULE = Rule(
    slug="padding-shifted",
    fault_class=FaultClass.LAYER_HYPERPARAMETERS,
    confidence=PROVEN,
    detect=detect,
    explain=explain,
    repair=repair,
    sabotage=sabotage,
    examples=(
        Example(
            source=partial(chain, conv(strides=(2, 2), pads=(0, 0, 1, 1)), layer("Relu")),
            target=partial(chain, conv(strides=(2, 2), pads=(1, 1, 0, 0)), layer("Relu")),
        ),
        Example(
            source=partial(chain, conv(strides=(2, 2), pads=None, auto_pad="SAME_UPPER")),
            target=partial(chain, conv(strides=(2, 2), pads=(1, 1, 0, 0))),
        ),
    ),
)
