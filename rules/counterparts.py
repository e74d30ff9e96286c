"""What the source has in the place of a node that stops the target, in words."""

from collections.abc import Iterator

import numpy as np
import onnx

from analyzer.core.types import Array, AttributeValue, Fault, FaultClass, Node
from rules.wording import named, shown

STOPPED = frozenset({FaultClass.LOAD_FAILURE, FaultClass.RUNTIME})
"""Faults of a target that computes nothing behind them."""


def stopping_nodes(fault: Fault) -> tuple[Node, ...]:
    """Return the target's nodes that give the tensors at fault."""
    guilty = set(fault.guilty)
    return tuple(node for node in fault.target.nodes if guilty & set(node.outputs))


def counterpart(node: Node, fault: Fault) -> Node | None:
    """Return the source's node for a node of a stopped region, where one is its like.

    Args:
        node: A node of the target's region.
        fault: The fault; both regions lie between the same tensors.

    Returns:
        The node of the same operator and the same rank among its likes; None where the
        regions have other numbers of them.
    """
    theirs = [one for one in fault.target.nodes if one.op == node.op]
    every = (*fault.sizes, *fault.source.nodes)
    ours = [one for one in every if one.op == node.op]
    place = next((n for n, one in enumerate(theirs) if one is node), None)
    if place is None or len(ours) != len(theirs):
        return ours[0] if len(ours) == 1 else None
    return ours[place]


def misfits(node: Node, other: Node) -> Iterator[str]:
    """Yield what a node has otherwise than the source's node for it.

    Args:
        node: The target's.
        other: The source's.
    """
    if node.domain != other.domain:
        yield f"it is of domain {node.domain or 'ai.onnx'}, the source's {other.domain}"
    if len(node.inputs) != len(other.inputs):
        yield f"it reads {len(node.inputs)} inputs, the source's {len(other.inputs)}"
    for slot in sorted(node.constants.keys() & other.constants.keys()):
        one, right = node.constants[slot], other.constants[slot]
        if _differ(one, right):
            yield f"input{slot} is {_told(one)}, the source's {_told(right)}"
    for slot in sorted(other.constants.keys() - node.constants.keys()):
        if slot < len(node.inputs) and node.inputs[slot]:
            wanted = _told(other.constants[slot])
            yield f"input{slot} is {node.inputs[slot]}, the source's is {wanted}"
    for name in sorted(node.attributes.keys() | other.attributes.keys()):
        stated, right_one = node.attributes.get(name), other.attributes.get(name)
        if isinstance(stated, onnx.GraphProto) or isinstance(right_one, onnx.GraphProto):
            continue
        if _is_other(stated, right_one):
            yield f"{name} is {shown(stated)}, the source's {shown(right_one)}"


def _is_other(one: AttributeValue | None, other: AttributeValue | None) -> bool:
    """Return whether two settings differ, of any length."""
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return shown(one) != shown(other)
    return type(one) is not type(other) or one != other


def _differ(one: Array, other: Array) -> bool:
    """Return whether a runtime can tell two constants apart before it computes."""
    same = (one.dtype, one.shape) == (other.dtype, other.shape)
    return not same or (one.dtype.kind in "iu" and not np.array_equal(one, other))


def _told(value: Array) -> str:
    few = value.ndim < 2 and value.dtype.kind in "iu"  # noqa: PLR2004 - sizes or axes
    kind = f"{value.dtype} [{', '.join(map(str, value.shape))}]"
    return f"{kind} {shown(value)}" if few else kind


def read_instead(node: Node, tensor: str, fault: Fault) -> str:
    """Return what the source reads where a node reads a tensor that nobody gives."""
    other = counterpart(node, fault)
    slot = node.inputs.index(tensor)
    if other is None or slot >= len(other.inputs):
        return f"the source has {_first(fault)}"
    if slot in other.constants:
        return f"the source's {named(other)} holds {_told(other.constants[slot])} there"
    every = (*fault.sizes, *fault.source.nodes)
    giver = next((one for one in every if other.inputs[slot] in one.outputs), None)
    what = f"what {named(giver)} gives" if giver else other.inputs[slot]
    return f"the source's {named(other)} reads {what} there"


def _first(fault: Fault) -> str:
    return ", ".join(named(one) for one in fault.source.nodes[:3]) or "nothing there"


def said_of(node: Node, fault: Fault) -> str:
    """Return what the source has in a stopping node's place, and how that differs."""
    other = counterpart(node, fault)
    if other is None:
        return f"the source has {_first(fault)}"
    found = list(misfits(node, other))
    if not found:
        return f"the source's {named(other)} is set as it is: what it reads is wrong"
    return f"{'; '.join(found[:3])} ({named(other)})"
