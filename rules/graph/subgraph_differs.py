"""A part of the target is built of other operators, and computes something else.

Cause
    The converter has its own spelling of an operator, and the spelling is wrong or holds
    for some inputs only: a gather without its batch axes, ids that count from the end,
    coordinates, a division of whole numbers that are negative, a cell of a recurrence
    written out, a loop that asks once too often.

Evidence
    Both regions start and end at tensors that belong together, and neither one difference
    nor one operator explains the error.

Repair
    Let the source's own nodes compute the region: layouts converted at its ends, operators
    respelled for the target's opset.

Safety
    Safe where the repair is kept: the region then computes what the source computes.

References:
    https://github.com/onnx/tensorflow-onnx/issues/400
    https://github.com/onnx/tensorflow-onnx/issues/1317
    https://github.com/onnx/tensorflow-onnx/issues/2174
    https://github.com/onnx/tensorflow-onnx/issues/263
    https://github.com/onnx/tensorflow-onnx/issues/2211
    https://github.com/onnx/tensorflow-onnx/issues/2002
    https://github.com/onnx/tensorflow-onnx/issues/861
    https://github.com/onnx/tensorflow-onnx/issues/541
    https://github.com/onnx/tensorflow-onnx/issues/304
    https://github.com/pytorch/pytorch/issues/16497
    https://github.com/pytorch/pytorch/issues/60179
    https://github.com/pytorch/pytorch/issues/78442
    https://github.com/MPolaris/onnx2tflite/issues/98
"""

from dataclasses import dataclass
from functools import partial

import numpy as np

from analyzer.core.listing import several
from analyzer.core.types import (
    Aspect,
    Difference,
    Fault,
    FaultClass,
    Fix,
    Node,
    ReplaceRegion,
)
from rules.base import Example, Rule, Spot
from rules.carrying import carried
from rules.evidence import blamed, relation
from rules.models import chain, conv, layer
from rules.regions import PASSING, RESHAPING
from rules.wording import listed

LAST_RESORT = 0.55
"""Confidence: below every rule that says what is wrong with the region."""


MOST_GUILTY = 8
"""Nodes of which each may be named as guilty; of more, only those that give the results."""


ONLY = {
    Aspect.WEIGHT: FaultClass.WEIGHTS_BIASES,
    Aspect.ATTRIBUTE: FaultClass.LAYER_HYPERPARAMETERS,
}
"""The class of regions of the same operators that differ in one kind of thing alone."""


@dataclass(frozen=True, slots=True, eq=False)
class OtherSubgraph:
    """Two regions that should compute the same, and the edit that makes them."""

    tensors: tuple[str, ...]
    ops: str
    problem: str
    edit: ReplaceRegion
    spot: Spot


def detect(fault: Fault) -> OtherSubgraph | None:
    edit = carried(fault)
    if edit is None:
        return None
    computing = tuple(n for n in fault.target.nodes if n.op not in PASSING | RESHAPING)
    told = tuple(d.target_node for d in blamed(fault) if d.target_node is not None)
    guilty = (
        _stopping(fault) or told or fault.unpaired_target or computing or fault.target.nodes
    )
    if len(guilty) > MOST_GUILTY:  # no node of so many is more suspect than what they give
        guilty = tuple(node for node in guilty if {*node.outputs} & {*fault.target.outputs})
    return OtherSubgraph(
        fault.target.outputs,
        listed(computing or fault.target.nodes),
        fault.problem or relation(fault),
        edit,
        Spot(fault.source.nodes, guilty, fault.target.outputs),
    )


def kind(fault: Fault) -> FaultClass | None:
    """Return the finder's class of a target that stops, else that of all that differs."""
    if fault.fault_class is not None or fault.unpaired_source or fault.unpaired_target:
        return fault.fault_class
    if any(_holds_another(one, fault) for one in blamed(fault)):
        return FaultClass.WEIGHTS_BIASES
    aspects = {difference.aspect for difference in fault.differences}
    return ONLY.get(next(iter(aspects))) if len(aspects) == 1 else None


def _holds_another(difference: Difference, fault: Fault) -> bool:
    """Return whether an operand goes wrong at a number that is none of the source's."""
    node = difference.target_node
    if difference.aspect is not Aspect.SHAPE or node is None:
        return False
    known = [value for one in fault.source.nodes for value in one.constants.values()]
    return any(
        value.dtype.kind == "f" and not any(np.array_equal(value, one) for one in known)
        for value in node.constants.values()
    )


def _stopping(fault: Fault) -> tuple[Node, ...]:
    """Return the nodes at which a target stops that does not load or run."""
    stops = set(fault.guilty) if fault.fault_class is not None else set[str]()
    return tuple(node for node in fault.target.nodes if stops & set(node.outputs))


def explain(cause: OtherSubgraph) -> str:
    return (
        f"{several(cause.tensors)}: {cause.ops} does not compute "
        f"what the source's {listed(cause.spot.source)} computes"
        f"{': ' if cause.problem else ''}{cause.problem}"
    )


def repair(cause: OtherSubgraph) -> tuple[Fix, ...]:
    title = f"Compute {several(cause.tensors)} as the source does"
    return (Fix(title, (cause.edit,)),)


RULE = Rule(
    slug="subgraph-differs",
    fault_class=FaultClass.COMPUTATIONAL_GRAPH,
    confidence=LAST_RESORT,
    detect=detect,
    explain=explain,
    repair=repair,
    kind=kind,
    examples=(
        Example(
            source=partial(
                chain, conv(), layer("Neg"), layer("Exp"), layer("Log"), conv(4, 2)
            ),
            target=partial(chain, conv(), layer("Abs"), layer("Sqrt"), conv(4, 2)),
        ),
    ),
)
