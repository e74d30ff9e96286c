"""Operands that stand in each other's places in what a file computes of constants alone.

A comparison of places gives a mask; turned about, it gives the mask of the other half. No
tensor that depends on an input is wrong then, and none that the source holds is missing.
"""

from dataclasses import replace

from analyzer.core.types import Aspect, Difference, Fault
from analyzer.differences.undo import undo
from analyzer.matching.labels import COMMUTATIVE
from analyzer.runtime.region import region_error
from analyzer.sides import Side

BOTH = (0, 1)
"""The slots of the two operands."""


def with_turned(fault: Fault, cause: Difference, target: Side) -> Fault:
    """Return a fault of arithmetic, with its operands' order as the cause if it is.

    Args:
        fault: The fault of the nodes that compute an operand.
        cause: The difference that says so; its target node is where they go wrong.
        target: The target.

    Returns:
        The fault with one difference a slot in place of that one, both marked as joint,
        where its result is right with the node's two operands exchanged; else the fault as
        it came.
    """
    node = cause.target_node
    if node is None or node.op in COMMUTATIVE or len(set(node.inputs)) != len(BOTH):
        return fault
    turned = tuple(
        Difference(
            Aspect.CONNECTION,
            f"input{slot}",
            node.inputs[1 - slot],
            node.inputs[slot],
            cause.source_node,
            node,
            slot,
            jointly=True,
        )
        for slot in BOTH
    )
    model = target.model
    for one in turned:
        changed = undo(model, one)
        if changed is None:
            return fault
        model = changed
    left = region_error(model, target.folder, fault.recorded, fault.target.outputs)
    if left > 0.0:
        return fault
    rest = tuple(one for one in fault.differences if one is not cause)
    cures = tuple(replace(one, cure=cause.cure) for one in turned)
    return replace(fault, differences=(*cures, *rest))
