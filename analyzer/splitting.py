"""Regions that hold several faults in a row, cut between them.

Two faults next to each other refute every pair between them: no region around it comes out
right. So that pair is tried once more, and kept where it tells something: one of the parts
is right, or is wrong by a cause that cures it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from analyzer.core.types import Fault, Feeds, Node, Pair, Region, Status
from analyzer.matching.layouts import SAME, pair
from analyzer.matching.operators import TRUST
from analyzer.matching.tensors import Link, Links, likeliest_layout, preferred_orders
from analyzer.regions import region
from analyzer.runtime.metrics import relative_error
from analyzer.sides import Side
from analyzer.view.absorb import LAYOUT_OPS

BETWEEN = "neighbours"
"""The evidence for a pair between two nodes that belong together and their neighbours."""


def inner_links(
    target: Side,
    faults: Sequence[Fault],
    links: Links,
    given: Feeds,
    look: Callable[[], Feeds],
) -> dict[str, Link]:
    """Return pairs of tensors inside the regions that nothing explains so far.

    Args:
        target: The target.
        faults: Root faults, each with the nodes of its region that belong together.
        links: Tensor pairs by target tensor; what is paired already is left out.
        given: The source's values of one sample.
        look: Gives the target's values of the same sample; it is a run.
    """
    unexplained = [fault for fault in faults if is_divisible(fault)]
    if not unexplained:
        return {}
    seen, orders = look(), preferred_orders(links.values())
    found: dict[str, Link] = {}
    for fault in unexplained:
        whole = {one.source for one in fault.results}  # it is what the region gives
        for left, right in _between(fault, target):
            if left in whole or left not in given or right not in seen:
                continue
            if right in links or right in found:
                continue
            one, other = given[left], seen[right]
            if one.size != other.size:
                continue
            plain = one.shape == other.shape
            layout = SAME if plain else likeliest_layout(one, other, orders)
            tensors = pair(left, right, layout, exact=False)
            found[right] = Link(tensors, TRUST[BETWEEN], (BETWEEN,))
    return found


def is_divisible(fault: Fault) -> bool:
    """Return whether a region holds more than one operator, and nothing explains it.

    What only comes out back to front is explained: a flip is missing or too many, and cut
    in two the region would have two wrong parts, each turned the other way.
    """
    if fault.fault_class is not None or fault.status is not Status.FAULT:
        return False
    several = len(_computing(fault.target)) > 1
    return several and not fault.is_explained and not _is_back_to_front(fault)


def _is_back_to_front(fault: Fault) -> bool:
    """Return whether all that is wrong with a region's results is their direction."""
    both = [
        (one.observed[name], expected)
        for one in fault.recorded
        for name, expected in one.expected.items()
        if name in one.observed
    ]
    wrong = [
        (found, right)
        for found, right in both
        if relative_error(found, right) > fault.noise_floor
    ]
    axes = range(min((right.ndim for _, right in wrong), default=0))
    return any(
        all(
            relative_error(np.flip(found, axis), right) <= fault.noise_floor
            for found, right in wrong
        )
        for axis in axes
    )


def _computing(part: Region) -> tuple[Node, ...]:
    return tuple(node for node in part.nodes if node.op not in LAYOUT_OPS)


def _between(fault: Fault, target: Side) -> Iterator[tuple[str, str]]:
    """Yield what paired nodes give, and what they read at the same place."""
    results = set(fault.target.outputs)
    made = {name for node in fault.target.nodes for name in node.outputs}
    for both in fault.pairs:
        for left, right in (*_given(both), *_read(both)):
            if right in made - results and right in target.view.giver:
                yield left, right
    yield from _instead(fault)


def _instead(fault: Fault) -> Iterator[tuple[str, str]]:
    """Yield what the one operator on either side gives that has no counterpart."""
    if len(fault.unpaired_source) == len(fault.unpaired_target) == 1:
        ours, theirs = fault.unpaired_source[0], fault.unpaired_target[0]
        if not set(theirs.outputs) & set(fault.target.outputs):
            yield from zip(ours.outputs, theirs.outputs, strict=False)


