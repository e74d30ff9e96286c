"""A node does not take what it is given, and stops the target.

Cause
    A weight of another shape or number type, a list of sizes that cannot hold the input, a
    setting of the wrong type or rank: the runtime refuses the node as it loads the model,
    or as it comes to it.

Evidence
    The runtime stops at this node, and runs what stands before it; the source's node in its
    place has other constants or settings, and runs.

Repair
    Give the node the source's constants; complete an order of axes that names one twice or
    one that there is not; else let the source's nodes compute its part.

Safety
    Safe where the repair is kept: the part then computes what the source computes.

Prevention
    Run the converted model once, on any input, before it is shipped: every such node stops
    it at once.

References:
    https://github.com/onnx/optimizer/issues/171
    https://github.com/onnx/optimizer/issues/177
    https://github.com/pytorch/pytorch/issues/16497
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import onnx

from analyzer.core.listing import several
from analyzer.core.types import (
    Fault,
    FaultClass,
    Fix,
    Node,
    Permutation,
    ReplaceRegion,
    SetAttribute,
    SetConstant,
)
from rules.base import LIKELY, Example, Rule, Spot
from rules.carrying import carried
from rules.counterparts import STOPPED, counterpart, said_of, stopping_nodes
from rules.models import Layer, chain, conv, weights
from rules.wording import named

WORDS = re.compile(r"(?P<verb>does not \w+): .*? model: (?:node .*?: )?(?P<why>.*)")
"""A refusal: what the target does not do, and why in the runtime's own words."""


@dataclass(frozen=True, slots=True, eq=False)
class Stopping:
    """The node, what the runtime says, what the source has, and what would mend it."""

    node: Node
    problem: str
    contrast: str
    constants: tuple[SetConstant, ...]
    orders: tuple[Permutation, ...]
    edit: ReplaceRegion | None
    spot: Spot


def detect(fault: Fault) -> Stopping | None:
    found = stopping_nodes(fault)
    if fault.fault_class not in STOPPED or fault.restated or not found:
        return None
    node, other = found[0], counterpart(found[0], fault)
    constants = () if other is None else tuple(_given(node, other, fault))
    edit = carried(fault)
    orders = tuple(_orders(node))
    if not constants and not orders and edit is None:
        return None
    spot = Spot((other,) if other else fault.source.nodes, found[:1])
    return Stopping(
        node, fault.problem, said_of(node, fault), constants, orders, edit, spot
    )


def explain(cause: Stopping) -> str:
    words = WORDS.search(cause.problem)
    said = f"{words['verb']}: {words['why']}" if words else cause.problem
    return f"{named(cause.node)} {said}; {cause.contrast}"


def repair(cause: Stopping) -> tuple[Fix, ...]:
    slots = several(f"input{edit.slot}" for edit in cause.constants)
    given = Fix(f"Restore {slots} of {cause.node.name}", cause.constants)
    ordered = (
        Fix(
            f"Let {cause.node.name} exchange axes by {order}",
            (SetAttribute(cause.node.name, "perm", order),),
        )
        for order in cause.orders
    )
    whole = () if cause.edit is None else (cause.edit,)
    carried_over = Fix(f"Compute {cause.node.outputs[0]} as the source does", whole)
    return tuple(fix for fix in (given, *ordered, carried_over) if fix.edits)


def _orders(node: Node) -> Iterator[Permutation]:
    """Yield the orders of axes that a Transpose may have been meant to have."""
    stated = node.attributes.get("perm") if node.op == "Transpose" else None
    if isinstance(stated, tuple):
        yield from completed(tuple(int(axis) for axis in stated))


def completed(stated: Sequence[int]) -> Iterator[Permutation]:
    """Yield the orders of axes that differ in one place from what is none.

    Args:
        stated: Axes, one of which occurs twice or is none of as many; an order as it should
            be has none to be completed by.
    """
    lost = set(range(len(stated))) - set(stated)
    if len(lost) != 1:
        return
    for place in range(len(stated)):
        order = (*stated[:place], *lost, *stated[place + 1 :])
        if sorted(order) == list(range(len(order))):
            yield order


def _given(node: Node, other: Node, fault: Fault) -> Iterator[SetConstant]:
    """Yield the source's constants for a node's, where the tensors lie alike."""
    if any(edge.permutation is not None for edge in fault.edges):
        return
    for slot in sorted(node.constants.keys() & other.constants.keys()):
        one, right = node.constants[slot], other.constants[slot]
        if (one.dtype, one.shape) != (right.dtype, right.shape):
            yield SetConstant(node.name, slot, right)


def thinned() -> onnx.ModelProto:
    """Return two convolutions of which the second expects a channel less."""
    whole = conv(4, 2)
    kernel = Layer(whole.op, whole.attributes, {**whole.constants, 1: weights(2, 3, 3, 3)})
    return chain(conv(), kernel)


def short() -> onnx.ModelProto:
    """Return two convolutions of which the second lacks one number of its bias."""
    whole = conv(4, 2)
    bias = whole.constants[2][:-1]
    return chain(conv(), Layer(whole.op, whole.attributes, {**whole.constants, 2: bias}))


RULE = Rule(
    slug="node-stops",
    fault_class=FaultClass.RUNTIME,
    confidence=LIKELY,
    detect=detect,
    explain=explain,
    repair=repair,
    examples=(
        Example(source=partial(chain, conv(), conv(4, 2)), target=thinned),
        Example(source=partial(chain, conv(), conv(4, 2)), target=short),
    ),
)
