"""Operators that a moved edge passes by: nobody reads them any more, and they are right.

What they give is what the reader of an earlier tensor should read. No pair says so: the
earlier tensor stands where theirs belongs, and that reader vouches for it.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from analyzer.core.graph import node_reads
from analyzer.core.types import Aspect, Difference, Fault, Node
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
    alive, known = _alive(view), view.readers.get(name, ())
    readers = [one for one in known if not alive.isdisjoint(one.outputs)]
    if len(readers) != 1:
        return ()
    for unread in islice(_unread(fault, view), MOST_TRIED):
        samples = tuple(
            replace(one, expected={unread: one.expected[name]}) for one in fault.recorded
        )
        cure = region_error(target.model, target.folder, samples, (unread,))
        if cure <= fault.noise_floor:
            return tuple(_moved(readers[0], name, unread, cure))
    return ()


def _moved(reader: Node, name: str, unread: str, cure: float) -> Iterator[Difference]:
    """Yield what a reader reads in each slot that holds a tensor, and what it should."""
    slots = [slot for slot, read in enumerate(reader.inputs) if read == name]
    for slot in slots:
        field, joint = f"input{slot}", len(slots) > 1
        found = Difference(Aspect.CONNECTION, field, unread, name, None, reader, slot)
        yield replace(found, cure=cure, jointly=joint)


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
