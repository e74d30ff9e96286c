"""An input of the model is taken in another layout or shape than the source's.

Cause
    The conversion changed the order of an input's axes, NCHW for NHWC or height for width,
    and what reads the input was not changed with it; or it declared another shape.

Evidence
    At the model's own input both regions hold the same operators, settings and weights, and
    read the same values in two orders of the axes; or the interface itself does not fit.

Repair
    Transpose the input before its reader.

Prevention
    Say the layout when converting (`--inputs-as-nchw` and `--outputs-as-nchw` of tf2onnx),
    or transpose where the model is called.

References:
    https://github.com/MPolaris/onnx2tflite/issues/98
"""

from dataclasses import dataclass
from functools import partial

from analyzer.core.types import Fault, FaultClass, Fix, InsertNode, Permutation
from rules.base import PROVEN, Example, Rule, Spot
from rules.changes import change, undoing
from rules.entrances import entrance, needed_order
from rules.models import chain, conv, layer
from rules.wording import shown

FURTHER = 0.02
"""Confidence by which a layout at the model's input outranks one elsewhere."""


@dataclass(frozen=True, slots=True, eq=False)
class WrongLayout:
    """An input, how its axes lie, and where the reader wants them."""

    tensor: str
    needed: Permutation | None
    problem: str
    fixes: tuple[Fix, ...]
    spot: Spot


def detect(fault: Fault) -> WrongLayout | None:
    if fault.restated:
        return None
    if fault.fault_class is FaultClass.INPUT_DIMS:
        edge = fault.guilty or fault.target.inputs
        return WrongLayout(
            next(iter(edge), "input"), None, fault.problem, (), Spot(edge=edge)
        )
    return _wrong_transpose(fault) or _misread(fault)


def explain(cause: WrongLayout) -> str:
    if cause.needed is None:
        return f"{cause.tensor}: {cause.problem}"
    return (
        f"{cause.tensor}: the target takes the axes of its input in another order than the "
        f"source; transposed by {shown(cause.needed)} they agree"
    )


def repair(cause: WrongLayout) -> tuple[Fix, ...]:
    return cause.fixes


def _wrong_transpose(fault: Fault) -> WrongLayout | None:
    """Return the cause where a Transpose of the model's input has another order."""
    found = change(fault, lambda difference: difference.field == "perm")
    if found is None or found.node.outputs[0] not in fault.entries:
        return None
    needed = found.difference.source
    if not isinstance(needed, tuple):
        return None
    fixes = undoing(f"Take {found.node.inputs[0]} in the source's layout", found)
    order = tuple(int(axis) for axis in needed)
    return WrongLayout(found.node.inputs[0], order, "", fixes, found.spot)


def _misread(fault: Fault) -> WrongLayout | None:
    """Return the cause where like regions read the model's input in two layouts."""
    given = entrance(fault)
    order = None if given is None else needed_order(given)
    if given is None or order is None or given.tensor not in fault.entries:
        return None
    readers = tuple((node.name, slot) for node, slot in given.readers)
    outputs = tuple(name for node, _ in given.readers for name in node.outputs)
    spot = Spot(given.source[:1], edge=(given.tensor, *outputs))
    edit = InsertNode(given.tensor, "Transpose", {"perm": order}, {}, readers)
    fix = Fix(f"Transpose {given.tensor} before it is read", (edit,))
    return WrongLayout(given.tensor, order, "", (fix,), spot)


RULE = Rule(
    slug="input-layout-differs",
    fault_class=FaultClass.INPUT_DIMS,
    confidence=PROVEN + FURTHER,
    detect=detect,
    explain=explain,
    repair=repair,
    examples=(
        Example(
            source=partial(chain, conv(6), layer("Relu"), size=(1, 6, 6, 6)),
            target=partial(
                chain,
                layer("Transpose", perm=(0, 3, 1, 2)),
                conv(6),
                layer("Relu"),
                size=(1, 6, 6, 6),
            ),
        ),
    ),
)
