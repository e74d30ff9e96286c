"""The cause test for connections: does an operator read another tensor than the source's?

An edge that was moved, or two that were exchanged, leave every operator, setting and weight
as it was. Fed the tensors that its counterpart reads, the operator is right.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from analyzer.causes import excerpt
from analyzer.core.types import Aspect, Difference, Fault, Feeds, Node
from analyzer.differences.operators import couples, is_spelled_alike
from analyzer.differences.undo import undo
from analyzer.matching.labels import COMMUTATIVE
from analyzer.matching.tensors import Links
from analyzer.runtime.region import region_error
from analyzer.sides import Side

MOST_TENSORS = 4
"""Tensors that differ in layout alone and are tried in one slot, at most."""


@dataclass(frozen=True, slots=True, eq=False)
class _Wiring:
    """What two graphs and the links between them say of who reads what."""

    source: Side
    target: Side
    links: Links
    values: Feeds
    holders: Mapping[str | None, frozenset[str]]

    def roots(self, wanted: str) -> frozenset[str]:
        """Return the roots of the target tensors that hold a source tensor's values."""
        return self.holders.get(self.source.view.root.get(wanted), frozenset())

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Return the shape of a target tensor, if it is known."""
        held = self.values.get(name)
        return None if held is None else held.shape

    def tensors(self, wanted: str, reader: Node, slot: int) -> tuple[str, ...]:
        """Return the target tensors that a reader could read for a source tensor."""
        roots, present = self.roots(wanted), self.values.get(reader.inputs[slot])
        after = _behind(self.target.view.readers, reader)
        found = [
            name
            for name, root in self.target.view.root.items()
            if root in roots and name in self.values and name not in after
        ]

        def rank(name: str) -> tuple[bool, bool, bool]:
            link = self.links.get(name)
            return (
                present is None or self.values[name].shape != present.shape,
                present is None or self.values[name].ndim != present.ndim,
                link is None or link.tensors.source != wanted,
            )

        return tuple(sorted(found, key=rank)[:MOST_TENSORS])


def connection_causes(
    fault: Fault, source: Side, target: Side, links: Links, values: Sequence[Feeds]
) -> tuple[Difference, ...]:
    """Return the differences in what one operator reads with which the region is right.

    Args:
        fault: A fault with pairs and recorded samples.
        source: The source.
        target: The target.
        links: Tensor pairs by target tensor.
        values: For each recorded sample, what the target's tensors hold when they are
            right.

    Returns:
        One difference a slot, all of one node; several are marked as joint. Their source
        and target values are the target tensors that should be read and that are.
    """
    if not fault.recorded or not values:
        return ()
    wiring = _Wiring(source, target, links, values[0], _holders(source, target, links))
    for pair in fault.pairs:
        for couple in couples(pair):
            ours, theirs = couple.source, couple.target
            if ours is None or theirs is None or not is_spelled_alike(ours, theirs):
                continue
            for moved in _moved(ours, theirs, wiring):
                if any(_is_only_behind(fault, one) for one in moved):
                    continue
                cured = _cured(fault, target, moved, values)
                if cured:
                    return cured
    return ()


def _holders(source: Side, target: Side, links: Links) -> dict[str | None, frozenset[str]]:
    """Return the roots of the target tensors that are linked to each root of the source."""
    found: dict[str | None, set[str]] = {}
    for name, link in links.items():
        if name in target.view.root:
            root = source.view.root.get(link.tensors.source)
            found.setdefault(root, set()).add(target.view.root[name])
    return {root: frozenset(names) for root, names in found.items()}


def _moved(ours: Node, theirs: Node, wiring: _Wiring) -> Iterator[tuple[Difference, ...]]:
    """Yield the ways to let a target node read what its counterpart reads."""
    if _is_turned(ours, theirs):
        yield tuple(
            replace(_difference(ours, theirs, slot, theirs.inputs[1 - slot]), jointly=True)
            for slot in (0, 1)
        )
    wrong = _misread(ours, theirs, wiring)
    options = {slot: wiring.tensors(wanted, theirs, slot) for slot, wanted in wrong.items()}
    if not wrong or not all(options.values()):
        return
    if len(wrong) > 1:
        yield tuple(
            replace(_difference(ours, theirs, slot, names[0]), jointly=True)
            for slot, names in options.items()
        )
        return
    for slot, names in options.items():
        yield from ((_difference(ours, theirs, slot, name),) for name in names)
        yield from _moved_before(ours, theirs, slot, wrong[slot], wiring)


def _moved_before(
    ours: Node, theirs: Node, slot: int, wanted: str, wiring: _Wiring
) -> Iterator[tuple[Difference, ...]]:
    """Yield the ways to let what lays out an operand read what its counterpart does.

    The operator is right, and so is the layout; the edge in front of it was moved.
    """
    view, name = wiring.target.view, theirs.inputs[slot]
    while len(view.readers.get(name, ())) == 1 and view.root.get(name) != name:
        laid = view.giver[name]
        name = laid.inputs[0]
        for other in wiring.tensors(wanted, laid, 0):
            if wiring.values[other].shape == wiring.shape(name):
                yield (_difference(ours, laid, 0, other),)


def _is_turned(ours: Node, theirs: Node) -> bool:
    """Return whether a constant stands on the other side of what is computed."""
    two = len(ours.inputs) == len(theirs.inputs) == 2  # noqa: PLR2004 - two sides
    one_each = len(ours.constants) == len(theirs.constants) == 1
    moved = ours.constants.keys().isdisjoint(theirs.constants)
    return two and one_each and moved and theirs.op not in COMMUTATIVE


def _misread(ours: Node, theirs: Node, wiring: _Wiring) -> dict[int, str]:
    """Return the source tensor that belongs in each slot where another one is read."""
    if len(ours.inputs) != len(theirs.inputs):
        return {}
    wanted = _computed(ours, wiring.source.view.dynamic)
    present = _computed(theirs, wiring.target.view.dynamic)
    roots = {slot: wiring.roots(name) for slot, name in wanted.items()}
    if not all(roots.values()):
        return {}  # what it should read has no counterpart
    known = wiring.target.view.root
    if not all(name in known for name in present.values()):
        return {}  # a tensor that nothing gives has its own word
    held = {slot: known[name] for slot, name in present.items()}
    if theirs.op not in COMMUTATIVE:
        both = wanted.keys() & present.keys()
        return {slot: wanted[slot] for slot in both if held[slot] not in roots[slot]}
    free, lost = list(present), list[int]()
    for slot, names in roots.items():
        match = next((one for one in free if held[one] in names), None)
        if match is None:
            lost.append(slot)
        else:
            free.remove(match)
    return {slot: wanted[one] for slot, one in zip(free, lost, strict=False)}


def _is_only_behind(fault: Fault, moved: Difference) -> bool:
    """Return whether what is read is made of what should be: operators too many, then."""
    givers = {name: node for node in fault.target.nodes for name in node.outputs}
    waiting, found = [str(moved.target)], set[str]()
    while waiting:
        name = waiting.pop()
        found.add(name)
        if name in givers and name not in fault.target.inputs:
            waiting += [one for one in givers[name].inputs if one not in found]
    return moved.source in found


def _computed(node: Node, dynamic: Collection[str]) -> dict[int, str]:
    return {slot: name for slot, name in enumerate(node.inputs) if name in dynamic}


def _difference(ours: Node, theirs: Node, slot: int, right: str) -> Difference:
    present = theirs.inputs[slot]
    return Difference(Aspect.CONNECTION, f"input{slot}", right, present, ours, theirs, slot)


def _behind(readers: Mapping[str, tuple[Node, ...]], node: Node) -> frozenset[str]:
    """Return every tensor that depends on a node: reading one of them would be a circle."""
    found = {name for name in node.outputs if name}
    waiting = list(found)
    while waiting:
        for reader in readers.get(waiting.pop(), ()):
            new = {name for name in reader.outputs if name} - found
            found |= new
            waiting += new
    return frozenset(found)


def _cured(
    fault: Fault, target: Side, moved: tuple[Difference, ...], values: Sequence[Feeds]
) -> tuple[Difference, ...]:
    """Return the differences with their cure, where they cure the region; else none."""
    inside = {node.name for node in fault.target.nodes}
    moves = {one.target_node.name: one.target_node for one in moved if one.target_node}
    before = [node for name, node in moves.items() if name not in inside]
    model = target.model if before else excerpt(fault, target.model)
    given = {name for node in before for name in node.outputs}
    for difference in moved:
        changed = undo(model, difference)
        if changed is None:
            return ()
        model = changed
    read = [str(one.source) for one in moved if one.source in target.view.dynamic]
    samples = tuple(
        replace(
            sample,
            inputs={name: one for name, one in sample.inputs.items() if name not in given}
            | {name: held[name] for name in read},
        )
        for sample, held in zip(fault.recorded, values, strict=False)
        if all(name in held for name in read)
    )
    cure = region_error(model, target.folder, samples, fault.target.outputs)
    if not samples or cure > fault.noise_floor:
        return ()
    return tuple(replace(difference, cure=cure) for difference in moved)
