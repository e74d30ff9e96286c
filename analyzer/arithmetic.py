"""The cause test for computed operands: does arithmetic on sizes mislead a region?

A Reshape reads its sizes, a Slice its bounds, from nodes that no value of an input reaches.
They belong to no region; where one of them is wrong, the error first shows in who reads it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analyzer.core.graph import nodes
from analyzer.core.types import (
    Array,
    Aspect,
    Difference,
    Fault,
    Feeds,
    Node,
    Region,
    Sample,
    TensorPair,
)
from analyzer.differences.operators import couples
from analyzer.matching.labels import COMMUTATIVE
from analyzer.matching.tensors import Links
from analyzer.runtime.region import region_error
from analyzer.served import meant_for, serves
from analyzer.sides import Side
from analyzer.turned import with_turned

COMPUTED = "computed operand"
"""Field of a difference in what arithmetic on sizes gives an operator."""


@dataclass(frozen=True, slots=True, eq=False)
class _Operand:
    """What an operator of either side reads from arithmetic, sample by sample."""

    source: Node
    target: Node
    slots: tuple[int, int]
    ours: tuple[Array, ...]
    theirs: tuple[Array, ...]

    @property
    def name(self) -> str:
        """The target tensor."""
        return self.target.inputs[self.slots[1]]

    @property
    def partner(self) -> str:
        """The source's name for it."""
        return self.source.inputs[self.slots[0]]

    def is_same(self) -> bool:
        """Return whether both sides read the same on every sample."""
        both = zip(self.ours, self.theirs, strict=True)
        return all(np.array_equal(one, other) for one, other in both)


def operand_fault(
    fault: Fault,
    source: Side,
    target: Side,
    links: Links,
    given: Sequence[Feeds],
    seen: Sequence[Feeds],
) -> Fault:
    """Return a fault of the arithmetic that misleads a region; else the region's own.

    Args:
        fault: A fault with pairs and recorded samples.
        source: The source.
        target: The target.
        links: Tensor pairs by target tensor.
        given: The source's values of each recorded sample, all tensors.
        seen: The target's values of each recorded sample, all tensors.

    Returns:
        The fault whose regions are the nodes that compute the operand, with a difference of
        the field `COMPUTED`: its target node is where the arithmetic goes wrong, the first
        that gives what none of the source's gives. The fault as it came where no operand,
        with the source's value, makes the region right.
    """
    operands = (
        operand
        for pair in fault.pairs
        for couple in couples(pair)
        if couple.source and couple.target and couple.source.op == couple.target.op
        for operand in _operands(couple.source, couple.target, source, target, given, seen)
    )
    different = (one for one in operands if not one.is_same())
    for one in different:
        cause = _cured(fault, source, target, one, links, given, seen)
        if cause is not None and cause.target_node is one.target:
            found = _moved(one, cause, target, seen)
            return replace(fault, differences=(found, *fault.differences))
        if cause is not None:
            parts = _part(source, one.partner), _part(target, one.name)
            inner = _inside(fault, parts, _edges(links, *parts), one, cause, given)
            return with_turned(inner, cause, target)
    return fault


def _moved(
    operand: _Operand, cause: Difference, target: Side, seen: Sequence[Feeds]
) -> Difference:
    """Return what a reader is misled by that reads what was meant for somebody else.

    Another tensor of the target that holds what it should read is what it was meant to.
    """
    name = meant_for(target, operand.target, operand.ours, seen)
    if not name or operand.name not in seen[0]:
        return cause
    slot = operand.slots[1]
    return replace(
        cause,
        aspect=Aspect.CONNECTION,
        field=f"input{slot}",
        source=name,
        target=operand.name,
        slot=slot,
    )


def _edges(links: Links, left: Region, right: Region) -> tuple[TensorPair, ...]:
    """Return the pairs of what two parts read."""
    pairs = (link.tensors for link in links.values())
    known = [one for one in pairs if one.source in left.inputs]
    exact = [one for one in known if one.target in right.inputs] or known
    return tuple({one.source: one for one in reversed(exact)}.values())


def _inside(
    fault: Fault,
    parts: tuple[Region, Region],
    edges: tuple[TensorPair, ...],
    operand: _Operand,
    cause: Difference,
    given: Sequence[Feeds],
) -> Fault:
    """Return the fault of the nodes that compute an operand."""
    left, right = parts
    samples = tuple(
        Sample(
            {name: values[name] for name in left.inputs if name in values},
            {operand.partner: ours},
            sample.inputs,
            {operand.name: ours},
            {operand.name: theirs},
        )
        for sample, values, ours, theirs in zip(
            fault.recorded, given, operand.ours, operand.theirs, strict=False
        )
    )
    return replace(
        fault,
        source=left,
        target=right,
        edges=edges,
        results=(TensorPair(operand.partner, operand.name),),
        pairs=(),
        differences=(cause, *fault.differences),
        unpaired_source=(),
        unpaired_target=(),
        recorded=samples,
        problem=_told(operand, cause, fault),
    )


