"""Operators that the target lacks: between which tensors, and who should read them."""

from collections.abc import Collection, KeysView, Sequence
from dataclasses import dataclass

from analyzer.core.graph import node_reads
from analyzer.core.types import Aspect, Fault, Node, TensorPair
from rules.regions import (
    PASSING,
    RESHAPING,
    Place,
    computed_inputs,
    placed,
    places,
    producers,
)

CAPTURED = -1
"""Slot of what the graphs of a node read from around it."""

POINTWISE = frozenset(
    {"Relu", "LeakyRelu", "Elu", "Selu", "Celu", "Sigmoid", "HardSigmoid", "HardSwish"}
    | {"Tanh", "Clip", "Softplus", "Softsign", "ThresholdedRelu", "Erf", "Exp", "Log"}
    | {"Abs", "Neg", "Sqrt", "Floor", "Ceil", "Round", "Sign", "Not", "Reciprocal"}
)
"""Operators that look at one number at a time: the same before a reshape and behind it."""


@dataclass(frozen=True, slots=True, eq=False)
class Gap:
    """Source nodes that the target lacks, and the place where they belong.

    Attributes:
        nodes: The missing nodes in topological order.
        entries: The source tensors they read, one and the same in the target but for
            layout.
        exit: The source tensor they give.
        place: The target tensor behind which they are missing.
        readers: Target node and slot that should read them; empty: every reader.
            `CAPTURED` is the slot of a node whose branches or body read them.
    """

    nodes: tuple[Node, ...]
    entries: tuple[TensorPair, ...]
    exit: str
    place: Place
    readers: tuple[tuple[Node, int], ...]


def between(nodes: Sequence[Node], core: Sequence[Node]) -> tuple[Node, ...]:
    """Return the core nodes and whatever lies on a way from one of them to another.

    Args:
        nodes: The region's nodes in topological order.
        core: Some of them.
    """
    chosen = {id(node) for node in core}
    after: set[str] = set()
    before: set[str] = set()
    below, above = set(), set()
    for node in nodes:
        if id(node) in chosen or any(name in after for name in node.inputs):
            after.update(node.outputs)
            below.add(id(node))
    for node in reversed(nodes):
        if id(node) in chosen or any(name in before for name in node.outputs):
            before.update(node.inputs)
            above.add(id(node))
    return tuple(n for n in nodes if id(n) in chosen or (id(n) in below and id(n) in above))


def gap(fault: Fault) -> Gap | None:
    """Return the source nodes that the target lacks, where one place can take them.

    Args:
        fault: A fault with unpaired source nodes, or with nodes that it is right behind.
    """
    proven = skipped(fault)
    return _skipped_gap(fault, proven) if proven else _unpaired_gap(fault)


def _unpaired_gap(fault: Fault) -> Gap | None:
    """Return the place of the nodes without counterpart."""
    if not fault.unpaired_source or not fault.target.nodes:
        return None
    missing = between(fault.source.nodes, fault.unpaired_source)
    ends = _ends(fault, missing)
    if ends is None:
        return None
    entries, end = ends
    found = {name: one for name in entries if (one := placed(name, fault)) is not None}
    sizes = {name for node in fault.source.measuring for name in node.outputs}
    if not sizes.issuperset(entries - found.keys()):
        return None
    if not _may_lie(missing, tuple(found.values()), fault):
        return None
    read = {
        one.tensor: readers
        for one in found.values()
        if (readers := _readers(fault, missing, end, one.tensor)) is not None
    }
    if len(read) != 1:
        return None
    (tensor, readers), *_ = read.items()
    ways = [one for one in found.values() if one.tensor == tensor]
    place = min(ways, key=lambda one: one.permutation is not None)
    pairs = [TensorPair(name, one.tensor, one.permutation) for name, one in found.items()]
    return Gap(missing, tuple(pairs), end, place, readers)


def _may_lie(missing: Sequence[Node], around: Sequence[Place], fault: Fault) -> bool:
    """Return whether operators may be what is missing between some places.

    On reshaped tensors only those that look at one number at a time may. Where several
    tensors meet, an operator of the target's own may do, spelt otherwise, what theirs do.
    """
    ops = {node.op for node in missing}
    if any(one.reshaped for one in around) and not ops <= POINTWISE:
        return False
    meet = len({one.tensor for one in around}) > 1
    return not meet or ops.isdisjoint(node.op for node in fault.target.nodes)


def skipped(fault: Fault) -> tuple[Node, ...]:
    """Return the source nodes that the target's region is right behind, in their order.

    A row that is so together; else, of those that are so each by itself, the first.

    Args:
        fault: A fault.
    """
    lost = [
        (one.source_node, one.jointly)
        for one in fault.differences
        if one.aspect is Aspect.OPERATOR and fault.is_cured_by(one)
        if one.source_node is not None and one.target_node is None
    ]
    row = tuple(node for node, jointly in lost if jointly)
    return row or tuple(node for node, _ in lost[:1])


def _skipped_gap(fault: Fault, missing: tuple[Node, ...]) -> Gap | None:
    """Return the place of nodes that a region begins without: all that reads its input."""
    ends = _ends(fault, missing)
    place = None if ends is None else placed(next(iter(ends[0])), fault)
    if ends is None or place is None:
        return None
    (name, *_), end = tuple(ends[0]), ends[1]
    readers = tuple(
        (node, slot)
        for node in fault.target.nodes
        for slot, read in enumerate(node.inputs)
        if read == place.tensor
    )
    pair = TensorPair(name, place.tensor, place.permutation)
    return Gap(missing, (pair,), end, place, readers)


def _ends(fault: Fault, nodes: Sequence[Node]) -> tuple[KeysView[str], str] | None:
    """Return the tensors that go into some nodes and the one that comes out of them."""
    own = producers(nodes)
    chosen = {id(node) for node in nodes}
    entries = dict.fromkeys(
        name for node in nodes for name in computed_inputs(node) if name not in own
    )
    read = {
        name
        for node in fault.source.nodes
        if id(node) not in chosen
        for name in node_reads(node)
    }
    exits = {name for name in own if name in read or name in fault.source.outputs}
    return (entries.keys(), next(iter(exits))) if entries and len(exits) == 1 else None


def _readers(
    fault: Fault, missing: Sequence[Node], end: str, tensor: str
) -> tuple[tuple[Node, int], ...] | None:
    """Return the target's counterparts of the missing nodes' readers; None: not found."""
    chosen = {id(node) for node in missing}
    pointwise = all(node.op in POINTWISE for node in missing)
    passing = PASSING | RESHAPING if pointwise else PASSING
    spread = _through_passing(fault, end, passing)
    if spread & set(fault.source.outputs):
        known = places(fault)
        exits = [known.get(name) for name in spread if name in fault.source.outputs]
        is_end = all(one is not None and one.tensor == tensor for one in exits)
        return () if is_end else None
    found: list[tuple[Node, int]] = []
    for pair in fault.pairs:
        others = (node for node in pair.source if id(node) not in chosen)
        if not any(spread.intersection(node_reads(node)) for node in others):
            continue
        found += [
            (node, slot if slot < len(node.inputs) else CAPTURED)
            for node in pair.target
            for slot, name in enumerate((*node.inputs, *node_reads(node)))
            if name == tensor
        ]
    return tuple(found) or None


def _through_passing(fault: Fault, tensor: str, passing: Collection[str]) -> set[str]:
    """Return a tensor and everything that some operators merely pass on."""
    found = {tensor}
    for node in fault.source.nodes:
        if node.op in passing and node.inputs[0] in found:
            found.add(node.outputs[0])
    return found
