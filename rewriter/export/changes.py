"""What a repair changed in a pivot, node by node: what every native file is told."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analyzer.core.types import Array, AttributeValue, Node


@dataclass(frozen=True, slots=True, eq=False)
class ConstantChange:
    """A node's constant input has another value.

    Attributes:
        node: The node as it was imported.
        slot: Which of its inputs.
        tensor: The constant's name in the imported pivot.
        old: Its value there.
        new: Its value after the repair.
    """

    node: Node
    slot: int
    tensor: str
    old: Array
    new: Array


@dataclass(frozen=True, slots=True, eq=False)
class AttributeChange:
    """A node's attribute has another value; None: it has none."""

    node: Node
    attribute: str
    old: AttributeValue | None
    new: AttributeValue | None


@dataclass(frozen=True, slots=True, eq=False)
class WireChange:
    """A node's input is another tensor; an empty name: none, or a constant.

    Attributes:
        node: The node after the repair.
        slot: Which of its inputs.
        old: What it read.
        new: What it reads.
    """

    node: Node
    slot: int
    old: str
    new: str


@dataclass(frozen=True, slots=True, eq=False)
class Changes:
    """What a repair changed.

    Attributes:
        constants: New values of constants.
        attributes: New values of attributes.
        wires: Inputs that come from elsewhere.
        added: Nodes that were not there, in topological order.
        removed: Nodes that are there no more.
        outputs: Whether the model's outputs are others.
    """

    constants: tuple[ConstantChange, ...]
    attributes: tuple[AttributeChange, ...]
    wires: tuple[WireChange, ...]
    added: tuple[Node, ...]
    removed: tuple[Node, ...]
    outputs: bool

    @property
    def of_values(self) -> bool:
        """Whether nothing but values of constants and attributes changed."""
        return not (self.wires or self.added or self.removed or self.outputs)


def changes(
    before: Sequence[Node],
    after: Sequence[Node],
    outputs: tuple[Sequence[str], Sequence[str]],
) -> Changes:
    """Return what differs between a pivot's nodes and those of its repaired copy.

    A node is known by its name; one whose operator changed is removed and added.

    Args:
        before: The imported pivot's nodes, as `analyzer.core.graph.nodes` gives them.
        after: The repaired one's.
        outputs: Names of the models' outputs, before and after.
    """
    old = {(node.name, node.op, node.domain): node for node in before}
    kept = [
        (was, node)
        for node in after
        if (was := old.get((node.name, node.op, node.domain))) is not None
    ]
    known = {(was.name, was.op, was.domain) for was, _ in kept}
    return Changes(
        tuple(one for was, node in kept for one in _constants(was, node)),
        tuple(one for was, node in kept for one in _attributes(was, node)),
        tuple(one for was, node in kept for one in _wires(was, node)),
        tuple(node for node in after if (node.name, node.op, node.domain) not in known),
        tuple(node for node in before if (node.name, node.op, node.domain) not in known),
        tuple(outputs[0]) != tuple(outputs[1]),
    )


def _constants(was: Node, node: Node) -> list[ConstantChange]:
    both = sorted(was.constants.keys() & node.constants.keys())
    return [
        ConstantChange(
            was, slot, was.inputs[slot], was.constants[slot], node.constants[slot]
        )
        for slot in both
        if not same(was.constants[slot], node.constants[slot])
    ]


def _attributes(was: Node, node: Node) -> list[AttributeChange]:
    names = sorted(was.attributes.keys() | node.attributes.keys())
    both = [(name, was.attributes.get(name), node.attributes.get(name)) for name in names]
    return [
        AttributeChange(was, name, old, new)
        for name, old, new in both
        if not same(old, new)
    ]


def _wires(was: Node, node: Node) -> list[WireChange]:
    slots = range(max(len(was.inputs), len(node.inputs)))
    both = [(slot, _wire(was, slot), _wire(node, slot)) for slot in slots]
    return [WireChange(node, slot, old, new) for slot, old, new in both if old != new]


def _wire(node: Node, slot: int) -> str:
    """Return the computed tensor that a node reads; of a constant, its slot's number."""
    if slot in node.constants:
        return f"constant {slot}"
    return node.inputs[slot] if slot < len(node.inputs) else ""


def same(first: AttributeValue | None, second: AttributeValue | None) -> bool:
    """Return whether two values, arrays among them, are the same to the bit."""
    if first is second:
        return True
    if not (isinstance(first, np.ndarray) and isinstance(second, np.ndarray)):
        return type(first) is type(second) and bool(first == second)
    alike = first.dtype == second.dtype and first.shape == second.shape
    return alike and first.tobytes() == second.tobytes()
