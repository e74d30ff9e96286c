"""Root faults: regions that deviate although they are fed the source's own values."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice

import numpy as np

from analyzer.arithmetic import operand_fault
from analyzer.bypassed import bypassed_causes
from analyzer.causes import tested
from analyzer.computed_weights import with_origins
from analyzer.connections import connection_causes
from analyzer.core.types import (
    Array,
    Fault,
    Feeds,
    Region,
    Sample,
    Status,
    TensorPair,
)
from analyzer.guilty import guilty
from analyzer.homes import with_homes
from analyzer.isolation import Kind
from analyzer.judge import Judged
from analyzer.lossy import with_lossy_causes, with_spared
from analyzer.matching.layouts import layout_of
from analyzer.matching.tensors import Links, carried_or_none
from analyzer.measuring import with_measuring
from analyzer.one_cause import one_cause
from analyzer.regions import node_pairs, region, unpaired
from analyzer.relaid import relaid
from analyzer.runtime.spill import put_away
from analyzer.samples import Probe, local_errors
from analyzer.sides import Side
from analyzer.skipped import skipped_causes
from analyzer.view import View
from analyzer.view.absorb import LAYOUT_OPS

RECORDED = 3
"""Samples kept with a fault: enough for a rule to fit and check, few enough to hold."""


LARGEST_HELD = 1 << 23
"""Bytes of one sample's values that are held in memory; larger ones lie in a file."""

_Group = tuple[tuple[Judged, ...], Region]
"""Tensors that deviate together, and the region that gives them."""


def faults(  # noqa: PLR0913 - both sides, what was judged, and what was seen
    source: Side,
    target: Side,
    links: Links,
    found: Sequence[Judged],
    errors: Sequence[Mapping[str, float]],
    probes: Iterable[Probe],
    known: Mapping[str, Kind],
    running: Side | None = None,
    *,
    calibrated: frozenset[str] | None = frozenset(),
    clears: Callable[[Fault], bool] = lambda _: False,
) -> tuple[Fault, ...]:
    """Return one fault for each region that deviates, worst first, with all its evidence.

    Args:
        source: The source.
        target: The target.
        links: Tensor pairs by target tensor.
        found: The deviating tensors.
        errors: Local errors of each sample, by target tensor.
        probes: The samples worth keeping, worst first.
        known: Kind of each target tensor.
        running: As much of the target as runs, where that is not all of it.
        calibrated: The target's integers whose grids were made for such samples: drawn ones
            may lie beyond any range that it was calibrated on. None: all were.
        clears: Says of a fault that it is drift, and that no cause need be tested.
    """
    side = running or target
    record = partial(_seen, side, links, known)
    recorded = list(map(record, islice(probes, RECORDED)))  # one in memory at a time

    def build(group: _Group) -> Fault:
        bare = _bare(source, target, links, group, errors, recorded)
        if bare.status is Status.DRIFT or clears(bare):  # it needs no cause
            return replace(bare, status=Status.DRIFT, guilty=guilty(bare))
        fault = _tested(bare, source, target, links, recorded, calibrated)
        hidden = relaid(fault, source, target, links)
        if not hidden:
            return fault
        seen = {name: link for name, link in links.items() if name not in hidden}
        wider = group[0], _joint(target, group[0], seen.keys())
        wide = _bare(source, target, seen, wider, errors, recorded)
        other = _tested(wide, source, target, seen, recorded, calibrated, spelt=True)
        return other if other.is_explained else fault

    groups = _together(target, links, found)
    built = [build(group) for group in groups]
    parts = one_cause([part for part, _ in groups], built)
    if len(parts) < len(groups):
        stops = links.keys()
        done = {part: fault for (part, _), fault in zip(groups, built, strict=True)}
        built = [
            done[part] if part in done else build((part, _joint(target, part, stops)))
            for part in parts
        ]
    return tuple(sorted(built, key=lambda fault: -fault.local_error))