def _given(both: Pair) -> Iterator[tuple[str, str]]:
    """Yield the last tensors of a pair of macro operators."""
    if both.source and both.target:
        yield from zip(both.source[-1].outputs, both.target[-1].outputs, strict=False)


def _read(both: Pair) -> Iterator[tuple[str, str]]:
    """Yield what the first nodes of a pair read, slot by slot."""
    if not both.source or not both.target or both.source[0].op != both.target[0].op:
        return
    ours, theirs = both.source[0], both.target[0]
    for slot, (left, right) in enumerate(zip(ours.inputs, theirs.inputs, strict=False)):
        if left and right and slot not in ours.constants and slot not in theirs.constants:
            yield left, right


def helpful(
    source: Side,
    target: Side,
    before: Sequence[Fault],
    after: Sequence[Fault],
    tried: Mapping[str, Link],
    links: Links,
) -> dict[str, Link]:
    """Return the pairs that told something of the regions they cut, or that surely hold.

    Args:
        source: The source.
        target: The target.
        before: The faults without them.
        after: The faults with them.
        tried: The pairs, by target tensor.
        links: All other pairs.
    """
    kept: dict[str, Link] = {}
    for fault in before:
        inside = {name for node in fault.target.nodes for name in node.outputs}
        cut = {name: link for name, link in tried.items() if name in inside}
        parts = [one for one in after if inside.intersection(one.target.outputs)]
        if _is_all_said(fault, parts):
            continue
        if cut and parts and _tells(fault, parts):
            wrong = {k for k in cut if _is_between(k, after) or _is_opposite(k, after)}
            kept |= {k: one for k, one in cut.items() if k not in wrong}
        else:
            kept |= {k: one for k, one in cut.items() if _alike(source, target, one, links)}
    return kept


def _is_all_said(fault: Fault, parts: Sequence[Fault]) -> bool:
    """Return whether operators too many, or one too few, are all that is wrong."""
    extra = {id(node) for node in fault.unpaired_target}
    wrong = {id(node) for part in parts for node in _computing(part.target)}
    lone = len(parts) == 1 and bool(fault.unpaired_source or fault.unpaired_target)
    return lone or (bool(extra) and wrong <= extra)


def _is_between(name: str, faults: Sequence[Fault]) -> bool:
    """Return whether what gives a tensor and what reads it are both wrong for no cause.

    A wrong pair looks so from either end.
    """
    unexplained = [fault for fault in faults if not fault.is_explained]
    before = any(name in fault.target.outputs for fault in unexplained)
    return before and any(name in fault.target.inputs for fault in unexplained)


def _is_opposite(name: str, faults: Sequence[Fault]) -> bool:
    """Return whether a tensor asks the opposite question, and who reads it is wrong too.

    A condition may be turned round with the branches behind it: fed the source's answer,
    they are exchanged.
    """
    if not any(name in fault.target.inputs for fault in faults):
        return False
    both = [
        (one.observed[name], one.expected[name])
        for fault in faults
        for one in fault.recorded
        if name in one.observed and name in one.expected
    ]
    return bool(both) and all(
        found.dtype == right.dtype == np.bool_ and np.array_equal(found, ~right)
        for found, right in both
    )


def _tells(fault: Fault, parts: Sequence[Fault]) -> bool:
    """Return whether a part is right, or wrong by a cause that cures it."""
    wrong = {id(node) for part in parts for node in _computing(part.target)}
    whole = {id(node) for node in _computing(fault.target)}
    return wrong < whole or any(part.is_explained for part in parts)


def _alike(source: Side, target: Side, cut: Link, links: Links) -> bool:
    """Return whether both sides compute a pair by the same operators, one by one.

    What is between two lists of the same operators is the same on both, whichever is wrong.
    """
    ours = {link.tensors.source for link in links.values()}
    left = region(source.view, (cut.tensors.source,), ours)
    right = region(target.view, (cut.tensors.target,), links.keys())
    both = [[node.op for node in _computing(part)] for part in (left, right)]
    return both[0] == both[1]
