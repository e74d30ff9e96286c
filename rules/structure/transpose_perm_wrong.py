"""A tensor's axes lie in another order than its reader expects.

Cause
    A layout was changed twice or not at all, or an axis of the same size was taken for
    another. No shape check notices while the confused axes have equal sizes.

Evidence
    One of three: the region is right with another ``perm``; what came out is what should
    have come out with its axes exchanged; or both regions hold the same operators, settings
    and weights, and read the same values in two orders of the axes. On every recorded
    sample.

Repair
    Set the ``perm`` that the source implies; where the region has no Transpose, insert one.

References:
    https://github.com/onnx/onnxmltools/issues/719
    https://github.com/onnx/tensorflow-onnx/issues/226
    https://github.com/onnx/tensorflow-onnx/issues/1749
    https://github.com/onnx/tensorflow-onnx/issues/356
    https://github.com/onnx/tensorflow-onnx/issues/218
    https://github.com/onnx/tensorflow-onnx/issues/1986
    https://github.com/MPolaris/onnx2tflite/issues/99
    https://github.com/apache/tvm/issues/16295
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import onnx

from analyzer.core.permutations import composed
from analyzer.core.types import (
    Array,
    Edit,
    Fault,
    FaultClass,
    Fix,
    InsertNode,
    Permutation,
    Sample,
    SetAttribute,
)
from rules.base import PROVEN, Example, Rule, Spot
from rules.changes import change
from rules.entrances import entrance, needed_order, orders
from rules.evidence import Hypothesis, fits, results
from rules.models import chain, conv, layer
from rules.regions import producers
from rules.sabotage import Victim, spoiled
from rules.wording import shown


@dataclass(frozen=True, slots=True, eq=False)
class WrongOrder:
    """A tensor whose axes are exchanged, and the edit that exchanges them back."""

    tensor: str
    found: Permutation | None
    needed: Permutation
    edit: Edit
    spot: Spot


def detect(fault: Fault) -> WrongOrder | None:
    return _from_difference(fault) or _from_result(fault) or _from_entrance(fault)


def explain(cause: WrongOrder) -> str:
    if cause.found is None:
        return (
            f"{cause.tensor}: its axes are in another order than the source's; "
            f"transposed by {shown(cause.needed)} they agree"
        )
    right = (
        f"the source's order is {shown(cause.needed)}"
        if cause.spot.source
        else f"with {shown(cause.needed)} what reads it gives the source's values"
    )
    return f"Transpose {cause.spot.target[0].name}: perm is {shown(cause.found)}, {right}"


def repair(cause: WrongOrder) -> tuple[Fix, ...]:
    return (Fix(f"Put the axes of {cause.tensor} in the source's order", (cause.edit,)),)


def sabotage(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto | None:
    return spoiled(model, rng, {"Transpose"}, _exchange)


def _exchange(victim: Victim) -> bool:
    perm = victim.attribute("perm", ())
    if not isinstance(perm, list) or len(perm) < 3:  # noqa: PLR2004 - batch and two more
        return False
    victim.set_attribute("perm", (*perm[:-2], perm[-1], perm[-2]))
    return True


def _from_difference(fault: Fault) -> WrongOrder | None:
    found = change(fault, lambda difference: difference.field == "perm")
    if found is None:
        return None
    needed, present = (
        _order(v) for v in (found.difference.source, found.difference.target)
    )
    if needed is None:
        return None
    edit = SetAttribute(found.node.name, "perm", needed)
    return WrongOrder(found.node.outputs[0], present, needed, edit, found.spot)


def _from_result(fault: Fault) -> WrongOrder | None:
    """Return the cause where the region's result has its axes exchanged."""
    name = fault.target.outputs[0] if len(fault.target.outputs) == 1 else ""
    rank = next((array.ndim for n, array, _ in results(fault) if n == name), 0)
    fitting = [order for order in orders(rank) if fits(fault, _transposed(order), name)]
    giver = producers(fault.target.nodes).get(name)
    if len(fitting) != 1 or giver is None:
        return None
    order, spot = fitting[0], Spot(fault.source.nodes[-1:], (giver,))
    present = _order(giver.attributes.get("perm")) if giver.op == "Transpose" else None
    if present is None:
        edit = InsertNode(name, "Transpose", {"perm": order}, {})
        return WrongOrder(name, None, order, edit, spot)
    needed = composed(present, order) or tuple(range(len(present)))
    return WrongOrder(name, present, needed, SetAttribute(giver.name, "perm", needed), spot)


def _from_entrance(fault: Fault) -> WrongOrder | None:
    """Return the cause where two like regions are given their input in two orders."""
    given = entrance(fault)
    order = None if given is None else needed_order(given)
    if given is None or order is None:
        return None
    readers = tuple((node.name, slot) for node, slot in given.readers)
    edit = InsertNode(given.tensor, "Transpose", {"perm": order}, {}, readers)
    spot = Spot(given.source, edge=(given.tensor, *given.readers[0][0].outputs))
    return WrongOrder(given.tensor, None, order, edit, spot)


def _transposed(order: Permutation) -> Hypothesis:
    def hypothesis(observed: Array, sample: Sample) -> Array:
        del sample
        return observed.transpose(order)

    return hypothesis


def _order(value: object) -> Permutation | None:
    return tuple(int(axis) for axis in value) if isinstance(value, tuple) else None


def network(*perm: int) -> onnx.ModelProto:
    """Return a convolution, a Transpose, a ReLU, and a second convolution."""
    return chain(conv(), layer("Transpose", perm=perm), layer("Relu"), conv(4, 2))


RULE = Rule(
    slug="transpose-perm-wrong",
    fault_class=FaultClass.TENSOR_SHAPE_STRUCTURE,
    confidence=PROVEN,
    detect=detect,
    explain=explain,
    repair=repair,
    sabotage=sabotage,
    examples=(
        Example(source=partial(network, 0, 1, 3, 2), target=partial(network, 0, 1, 2, 3)),
    ),
)
