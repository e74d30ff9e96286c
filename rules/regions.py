"""The two regions of a fault: which tensor stands for which, and what is missing."""

from collections.abc import (
    Collection,
    Iterable,
    Iterator,
    KeysView,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np

from analyzer.core.graph import node_reads
from analyzer.core.permutations import composed, inverse, is_identity
from analyzer.core.types import (
    Array,
    Aspect,
    Fault,
    Node,
    Pair,
    Permutation,
    TensorPair,
)

CAPTURED = -1
"""Slot of what the graphs of a node read from around it."""

MOST_AXES = 5
"""Rank up to which every order of the axes is tried."""

PASSING = frozenset({"Transpose", "Identity", "Cast", "Dropout"})
"""Operators through which a tensor keeps its values; the first moves its axes."""


RESHAPING = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze"})
"""Operators through which a tensor keeps its values, but not its axes."""

POINTWISE = frozenset(
    {"Relu", "LeakyRelu", "Elu", "Selu", "Celu", "Sigmoid", "HardSigmoid", "HardSwish"}
    | {"Tanh", "Clip", "Softplus", "Softsign", "ThresholdedRelu", "Erf", "Exp", "Log"}
    | {"Abs", "Neg", "Sqrt", "Floor", "Ceil", "Round", "Sign", "Not", "Reciprocal"}
)
"""Operators that look at one number at a time: the same before a reshape and behind it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a source tensor lies in the target.

    Attributes:
        tensor: The target tensor.
        permutation: How the source tensor is transposed into it; None: not at all, or
            unknown.
        reshaped: Whether a reshape follows, so that axes cannot be traced.
    """

    tensor: str
    permutation: Permutation | None = None
    reshaped: bool = False


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


def places(fault: Fault) -> dict[str, Place]:
    """Return the target tensor of each source tensor at an end of a region or pair.

    Args:
        fault: The fault.
    """
    known: dict[str, Place] = {}
    for ours, theirs in _ends_of_pairs(fault):
        known[ours] = Place(theirs)
    for edge in (*entering(fault), *fault.results):
        known[edge.source] = Place(edge.target, edge.permutation, edge.shape is not None)
    return known


def reconciled(fault: Fault) -> Fault:
    """Return the fault with those unpaired nodes paired that are the same on both sides.

    Args:
        fault: A fault, as it was found.

    Returns:
        The same fault, fewer nodes of it unpaired: same operator, settings and constants.
    """
    left, pairs = list(fault.unpaired_target), []
    for source in fault.unpaired_source:
        twin = next((node for node in left if _is_twin(source, node)), None)
        if twin is not None:
            left.remove(twin)
            pairs.append(Pair((source,), (twin,), ALIKE, ("alike",)))
    held = {id(pair.source[0]) for pair in pairs}
    rest = tuple(node for node in fault.unpaired_source if id(node) not in held)
    return replace(
        fault,
        pairs=(*fault.pairs, *pairs),
        unpaired_source=rest,
        unpaired_target=tuple(left),
    )


ALIKE = 0.5
"""Score of a pair that rests on the nodes themselves alone."""


def _is_twin(one: Node, other: Node) -> bool:
    if (one.op, one.domain, one.constants.keys()) != (
        other.op,
        other.domain,
        other.constants.keys(),
    ):
        return False
    same = all(np.array_equal(one.constants[s], other.constants[s]) for s in one.constants)
    return (
        same
        and one.attributes.keys() == other.attributes.keys()
        and all(
            np.array_equal(np.asarray(value), np.asarray(other.attributes[name]))
            for name, value in one.attributes.items()
        )
    )


def entering(fault: Fault) -> tuple[TensorPair, ...]:
    """Return what the source region reads with the target tensors that hold the values.

    Args:
        fault: The fault; an input that no edge names is looked for among the target's
            inputs
            by its recorded values, in any order of the axes.
    """
    known = {edge.source: edge for edge in fault.edges}
    read = dict.fromkeys((*fault.source.inputs, *fault.source.measured))
    found = (known.get(name) or _by_value(name, fault) for name in read)
    return tuple(edge for edge in found if edge is not None)


def _by_value(name: str, fault: Fault) -> TensorPair | None:
    """Return the target tensor of the same values on every sample, or None."""
    seen = [sample for sample in fault.recorded if name in sample.source_inputs]
    for other in seen[0].inputs if seen else ():
        pairs = [
            (s.source_inputs[name], s.inputs[other]) for s in seen if other in s.inputs
        ]
        ours, theirs = pairs[0]
        if ours.size != theirs.size or ours.ndim > MOST_AXES:
            continue
        for order in permutations(range(ours.ndim)):
            if all(_lies_as(one.transpose(order), two) for one, two in pairs):
                moved = None if is_identity(order) else order
                shape = None if ours.ndim == theirs.ndim else theirs.shape
                return TensorPair(name, other, moved, shape)
    return None


def _lies_as(one: Array, other: Array) -> bool:
    return (
        one.size == other.size
        and (one.shape == other.shape or one.ndim != other.ndim)
        and np.array_equal(one.ravel(), other.ravel())
    )


def _ends_of_pairs(fault: Fault) -> Iterator[tuple[str, str]]:
    for pair in fault.pairs:
        if [n.op for n in pair.source] == [n.op for n in pair.target]:
            for one, other in zip(pair.source, pair.target, strict=True):
                yield from zip(one.outputs, other.outputs, strict=False)
        elif pair.source and pair.target:
            yield pair.source[-1].outputs[0], pair.target[-1].outputs[0]


def placed(tensor: str, fault: Fault) -> Place | None:
    """Return where a source tensor lies in the target, looked for through mere transposes.

    Args:
        tensor: A tensor of the source's region.
        fault: The fault.
    """
    known, given_by = places(fault), producers(fault.source.nodes)
    moved: Permutation | None = None
    while tensor not in known:
        node = given_by.get(tensor)
        if node is None or node.op not in PASSING:
            return None
        moved = composed(_perm(node), moved)
        tensor = node.inputs[0]
    place = known[tensor]
    return Place(place.tensor, composed(inverse(moved), place.permutation), place.reshaped)


def _perm(node: Node) -> Permutation | None:
    perm = node.attributes.get("perm") if node.op == "Transpose" else None
    return tuple(int(axis) for axis in perm) if isinstance(perm, tuple) else None


def producers(nodes: Iterable[Node]) -> Mapping[str, Node]:
    """Return the node that gives each tensor."""
    return {name: node for node in nodes for name in node.outputs if name}


def computed_inputs(node: Node) -> tuple[str, ...]:
    """Return the inputs of a node that are neither constant nor absent."""
    return tuple(
        n for slot, n in enumerate(node.inputs) if n and slot not in node.constants
    )


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
    pointwise = all(node.op in POINTWISE for node in missing)
    if any(one.reshaped for one in found.values()) and not pointwise:
        return None
    if len({one.tensor for one in found.values()}) > 1 and _at_work(missing, fault):
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


def _at_work(missing: Sequence[Node], fault: Fault) -> bool:
    """Return whether the target's region has an operator that is said to be missing.

    Where several tensors meet, it may do there, spelt otherwise, what the source's does.
    """
    return not {node.op for node in missing}.isdisjoint(
        node.op for node in fault.target.nodes
    )


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


def sample_shape(fault: Fault, tensor: str) -> tuple[int, ...] | None:
    """Return the shape a tensor had in a recorded sample, by source or target name."""
    for sample in fault.recorded:
        for feeds in (
            sample.inputs,
            sample.expected,
            sample.source_inputs,
            sample.source_outputs,
        ):
            if tensor in feeds:
                return feeds[tensor].shape
    return None
