"""The two regions of a fault: which tensor stands for which."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np

from analyzer.core.permutations import composed, inverse, is_identity
from analyzer.core.types import (
    Array,
    Fault,
    Node,
    Pair,
    Permutation,
    TensorPair,
)

MOST_AXES = 5
"""Rank up to which every order of the axes is tried."""

PASSING = frozenset({"Transpose", "Identity", "Cast", "Dropout"})
"""Operators through which a tensor keeps its values; the first moves its axes."""


RESHAPING = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze"})
"""Operators through which a tensor keeps its values, but not its axes."""


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
