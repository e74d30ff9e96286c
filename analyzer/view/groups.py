"""Macro operators: each with the layout and affine nodes that fold into it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from analyzer.core.types import Node
from analyzer.view.absorb import is_absorbed, label
from analyzer.view.classes import Step

INPUT = "Input"
"""The label of the operator that stands for a model's input and its first treatment."""


@dataclass(frozen=True, slots=True, eq=False)
class Operator:
    """One macro node: an operator and the layout and affine nodes folded into it.

    Attributes:
        index: Its place in the view, in topological order.
        op: The name it is looked for under; `INPUT` for a model's input.
        nodes: The original nodes, the operator itself first.
        inputs: Dynamic tensors it reads, in order.
        outputs: Tensors it gives that others read, or the model gives out; the last one in
            topological order comes last.
        tensors: Every dynamic tensor inside.
    """

    index: int
    op: str
    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    tensors: tuple[str, ...]


def grouped(
    flowing: Sequence[Step],
    dynamic: frozenset[str],
    inputs: tuple[str, ...],
    outputs: frozenset[str],
) -> tuple[Operator, ...]:
    """Return the macro nodes: each absorbed node joins the group of the tensor it reads.

    Args:
        flowing: See `analyzer.view.classes.waves`.
        dynamic: Tensors whose values depend on the values of the model's inputs.
        inputs: The model's inputs.
        outputs: The model's outputs.
    """
    readers = Counter(chain.from_iterable(step.reads for step in flowing))
    group_of: dict[str, int] = {name: place for place, name in enumerate(inputs)}
    groups: list[list[Node]] = [[] for _ in inputs]
    wanted: list[tuple[str, ...]] = [() for _ in inputs]
    for _, node, names in flowing:
        place = len(groups)
        if is_absorbed(node, dynamic, readers):
            place = next((group_of[name] for name in names if name in group_of), place)
        if place == len(groups):
            groups.append([])
            wanted.append(tuple(dict.fromkeys(filter(dynamic.__contains__, names))))
        groups[place].append(node)
        for name in node.outputs:
            group_of[name] = place
    leaving = outputs.union(*wanted)
    return tuple(
        _operator(place, groups[place], wanted[place], inputs, leaving)
        for place in range(len(groups))
    )


def _operator(
    place: int,
    group: Sequence[Node],
    wanted: tuple[str, ...],
    inputs: Sequence[str],
    leaving: frozenset[str],
) -> Operator:
    """Return the macro node of a group: what it wants of others, and others of it."""
    own = [name for node in group for name in node.outputs if name]
    op = INPUT if place < len(inputs) else label(group[0])
    tensors = (*inputs[place : place + 1], *own) if op == INPUT else tuple(own)
    handed = tuple(filter(leaving.__contains__, tensors))
    return Operator(place, op, tuple(group), wanted, handed, tensors)
