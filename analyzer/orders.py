"""The cause test for orders of axes: is a Transpose in or before a region wrong?

Matching looks through permutations, so a tensor whose axes are merely exchanged agrees with
its counterpart, and the error first shows in whoever reads it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import onnx

from analyzer.core.errors import RepairError
from analyzer.core.permutations import composed, inverse
from analyzer.core.types import (
    Aspect,
    Difference,
    Fault,
    Feeds,
    Node,
    Permutation,
    Sample,
)
from analyzer.differences.undo import undo
from analyzer.runtime.region import region_error

FARTHEST = 4
"""Nodes between a Transpose and the region it spoils, at most: scales, casts, reshapes."""

MOST_AXES = 4
"""Rank up to which every order is tried: 24 runs of a small region."""


def order_causes(
    fault: Fault,
    model: onnx.ModelProto,
    folder: Path,
    givers: Mapping[str, Node],
    values: Sequence[Feeds],
) -> tuple[Difference, ...]:
    """Return a difference for each Transpose with which another order cures the region.

    Args:
        fault: A fault with recorded samples.
        model: The target's proto.
        folder: The folder of the target's weights.
        givers: The target node that gives each tensor.
        values: For each recorded sample, what the target's tensors hold when they are
        right.
    """
    inside = [(node, "") for node in fault.target.nodes if node.op == "Transpose"]
    before = [
        (node, name)
        for name in fault.target.inputs
        for node in _transposes_before(name, givers)
    ]
    found = (
        _cured_by_order(fault, model, folder, node, _samples(fault, node, name, values))
        for node, name in (*inside, *before)
    )
    return tuple(difference for difference in found if difference is not None)


def _transposes_before(name: str, givers: Mapping[str, Node]) -> Iterator[Node]:
    """Yield the first Transpose on each way back from a tensor, a few nodes away."""
    waiting = [(name, FARTHEST)]
    while waiting:
        here, left = waiting.pop()
        node = givers.get(here)
        if node is None or not left:
            continue
        if node.op == "Transpose":
            yield node
        else:
            waiting += [(other, left - 1) for other in node.inputs if other in givers]


def _samples(
    fault: Fault, node: Node, name: str, values: Sequence[Feeds]
) -> tuple[Sample, ...]:
    """Return the recorded samples, fed before a Transpose that stands before the region."""
    if not name:
        return fault.recorded
    before = node.inputs[0]
    return tuple(
        replace(
            sample,
            inputs={
                **{n: array for n, array in sample.inputs.items() if n != name},
                before: known[before],
            },
        )
        for sample, known in zip(fault.recorded, values, strict=False)
        if before in known
    )


def _orders(node: Node, fault: Fault) -> Iterator[Permutation]:
    """Yield the orders to try: all of a few axes, of many those that layouts ask for."""
    present = _perm(node)
    if 1 < len(present) <= MOST_AXES:
        yield from (
            order for order in permutations(range(len(present))) if order != present
        )
        return
    for edge in fault.edges:
        order = edge.permutation
        if order is not None and len(order) == len(present):
            whole = composed(present, inverse(order))
            yield whole if whole is not None else tuple(range(len(present)))


def _perm(node: Node) -> Permutation:
    perm = node.attributes.get("perm")
    return tuple(int(axis) for axis in perm) if isinstance(perm, tuple) else ()


def _difference(node: Node, order: Permutation, cure: float) -> Difference:
    return Difference(Aspect.ATTRIBUTE, "perm", order, _perm(node), None, node, cure=cure)


def _cured_by_order(
    fault: Fault,
    model: onnx.ModelProto,
    folder: Path,
    node: Node,
    samples: Sequence[Sample],
) -> Difference | None:
    """Return the order of a Transpose with which the region is right, if there is one."""
    for order in _orders(node, fault) if samples else ():
        try:
            changed = undo(model, _difference(node, order, 0.0))
        except RepairError:  # the node is one of those that stop the target
            return None
        if changed is None:
            return None
        cure = region_error(changed, folder, samples, fault.target.outputs)
        if cure <= fault.noise_floor:
            return _difference(node, order, cure)
    return None