def _joint(target: Side, judged: Sequence[Judged], stops: Collection[str]) -> Region:
    order = target.view.order
    names = sorted((one.name for one in judged), key=order.__getitem__)
    return region(target.view, names, stops)


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """A probe and what an isolation run on it gave."""

    probe: Probe
    fed: Feeds
    seen: Feeds


def _seen(target: Side, links: Links, known: Mapping[str, Kind], probe: Probe) -> _Seen:
    _, fed, seen = local_errors(target, links, probe, known)
    if _size(seen) <= LARGEST_HELD:
        return _Seen(probe, fed, seen)
    return _Seen(probe, put_away(fed), put_away(seen))


def _size(values: Feeds) -> int:
    return sum(value.nbytes for value in values.values())


def _together(target: Side, links: Links, found: Sequence[Judged]) -> list[_Group]:
    """Return deviating tensors grouped by region: those that share a node are one fault."""
    stops = links.keys()
    groups: list[tuple[list[Judged], set[int]]] = []
    for one in found:
        nodes = {id(node) for node in region(target.view, (one.name,), stops).nodes}
        shared = [group for group in groups if group[1] & nodes]
        merged = ([one], nodes)
        for group in shared:
            merged = (group[0] + merged[0], group[1] | merged[1])
            groups.remove(group)
        groups.append(merged)
    order = target.view.order
    named = [sorted(group, key=lambda one: order[one.name]) for group, _ in groups]
    return [
        (tuple(group), region(target.view, [one.name for one in group], stops))
        for group in named
    ]


def _bare(
    source: Side,
    target: Side,
    links: Links,
    group: _Group,
    errors: Sequence[Mapping[str, float]],
    recorded: Sequence[_Seen],
) -> Fault:
    """Return the fault of a group with what was seen of it, no cause tested yet."""
    judged, right = group
    results = tuple(links[name].tensors for name in right.outputs)
    ours = {link.tensors.source for link in links.values()}
    left = _entered(source.view, results, ours, right.inputs, links)
    left = with_measuring(source.view, left, ours)
    edges = _edges(links, left, right)
    known = _known(source, target, links)
    pairs = node_pairs(source.view, target.view, left, right, known, edges)
    worst = max(judged, key=lambda one: one.error)
    affected = sum(
        any(sample.get(one.name, 0.0) > one.floor for one in judged) for sample in errors
    )
    fault = Fault(
        left,
        right,
        edges,
        results,
        pairs,
        (),
        unpaired(left, chain.from_iterable(pair.source for pair in pairs)),
        unpaired(right, chain.from_iterable(pair.target for pair in pairs)),
        worst.error,
        worst.floor,
        0.0,
        affected,
        len(errors),
        tuple(_sample(left, edges, results, one) for one in recorded),
        worst.status,
        entries=tuple(n for n in right.inputs if _is_entry(n, source, target, links)),
    )
    return with_spared(fault, target)


def _tested(  # noqa: PLR0913 - both sides, a fault, and what was seen of it
    fault: Fault,
    source: Side,
    target: Side,
    links: Links,
    recorded: Sequence[_Seen],
    calibrated: frozenset[str] | None,
    *,
    spelt: bool = False,
) -> Fault:
    """Return a fault with its causes, each tested."""
    fault = tested(
        fault,
        target.model,
        target.folder,
        target.view.giver,
        [{**one.seen, **one.fed} for one in recorded],
        spelt=spelt,
    )
    fault = with_homes(fault, source)
    fault = with_origins(fault, target, [one.seen for one in recorded])
    fault = with_lossy_causes(fault, source, target, calibrated)
    fault = _with_operands(fault, source, target, links, recorded)
    fault = _with_connections(fault, source, target, links, recorded)
    fault = _with_skipped(fault, source, target)
    return replace(fault, guilty=guilty(fault))


