"""Operators that a moved edge passes by: nobody reads them any more, and they are right.

What they give is what the reader of an earlier tensor should read. No pair says so: the
earlier tensor stands where theirs belongs, and vouched for by that reader it keeps its place.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from analyzer.core.graph import node_reads
from analyzer.core.types import Aspect, Difference, Fault
from analyzer.effect import computed_from
from analyzer.runtime.region import region_error
from analyzer.sides import Side
from analyzer.view import View

MOST_TRIED = 4
"""Unread tensors behind one region that are looked at: each costs a run of it."""


def bypassed_causes(fault: Fault, target: Side) -> tuple[Difference, ...]:
    """Return the connection that passes by an operator with which a region is right.

    Args:
        fault: A fault of one result, with recorded samples.
        target: The target.

    Returns:
        A difference for each slot of the one operator that reads the result; its source
        value is the unread tensor that holds what the source's result does.
    """
    view = target.view
    if len(fault.target.outputs) != 1 or not fault.recorded:
        return ()
    name = fault.target.outputs[0]
    alive = _alive(view)
    readers = [one for one in view.readers.get(name, ()) if not alive.isdisjoint(one.outputs)]
    if len(readers) != 1:
        return ()
    for unread in islice(_unread(fault, view), MOST_TRIED):
        samples = tuple(
            replace(one, expected={unread: one.expected[name]}) for one in fault.recorded
        )
        cure = region_error(target.model, target.folder, samples, (unread,))
        if cure <= fault.noise_floor:
            slots = [n for n, read in enumerate(readers[0].inputs) if read == name]
            return tuple(
                Difference(
                    Aspect.CONNECTION,
                    f"input{slot}",
                    unread,
                    name,
                    None,
                    readers[0],
                    slot,
                    cure=cure,
                    jointly=len(slots) > 1,
                )
                for slot in slots
            )
    return ()


def _alive(view: View) -> frozenset[str]:
    """Return the tensors that an output of the model depends on, outputs among them."""
    wanted = set(view.outputs)
    for node in reversed(view.nodes):
        if not wanted.isdisjoint(node.outputs):
            wanted.update(node_reads(node))
    return frozenset(wanted)


def _unread(fault: Fault, view: View) -> Iterator[str]:
    """Yield the tensors that nobody reads and that a region's inputs lead to."""
    behind = computed_from(view, fault.target.inputs)
    for node in view.nodes:
        for name in filter(None, node.outputs):
            ends = name not in view.outputs and not view.readers.get(name)
            if ends and name in behind:
                yield name
