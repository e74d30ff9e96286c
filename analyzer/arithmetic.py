"""The cause test for computed operands: does arithmetic on sizes mislead a region?

A Reshape reads its sizes, a Slice its bounds, from nodes that no value of an input reaches.
They belong to no region; where one of them is wrong, the error first shows in who reads it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analyzer.core.graph import nodes
from analyzer.core.types import Array, Aspect, Difference, Fault, Feeds, Node
from analyzer.differences.operators import couples
from analyzer.runtime.region import region_error
from analyzer.sides import Side

COMPUTED = "computed operand"
"""Field of a difference in what arithmetic on sizes gives an operator."""


@dataclass(frozen=True, slots=True, eq=False)
class _Operand:
    """What an operator of either side reads from arithmetic, sample by sample."""

    source: Node
    target: Node
    slot: int
    ours: tuple[Array, ...]
    theirs: tuple[Array, ...]

    @property
    def name(self) -> str:
        """The target tensor."""
        return self.target.inputs[self.slot]

    def is_same(self) -> bool:
        """Return whether both sides read the same on every sample."""
        both = zip(self.ours, self.theirs, strict=True)
        return all(np.array_equal(one, other) for one, other in both)


def operand_causes(
    fault: Fault, source: Side, target: Side, given: Sequence[Feeds], seen: Sequence[Feeds]
) -> tuple[Difference, ...]:
    """Return a difference for each computed operand with whose source value it is right.

    Args:
        fault: A fault with pairs and recorded samples.
        source: The source.
        target: The target.
        given: The source's values of each recorded sample, all tensors.
        seen: The target's values of each recorded sample, all tensors.

    Returns:
        Differences of the field `COMPUTED`; the target node of each is where the arithmetic
        goes wrong: the first node that gives what none of the source's gives.
    """
    operands = (
        operand
        for pair in fault.pairs
        for couple in couples(pair)
        if couple.source and couple.target and couple.source.op == couple.target.op
        for operand in _operands(couple.source, couple.target, target, given, seen)
    )
    different = (one for one in operands if not one.is_same())
    found = (_cured(fault, source, target, one, given, seen) for one in different)
    return tuple(difference for difference in found if difference is not None)


def _operands(
    ours: Node, theirs: Node, target: Side, given: Sequence[Feeds], seen: Sequence[Feeds]
) -> Iterator[_Operand]:
    """Yield the slots of two nodes that the target fills by arithmetic."""
    for slot, name in enumerate(theirs.inputs[: len(ours.inputs)]):
        if not name or name in target.view.dynamic or slot in theirs.constants:
            continue
        right = [_value(ours, slot, one) for one in given]
        found = [one.get(name) for one in seen]
        known = [(a, b) for a, b in zip(right, found, strict=True) if _both(a, b)]
        if known and len(known) == len(given):
            yield _Operand(
                ours,
                theirs,
                slot,
                tuple(a for a, _ in known if a is not None),
                tuple(b for _, b in known if b is not None),
            )


def _both(one: Array | None, other: Array | None) -> bool:
    return one is not None and other is not None and one.dtype == other.dtype


def _value(node: Node, slot: int, given: Feeds) -> Array | None:
    constant = node.constants.get(slot)
    return given.get(node.inputs[slot]) if constant is None else constant


def _cured(
    fault: Fault,
    source: Side,
    target: Side,
    operand: _Operand,
    given: Sequence[Feeds],
    seen: Sequence[Feeds],
) -> Difference | None:
    """Return the difference of an operand that cures the region, else None."""
    fed = tuple(
        replace(sample, inputs={**sample.inputs, operand.name: right})
        for sample, right in zip(fault.recorded, operand.ours, strict=False)
    )
    cure = region_error(target.model, target.folder, fed, fault.target.outputs)
    if cure > fault.noise_floor:
        return None
    return Difference(
        Aspect.SHAPE,
        COMPUTED,
        tuple(operand.ours[0].reshape(-1).tolist()),
        tuple(operand.theirs[0].reshape(-1).tolist()),
        operand.source,
        _origin(source, target, operand, given[0], seen[0]),
        cure=cure,
    )


def _origin(
    source: Side, target: Side, operand: _Operand, given: Feeds, seen: Feeds
) -> Node:
    """Return the target node at which an operand goes wrong; its reader where none does.

    From the operand back along values that none of the source's nodes holds; what leads to
    a right value on the way is only another spelling.
    """
    right = {
        _key(value) for value in _values(source, operand.source.inputs[operand.slot], given)
    }
    right.update(_key(one) for one in operand.ours)
    givers = {name: node for node in _before(target, operand.name) for name in node.outputs}
    odd = [operand.name] if operand.name in givers else []
    found = operand.target
    while odd:
        found = givers[odd[0]]
        known = (name for name in found.inputs if name in givers and name in seen)
        odd = [name for name in known if _key(seen[name]) not in right]
    return found


def _values(side: Side, name: str, values: Feeds) -> Iterator[Array]:
    """Yield what each node behind a computed tensor reads and gives."""
    for node in _before(side, name):
        yield from node.constants.values()
        yield from (values[one] for one in (*node.inputs, *node.outputs) if one in values)


def _before(side: Side, name: str) -> tuple[Node, ...]:
    """Return the nodes that compute a tensor from sizes and constants, first ones first."""
    every = nodes(side.model, side.folder)
    wanted = _behind(name, {out: node for node in every for out in node.outputs}, side)
    return tuple(node for node in every if id(node) in wanted)


def _behind(name: str, givers: Mapping[str, Node], side: Side) -> frozenset[int]:
    found: dict[int, Node] = {}
    waiting = [name]
    while waiting:
        node = givers.get(waiting.pop())
        if node is None or id(node) in found:
            continue
        found[id(node)] = node
        waiting += _static(node.inputs, side)
    return frozenset(found)


def _static(names: Iterable[str], side: Side) -> list[str]:
    return [name for name in names if name and name not in side.view.dynamic]


def _key(value: Array) -> tuple[float | str, ...]:
    """Return what tells one small result from another, whatever its rank."""
    return tuple(value.reshape(-1).tolist())
