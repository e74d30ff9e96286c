"""The nodes of a repaired pivot, grouped as the operators of a flatbuffer.

The nodes behind one operator (a product, its bias, the activation fused into it, transposes
that only the pivot has) form a group; groups are what the flatbuffer has tensors between.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher

import numpy as np

from analyzer.core.grids import WRITER
from analyzer.core.types import Node, Permutation
from rewriter.export.tflite_file import FbOperator, Flatbuffer, option, set_option
from rewriter.export.tflite_owners import NONE, Owners, activation
from rewriter.export.tflite_refusal import refusal
from rewriter.export.tflite_values import same_constant

FUSED = "fusedActivationFunction"

PASSING = frozenset({"Identity", "Dropout"})
"""Operators that only give a tensor another name, which the flatbuffer has no need of."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a repaired pivot says beside its nodes.

    Attributes:
        outputs: Its outputs.
        shapes: Sizes of each tensor whose sizes are all known, by name.
        reshaped: Tensors whose sizes the repair changed.
    """

    outputs: Collection[str]
    shapes: Mapping[str, tuple[int, ...]]
    reshaped: Collection[str]


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Nodes that are one operator of the flatbuffer.

    Attributes:
        operator: The operator; None for a model input and for a new one.
        node: The new node; None for a model input and for operators that were there.
        names: The pivot tensors inside, the last one last.
        kept: The nodes of an operator that was there, before and after the repair.
    """

    operator: FbOperator | None
    node: Node | None
    names: list[str]
    kept: list[tuple[Node, Node]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """The groups of a repaired pivot, and what they came from."""

    flatbuffer: Flatbuffer
    owned: Owners
    before: Mapping[str, Node]
    left: Collection[str]
    readers: Mapping[str, int]
    shapes: Mapping[str, tuple[int, ...]]
    groups: list[Group] = field(default_factory=list)
    group_of: dict[str, Group] = field(default_factory=dict)
    layout: dict[str, Permutation] = field(default_factory=dict)


def recognised(before: Sequence[Node], after: Sequence[Node]) -> tuple[Node, ...]:
    """Return the repaired nodes, new ones named as the old ones they are again.

    A replaced region often repeats operators of the one it replaces. Of both sequences of
    operator types, what they have in common in order is taken to be the same operators.

    Args:
        before: The nodes of the imported pivot.
        after: The nodes of the repaired one.
    """
    old, new = {node.name for node in before}, {node.name for node in after}
    gone = [node for node in before if node.name not in new]
    come = [node for node in after if node.name not in old]
    ops = [one.op for one in gone], [one.op for one in come]
    blocks = SequenceMatcher(None, *ops, autojunk=False).get_matching_blocks()
    names = {
        come[block.b + offset].name: gone[block.a + offset].name
        for block in blocks
        for offset in range(block.size)
    }
    return tuple(replace(node, name=names.get(node.name, node.name)) for node in after)


def readers_of(nodes: Sequence[Node], ends: Collection[str]) -> dict[str, int]:
    """Return how often each tensor is read, by nodes and as a model output."""
    counts = dict.fromkeys(ends, 1)
    for node in nodes:
        for name in node.inputs:
            counts[name] = counts.get(name, 0) + 1
    return counts


def start(plan: Plan) -> None:
    """Let each model input be a group of its own."""
    inputs = {int(index) for index in plan.flatbuffer.graph.inputs}
    given = {name for node in plan.before.values() for name in node.outputs}
    for name, index in plan.owned.place.items():
        if index in inputs and name not in given:
            _open(plan, Group(None, None, [name]))
            plan.layout[name] = plan.owned.layout[name]


def _open(plan: Plan, group: Group) -> None:
    plan.groups.append(group)
    plan.group_of.update(dict.fromkeys(group.names, group))


def unfuse(plan: Plan, after: Sequence[Node]) -> None:
    """Take out the fused activations whose nodes are gone or do something else now."""
    kept = {node.name: node for node in after}
    for name, host in plan.owned.fused.items():
        if name not in kept or activation(kept[name]) != activation(plan.before[name]):
            set_option(host, FUSED, NONE)


def place(plan: Plan, node: Node) -> None:
    """Put a node into the group it belongs to, or open one for it."""
    old = plan.before.get(node.name)
    if old is not None and old.op != node.op:
        old = None
    groups = (plan.group_of.get(name) for name in node.inputs)
    upstream = next((group for group in groups if group is not None), None)
    _lay_out(plan, node, old)
    if _stays_fused(plan, node, upstream) or _is_fused_now(plan, node, old, upstream):
        _join(plan, node, upstream)
        return
    operator = None if old is None else plan.owned.operators.get(old.name)
    if operator is not None and _is_taken_over(plan, node, operator, upstream):
        _join(plan, node, upstream)
        return
    if old is not None and operator is not None:
        _keep(plan, (old, node), operator)
        return
    if old is None and node.op in PASSING and upstream is not None:
        _join(plan, node, upstream)
        return
    if old is None or old.name in plan.owned.fused:
        _open(plan, Group(None, node, list(node.outputs)))
        return
    if differ(old, node):
        raise refusal(node, "it stands for no operator of its own in the flatbuffer")
    _join(plan, node, upstream)


def _is_taken_over(
    plan: Plan, node: Node, operator: FbOperator, upstream: Group | None
) -> bool:
    """Return whether only the grid is left of an operator, and a new one gives on it."""
    if node.op != WRITER or upstream is None or upstream.node is None:
        return False
    parts = (name for name, one in plan.owned.operators.items() if one is operator)
    rest = [name for name in parts if name in plan.left]
    return rest == [node.name] and plan.readers.get(node.inputs[0], 0) == 1


def _lay_out(plan: Plan, node: Node, old: Node | None) -> None:
    """Note how a node's outputs lie: as they did, or as what it reads."""
    known = [plan.layout[name] for name in node.inputs if name in plan.layout]
    if old is not None:
        laid = [plan.owned.layout.get(name) for name in old.outputs]
    else:
        laid = [known[0] if known else None] * len(node.outputs)
    pairs = zip(node.outputs, laid, strict=False)
    plan.layout.update({name: axes for name, axes in pairs if axes is not None})


def _stays_fused(plan: Plan, node: Node, upstream: Group | None) -> bool:
    """Return whether an activation is still fused into the operator it reads."""
    host = plan.owned.fused.get(node.name)
    if host is None:
        return False
    if upstream is not None and upstream.operator is host:
        return option(host, FUSED) == activation(node)
    set_option(host, FUSED, NONE)  # something stands between them now
    return False


def _is_fused_now(plan: Plan, node: Node, old: Node | None, upstream: Group | None) -> bool:
    """Fuse a new activation into the operator it reads, if that can be; return whether."""
    if old is not None and old.name not in plan.owned.fused:
        return False
    code, host = activation(node), None if upstream is None else upstream.operator
    if code is None or host is None or option(host, FUSED) != NONE:
        return False
    if plan.readers.get(node.inputs[0], 0) != 1:
        return False
    set_option(host, FUSED, code)
    return True


def _join(plan: Plan, node: Node, group: Group | None) -> None:
    if group is None:  # shape arithmetic on constants, which the flatbuffer has not
        return
    group.names.extend(node.outputs)
    plan.group_of.update(dict.fromkeys(node.outputs, group))


def _keep(plan: Plan, pair: tuple[Node, Node], operator: FbOperator) -> None:
    """Put a node that was there into the group of its operator."""
    group = next((one for one in plan.groups if one.operator is operator), None)
    if group is None:
        group = Group(operator, None, [])
        _open(plan, group)
    group.kept.append(pair)
    group.names.extend(pair[1].outputs)
    plan.group_of.update(dict.fromkeys(pair[1].outputs, group))


def differ(before: Node, after: Node) -> bool:
    """Return whether a node's own settings changed, its wires aside."""
    names = before.attributes.keys() | after.attributes.keys()
    slots = before.constants.keys() | after.constants.keys()
    return not (
        all(_equal(before.attributes.get(one), after.attributes.get(one)) for one in names)
        and all(same_constant(before, after, slot) for slot in slots)
    )


def _equal(first: object, second: object) -> bool:
    if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
        return np.array_equal(first, second)
    return first is second or (type(first) is type(second) and first == second)