def _entered(
    view: View,
    results: Sequence[TensorPair],
    cuts: Collection[str],
    reads: Iterable[str],
    links: Links,
) -> Region:
    """Return the source's region, so that what it reads has a counterpart in the target.

    A layout of a paired tensor stands for it only where the target's region reads that;
    where it reads another one, the nodes that lay it out belong to the region.
    """
    names = [pair.source for pair in results]
    part = region(view, names, cuts, loosely=True)
    held = {view.root.get(links[name].tensors.source) for name in reads if name in links}
    astray = [n for n in part.inputs if n not in cuts and view.root.get(n) not in held]
    if not astray:
        return part
    wider = region(view, names, cuts, loosely=True, beyond=astray)
    known = {id(node) for node in part.nodes}
    laid = all(id(node) in known or node.op in LAYOUT_OPS for node in wider.nodes)
    return wider if laid and set(wider.inputs) <= set(cuts) else part


def _with_operands(
    fault: Fault, source: Side, target: Side, links: Links, recorded: Sequence[_Seen]
) -> Fault:
    """Return a fault that nothing explains so far, or that of an operand that does."""
    if fault.is_explained:
        return fault
    given, seen = [one.probe.given for one in recorded], [one.seen for one in recorded]
    return operand_fault(fault, source, target, links, given, seen)


def _with_connections(
    fault: Fault, source: Side, target: Side, links: Links, recorded: Sequence[_Seen]
) -> Fault:
    """Return a fault that nothing explains so far, with the connections that do."""
    if fault.is_explained:
        return fault
    values = [{**one.seen, **one.fed} for one in recorded]
    found = connection_causes(fault, source, target, links, values)
    found = found or bypassed_causes(fault, target)
    return replace(fault, differences=(*found, *fault.differences))


def _with_skipped(fault: Fault, source: Side, target: Side) -> Fault:
    """Return a fault that nothing explains so far, with the operators skipped at first."""
    if fault.is_explained:
        return fault
    found = skipped_causes(fault, source, target)
    return replace(fault, differences=(*found, *fault.differences))


def _is_entry(name: str, source: Side, target: Side, links: Links) -> bool:
    """Return whether a target tensor is an input of the model, or holds one in a layout."""
    if name not in target.view.giver:
        return True
    return name in links and links[name].tensors.source not in source.view.giver


def _edges(links: Links, left: Region, right: Region) -> tuple[TensorPair, ...]:
    """Return the pairs of either region's inputs, each once."""
    by_source = {link.tensors.source: link.tensors for link in links.values()}
    found = [links[name].tensors for name in right.inputs if name in links]
    named = {pair.source for pair in found}
    read = (*left.inputs, *left.measured)
    found += [by_source[n] for n in read if n in by_source and n not in named]
    return tuple(found)


def _known(source: Side, target: Side, links: Links) -> dict[int, int]:
    known: dict[int, int] = {}
    for link in links.values():
        one = source.view.owner.get(link.tensors.source)
        other = target.view.owner.get(link.tensors.target)
        if one and other and one.op == other.op:
            known.setdefault(one.index, other.index)
    return known


def _sample(
    left: Region, edges: Sequence[TensorPair], results: Sequence[TensorPair], one: _Seen
) -> Sample:
    given = one.probe.given
    fed = {pair.target: one.fed[pair.target] for pair in edges if pair.target in one.fed}
    return Sample(
        {name: given[name] for name in left.inputs if name in given},
        {pair.source: given[pair.source] for pair in results},
        {**one.probe.feeds, **fed},  # shape arithmetic reads the model's inputs
        {pair.target: _moved(given, pair) for pair in results},
        {pair.target: one.seen[pair.target] for pair in results if pair.target in one.seen},
    )


def _moved(given: Feeds, pair: TensorPair) -> Array:
    value = carried_or_none(given[pair.source], layout_of(pair))
    return given[pair.source] if value is None else np.require(value, requirements="C")
