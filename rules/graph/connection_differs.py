"""An operator reads another tensor than the source's.

Cause
    The conversion joined an operator to the wrong tensor: two operands were exchanged, a
    branch was taken before or behind the place where it forks, two tensors of one shape
    were confused, merged as duplicates or given each other's names.

Evidence
    The operator and all its settings are the source's, and fed the tensors that its
    counterpart reads, the region is right.

Repair
    Let it read those tensors.

Safety
    Safe: nothing else of the target changes, and a tensor that depends on the operator
    itself is never proposed.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import onnx
from onnx import helper, numpy_helper

from analyzer.core.listing import several
from analyzer.core.types import (
    Aspect,
    Difference,
    Fault,
    FaultClass,
    Fix,
    Node,
    Rewire,
)
from rules.base import PROVEN, Example, Rule, Spot
from rules.evidence import blamed
from rules.models import model, weights
from rules.sabotage import Victim, spoiled
from rules.wording import named

ORDERED = frozenset({"Sub", "Div", "Pow", "MatMul", "Concat", "Less", "Greater", "Where"})
"""Operators to which the order of what they read matters."""


@dataclass(frozen=True, slots=True, eq=False)
class Misread:
    """An operator and, by input slot, the tensor it should read and the one it does."""

    node: Node
    moved: tuple[Difference, ...]
    spot: Spot


def detect(fault: Fault) -> Misread | None:
    moved = tuple(one for one in blamed(fault) if one.aspect is Aspect.CONNECTION)
    node = moved[0].target_node if moved else None
    if node is None:
        return None
    ours = moved[0].source_node
    return Misread(node, moved, Spot(() if ours is None else (ours,), (node,)))


def explain(cause: Misread) -> str:
    read = several(one.target for one in cause.moved)
    right = several(one.source for one in cause.moved)
    return (
        f"{named(cause.node)}: reads {read} where the source's operator reads what is "
        f"{right} here"
    )


def repair(cause: Misread) -> tuple[Fix, ...]:
    right = several(one.source for one in cause.moved)
    edits = tuple(Rewire(cause.node.name, one.slot, str(one.source)) for one in cause.moved)
    return (Fix(f"Let {cause.node.name} read {right}", edits),)


def sabotage(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto | None:
    return spoiled(model, rng, ORDERED, _exchanged)


def _exchanged(victim: Victim) -> bool:
    """Exchange the first two of what an operator reads."""
    node, graph = victim.node, victim.model.graph
    made = {name for other in graph.node for name in other.output}
    computed = [slot for slot, name in enumerate(node.input) if name in made]
    if len(computed) < 2 or len({node.input[slot] for slot in computed[:2]}) < 2:  # noqa: PLR2004 - two are exchanged
        return False
    one, other = computed[:2]
    node.input[one], node.input[other] = node.input[other], node.input[one]
    return True


def difference_of(*reads: str) -> onnx.ModelProto:
    """Return two convolutions of one input, and what two of the tensors differ by."""
    kernels = [
        numpy_helper.from_array(weights(3, 3, 1, 1, seed=seed), f"w{seed}")
        for seed in (0, 1)
    ]
    nodes = [
        helper.make_node("Conv", ["x", "w0"], ["a"], name="first"),
        helper.make_node("Conv", ["x", "w1"], ["b"], name="second"),
        helper.make_node("Sub", list(reads), ["y"], name="apart"),
    ]
    return model(nodes, kernels)


RULE = Rule(
    slug="connection-differs",
    fault_class=FaultClass.COMPUTATIONAL_GRAPH,
    confidence=PROVEN,
    detect=detect,
    explain=explain,
    repair=repair,
    sabotage=sabotage,
    examples=(
        Example(
            source=partial(difference_of, "a", "b"),
            target=partial(difference_of, "b", "a"),
        ),
        Example(
            source=partial(difference_of, "a", "b"),
            target=partial(difference_of, "a", "x"),
        ),
    ),
)
