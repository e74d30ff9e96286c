"""An operator stands where the source has another.

Cause
    The converter mapped the operator to a similar one: LeakyRelu to Relu, an average to a
    maximum, a convolution that is transposed to one that is not.

Evidence
    One operator on each side has no counterpart, in the same place; both read and give as
    many tensors.

Repair
    Write the source's operator in its place, in the target's opset and layout; on integers,
    with the grid that its range asks for.

References:
    https://github.com/NVIDIA/TensorRT/issues/4513
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import onnx

from analyzer.core.spelling import replacement
from analyzer.core.types import Aspect, Edit, Fault, FaultClass, Fix, Node, ReplaceRegion
from rules.base import PLAUSIBLE, PROVEN, Example, Rule, Spot
from rules.carrying import carried, in_layout
from rules.evidence import is_cure
from rules.grids import on_fixed_grid
from rules.models import chain, conv, layer
from rules.regions import computed_inputs, placed, sample_shape
from rules.sabotage import Victim, spoiled
from rules.wording import named

STRUCTURAL = PLAUSIBLE / PROVEN
"""Certainty where no cause test ran, only the structure speaks."""

SWAPS = {
    "Relu": "Sigmoid",
    "Sigmoid": "Tanh",
    "Tanh": "Sigmoid",
    "MaxPool": "AveragePool",
    "GlobalAveragePool": "GlobalMaxPool",
    "Add": "Mul",
    "Mul": "Add",
    "LeakyRelu": "Relu",
}
"""What sabotage puts in an operator's place."""


@dataclass(frozen=True, slots=True, eq=False)
class Replaced:
    """A source operator, the target operator in its place, and ways to undo it."""

    source: Node
    target: Node
    ways: tuple[tuple[Edit, ...], ...]
    spot: Spot


def detect(fault: Fault) -> Replaced | None:
    both = _tested(fault) or _unpaired(fault)
    if both is None or both[0].op == both[1].op:
        return None
    source, target = both
    graph = _graph(source, target, fault)
    whole = carried(fault)
    proven = any(is_cure(d, fault) for d in fault.differences if d.target_node is target)
    certainty = 1.0 if proven else STRUCTURAL
    ways = list[tuple[Edit, ...]]()
    if graph is not None:
        own = ReplaceRegion((target.name,), graph, target.opset)
        grid = on_fixed_grid(source.op, target.outputs[0], fault.target.nodes)
        ways += [(own, *grid), (own,)] if grid else [(own,)]
    ways += [] if whole is None else [(whole,)]
    spot = Spot((source,), (target,), certainty=certainty)
    return Replaced(source, target, tuple(ways), spot)


def explain(cause: Replaced) -> str:
    return f"{named(cause.target)}: stands where the source has {named(cause.source)}"


def repair(cause: Replaced) -> tuple[Fix, ...]:
    title = f"Put {cause.source.op} in the place of {cause.target.op} {cause.target.name}"
    return tuple(Fix(title, edits) for edits in cause.ways)


def sabotage(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto | None:
    return spoiled(model, rng, SWAPS.keys(), _swap)


def _swap(victim: Victim) -> bool:
    victim.node.op_type = SWAPS[victim.node.op_type]
    for name in ("alpha", "storage_order", "dilations"):
        victim.set_attribute(name, None)
    return True


def _tested(fault: Fault) -> tuple[Node, Node] | None:
    for difference in fault.differences:
        source, target = difference.source_node, difference.target_node
        if (
            difference.aspect is Aspect.OPERATOR
            and source
            and target
            and is_cure(difference, fault)
        ):
            return source, target
    return None


def _unpaired(fault: Fault) -> tuple[Node, Node] | None:
    match fault.unpaired_source, fault.unpaired_target:
        case (source,), (target,) if len(computed_inputs(source)) == len(
            computed_inputs(target)
        ):
            return source, target
    return None


def _graph(source: Node, target: Node, fault: Fault) -> onnx.GraphProto | None:
    place = placed(computed_inputs(source)[0], fault) if computed_inputs(source) else None
    shape = sample_shape(fault, target.inputs[0])
    rank = None if shape is None else len(shape)
    moved = in_layout(source, place.permutation if place else None, rank)
    return None if moved is None else replacement(moved, target, rank=rank)


RULE = Rule(
    slug="operator-replaced",
    fault_class=FaultClass.COMPUTATIONAL_GRAPH,
    confidence=PROVEN,
    detect=detect,
    explain=explain,
    repair=repair,
    sabotage=sabotage,
    examples=(
        Example(
            source=partial(chain, conv(), layer("LeakyRelu", alpha=0.3), conv(4, 2)),
            target=partial(chain, conv(), layer("Relu"), conv(4, 2)),
        ),
        Example(
            source=partial(
                chain, conv(), layer("MaxPool", kernel_shape=(2, 2)), layer("Relu")
            ),
            target=partial(
                chain, conv(), layer("AveragePool", kernel_shape=(2, 2)), layer("Relu")
            ),
        ),
    ),
)
