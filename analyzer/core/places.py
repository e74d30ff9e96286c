"""Where a model reads a weight, in words that two findings can be compared by."""

from analyzer.core.types import Aspect, Difference, Node


def place_of(node: Node, slot: int) -> str:
    """Return the place of an operand, as `Difference.home` and its messages name it.

    Args:
        node: Who reads it.
        slot: The operand's position among the node's inputs.
    """
    return f"input{slot} of {node.op} {node.name}"


def exchanged(one: Difference, other: Difference) -> bool:
    """Return whether two weights of the target stand in each other's places.

    Args:
        one: A difference of weights.
        other: Another, of another layer.
    """
    return one.home == _own_place(other) and other.home == _own_place(one)


def _own_place(difference: Difference) -> str:
    """Return where the source reads what is right; empty where that is no weight."""
    node, slot = difference.source_node, difference.slot
    if difference.aspect is not Aspect.WEIGHT or node is None or slot is None:
        return ""
    return place_of(node, slot)