def _part(side: Side, name: str) -> Region:
    """Return the nodes that compute a tensor from sizes, and whose sizes they take."""
    inside = nodes_before(side, name)
    given = {out for node in inside for out in node.outputs}
    reads = (
        one
        for node in inside
        for slot, one in enumerate(node.inputs)
        if one and one not in given and slot not in node.constants
    )
    return Region(inside, tuple(dict.fromkeys(reads)), (name,))


def _told(operand: _Operand, cause: Difference, fault: Fault) -> str:
    """Return the sentence that says what an operator is misled by."""
    node = cause.target_node or operand.target
    given = next(name for name in node.outputs if name)
    result = ", ".join(fault.target.outputs[:1])
    return (
        f"{given} is computed wrong: {result} is made with {_few(operand.theirs[0])}, the "
        f"source's with {_few(operand.ours[0])}; with these it is right"
    )


FEW = 6
"""Numbers of an operand that a message shows."""


def _few(values: Array) -> str:
    """Return the first numbers of a computed operand."""
    numbers = values.reshape(-1)
    shown = ", ".join(f"{one:g}" for one in numbers[:FEW].tolist())
    whole = numbers.size <= FEW
    return f"({shown})" if whole else f"{numbers.size} numbers, {shown}, …"


def _operands(
    ours: Node,
    theirs: Node,
    source: Side,
    target: Side,
    given: Sequence[Feeds],
    seen: Sequence[Feeds],
) -> Iterator[_Operand]:
    """Yield the slots of two nodes that the target fills by arithmetic."""
    for place, slot in _slots(ours, theirs, source, target):
        right = [_value(ours, place, one) for one in given]
        found = [_value(theirs, slot, one) for one in seen]
        known = [(a, b) for a, b in zip(right, found, strict=True) if _both(a, b)]
        if known and len(known) == len(given):
            yield _Operand(
                ours,
                theirs,
                (place, slot),
                tuple(a for a, _ in known if a is not None),
                tuple(b for _, b in known if b is not None),
            )


def _slots(
    ours: Node, theirs: Node, source: Side, target: Side
) -> Iterator[tuple[int, int]]:
    """Yield the slots of two nodes that belong together and hold no value of an input.

    Where the order of what is read says nothing, the first such slots belong together. What
    is a constant on both sides is a weight.
    """
    here = [n for n, name in enumerate(theirs.inputs) if _is_static(name, target)]
    there = [n for n, name in enumerate(ours.inputs) if _is_static(name, source)]
    if theirs.op in COMMUTATIVE:
        pairs = list(zip(there, here, strict=False))
    else:
        pairs = [(slot, slot) for slot in here if slot < len(ours.inputs)]
    for place, slot in pairs:
        if place not in ours.constants or slot not in theirs.constants:
            yield place, slot


def _is_static(name: str, side: Side) -> bool:
    return bool(name) and name not in side.view.dynamic


def _both(one: Array | None, other: Array | None) -> bool:
    return one is not None and other is not None and one.dtype == other.dtype


def _value(node: Node, slot: int, given: Feeds) -> Array | None:
    constant = node.constants.get(slot)
    return given.get(node.inputs[slot]) if constant is None else constant


def _cured(  # noqa: PLR0913 - both sides, what is read, and what was seen
    fault: Fault,
    source: Side,
    target: Side,
    operand: _Operand,
    links: Links,
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
        _origin(source, target, operand, links, given[0], seen[0]),
        cure=cure,
    )


def _origin(
    source: Side,
    target: Side,
    operand: _Operand,
    links: Links,
    given: Feeds,
    seen: Feeds,
) -> Node:
    """Return the target node at which an operand goes wrong; its reader where none does.

    From the operand back along values that none of the source's nodes holds; what leads to
    a right value on the way is only another spelling, and what somebody else reads, who is
    right, was meant for that reader.
    """
    right = {_key(value) for value in _values(source, operand.partner, given)}
    right.update(_key(one) for one in operand.ours)
    before = nodes_before(target, operand.name)
    givers = {name: node for node in before for name in node.outputs}
    odd = [operand.name] if operand.name in givers else []
    found = operand.target
    while odd and not serves(target, odd[0], (operand.target, *before), links, given, seen):
        found = givers[odd[0]]
        known = (name for name in found.inputs if name in givers and name in seen)
        odd = [name for name in known if _key(seen[name]) not in right]
    return found


def _values(side: Side, name: str, values: Feeds) -> Iterator[Array]:
    """Yield what each node behind a computed tensor reads and gives."""
    for node in nodes_before(side, name):
        yield from node.constants.values()
        yield from (values[one] for one in (*node.inputs, *node.outputs) if one in values)


def nodes_before(side: Side, name: str) -> tuple[Node, ...]:
    """Return the nodes that compute a tensor from sizes and constants, first ones first.

    Args:
        side: Either model.
        name: A tensor that no value of an input reaches.
    """
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
