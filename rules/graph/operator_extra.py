"""The target has operators that the source lacks.

Cause
    The converter wrapped an operator in others that belong elsewhere: a pair of flips
    around a sum, a second activation, a scale.

Evidence
    The target has nodes without counterpart, each with one tensor in and one out of the
    same shape, and the source has nothing in their place.

Repair
    Remove them; whoever read what they gave reads what they read.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import onnx

from analyzer.core.listing import several
from analyzer.core.types import (
    Array,
    Aspect,
    Edit,
    Fault,
    FaultClass,
    Fix,
    Node,
    RemoveNode,
)
from rules.base import PLAUSIBLE, PROVEN, Example, Rule, Spot
from rules.carrying import carried
from rules.evidence import blamed, deviation
from rules.models import axes, chain, conv, layer
from rules.regions import PASSING, RESHAPING, computed_inputs
from rules.sabotage import Victim, inserted_after, spoiled
from rules.wording import listed

STRUCTURAL = PLAUSIBLE / PROVEN + 0.05
"""Certainty: only the structure speaks, and the repair; above that of a whole subgraph."""


@dataclass(frozen=True, slots=True, eq=False)
class Extra:
    """The nodes that are too many, and the sets of edits that could undo them."""

    nodes: tuple[Node, ...]
    edits: tuple[tuple[Edit, ...], ...]
    spot: Spot


def detect(fault: Fault) -> Extra | None:
    proven = tuple(
        difference.target_node
        for difference in blamed(fault)
        if difference.aspect is Aspect.OPERATOR
        and difference.source_node is None
        and difference.target_node is not None
    )
    extra = proven or fault.unpaired_target
    if not extra or (fault.unpaired_source and not proven):
        return None
    if not proven and _is_refuted(extra, fault):
        return None
    plain = all(_is_plain(node) for node in extra)
    whole = carried(fault)
    removal = tuple(RemoveNode(node.name, _slot(node)) for node in extra) if plain else ()
    edits = [e for e in (removal, () if whole is None else (whole,)) if e]
    return Extra(
        extra, tuple(edits), Spot((), extra, certainty=1.0 if proven else STRUCTURAL)
    )


def _is_refuted(extra: tuple[Node, ...], fault: Fault) -> bool:
    """Return whether, without them, nothing is left of the region and that is not right."""
    rest = [one for one in fault.target.nodes if one.op not in PASSING | RESHAPING]
    inputs, outputs = fault.target.inputs, fault.target.outputs
    if len(inputs) != 1 or len(outputs) != 1 or {id(n) for n in rest} - {*map(id, extra)}:
        return False
    both = [
        (one.inputs[inputs[0]], one.expected[outputs[0]])
        for one in fault.recorded
        if inputs[0] in one.inputs and outputs[0] in one.expected
    ]
    return any(
        read.shape == right.shape and deviation(read, right) > fault.noise_floor
        for read, right in both
    )


def explain(cause: Extra) -> str:
    names = several(node.name for node in cause.nodes)
    return f"{listed(cause.nodes)} ({names}) in the target has no counterpart in the source"


def repair(cause: Extra) -> tuple[Fix, ...]:
    return tuple(Fix(f"Remove {listed(cause.nodes)}", edits) for edits in cause.edits)


def sabotage(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto | None:
    return spoiled(model, rng, {"Conv", "Gemm", "BatchNormalization"}, _limit)


def _limit(victim: Victim) -> bool:
    return inserted_after(victim, "Tanh")


def _is_plain(node: Node) -> bool:
    return len(computed_inputs(node)) == 1 and len([n for n in node.outputs if n]) == 1


def _slot(node: Node) -> int:
    return node.inputs.index(computed_inputs(node)[0])


def flip() -> tuple[Array, ...]:
    """Return the inputs of a Slice that reverses the last axis."""
    return axes(-1), axes(np.iinfo(np.int64).min + 1), axes(3), axes(-1)


RULE = Rule(
    slug="operator-extra",
    fault_class=FaultClass.COMPUTATIONAL_GRAPH,
    confidence=PROVEN,
    detect=detect,
    explain=explain,
    repair=repair,
    sabotage=sabotage,
    examples=(
        Example(
            source=partial(chain, conv(), conv(4, 2)),
            target=partial(chain, conv(), layer("Tanh"), conv(4, 2)),
        ),
        Example(
            source=partial(chain, conv(), layer("CumSum", axes(3)[0]), conv(4, 2)),
            target=partial(
                chain,
                conv(),
                layer("Slice", *flip()),
                layer("CumSum", axes(3)[0]),
                layer("Slice", *flip()),
                conv(4, 2),
            ),
        ),
    ),
)
