"""Faults that no probe excites: what differs on paper is fed values it was never fed.

Only where a static difference stands in a region that did not deviate, the same region is
cut from both models and fed random values of the range seen there and beyond. A difference
that changes nothing then is harmless; one that does, and whose undoing mends it, is latent.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite

import numpy as np

from analyzer.core.errors import RunError
from analyzer.core.types import Array, Aspect, Difference, Fault, Feeds, Status
from analyzer.differences import FLOAT_RANGE
from analyzer.isolation import Kind
from analyzer.judge import NEGLIGIBLE, has_half_weights, is_narrow, is_quantized, judged
from analyzer.localize import faults
from analyzer.matching.layouts import layout_of
from analyzer.matching.tensors import Link, Links, carried_or_none
from analyzer.probes.inside import draws
from analyzer.probes.intervals import reachable
from analyzer.probes.uses import input_uses
from analyzer.regions import region
from analyzer.runtime.metrics import relative_error
from analyzer.runtime.region import extract, run_region
from analyzer.samples import Probe
from analyzer.sides import Side
from analyzer.suspects import ACTIVATIONS, CURABLE, OF_SHAPE, Suspect

FAR = 16.0
"""Times the largest value seen that a draw goes past where an activation is suspected: the
bias before it may be several times what its inputs add."""

MOST_TRIED = 16
"""Regions fed random values, at most: more static differences mean another model."""


@dataclass(frozen=True, slots=True, eq=False)
class _Cut:
    """A region with the same ends on both sides."""

    results: tuple[str, ...]
    links: Mapping[str, Link]
    edges: Mapping[str, Link]


def latent_faults(  # noqa: PLR0913 - both sides, how they are paired, and one sample
    source: Side,
    target: Side,
    links: Links,
    found: Sequence[Suspect],
    probe: Probe,
    known: Mapping[str, Kind],
    *,
    samples: int,
    seed: int,
) -> tuple[Fault, ...]:
    """Return a latent fault for each suspect that deviates on values it was never fed.

    Args:
        source: The source.
        target: The target.
        links: Tensor pairs by target tensor.
        found: Regions that differ on paper.
        probe: One sample, for the ranges of tensors.
        known: Kind of each target tensor.
        samples: Number of samples on which nothing deviated.
        seed: Seed of everything drawn.
    """
    faults = (
        _tried(source, target, links, suspect, probe, known, seed)
        for suspect in found[:MOST_TRIED]
    )
    return tuple(
        replace(fault, status=Status.LATENT, affected=0, samples=samples)
        for fault in faults
        if fault is not None
    )


def _tried(  # noqa: PLR0913 - see `latent_faults`
    source: Side,
    target: Side,
    links: Links,
    suspect: Suspect,
    probe: Probe,
    known: Mapping[str, Kind],
    seed: int,
) -> Fault | None:
    """Return the fault that random values show in a region, None where they show none."""
    cut = _cut(source, target, links, suspect.results)
    if cut is None or _is_lossy(source, target, cut):
        return None
    try:
        trials = [
            trial
            for given in _given(source, cut, suspect, probe, seed)
            if (trial := _trial(target, cut, given, probe, known)) is not None
        ]
        return _proven(source, target, cut, trials, known, seed)
    except RunError:  # a region may refuse values that no sample holds
        return None


def _cut(source: Side, target: Side, links: Links, results: Sequence[str]) -> _Cut | None:
    """Return the region that gives some tensors, None where its ends are not the same."""
    exact = {name: link for name, link in links.items() if link.tensors.exact}
    if not set(results) <= exact.keys():
        return None
    ours = {link.tensors.source for link in exact.values()}
    right = region(target.view, results, exact.keys())
    left = region(
        source.view, [exact[name].tensors.source for name in results], ours, loosely=True
    )
    edges = {name: exact[name] for name in right.inputs if name in exact}
    alike = {link.tensors.source for link in edges.values()} == set(left.inputs)
    if not edges or len(edges) < len(right.inputs) or not alike:
        return None
    return _Cut(tuple(results), {n: exact[n] for n in (*edges, *results)}, edges)


def _is_lossy(source: Side, target: Side, cut: _Cut) -> bool:
    """Return whether a side declares fewer bits there: then all its weights differ."""
    ours = [link.tensors.source for link in cut.edges.values()]
    given = [cut.links[name].tensors.source for name in cut.results]
    sides = ((target.view, cut.results, list(cut.edges)), (source.view, given, ours))
    return any(
        is_quantized(view, name, edges)
        or is_narrow(view, name, dict.fromkeys(edges, np.zeros(0)))
        or has_half_weights(view, name, edges)
        for view, names, edges in sides
        for name in names
    )


def _given(
    source: Side, cut: _Cut, suspect: Suspect, probe: Probe, seed: int
) -> Iterator[dict[str, Array]]:
    """Yield what the source's region holds at its ends for each draw."""
    names = [link.tensors.source for link in cut.edges.values()]
    wanted = [cut.links[name].tensors.source for name in cut.results]
    seen = {name: probe.given[name] for name in names}
    part = extract(source.model, names, wanted, arrays=seen)
    limits = {name: reachable(source.view, name) for name in names}
    uses = input_uses(part, source.folder)
    past = max((_past(diff, seen) for diff in suspect.differences), default=0.0)
    rest = {name: probe.given[name] for name in source.view.inputs if name in probe.given}
    rows = _rows(suspect.differences)
    for drawn in draws(seen, limits, uses, past=past, rows=rows, seed=seed):
        fed = {**rest, **drawn}
        yield {**fed, **run_region(source.model, source.folder, fed, wanted)}


def _rows(differences: Sequence[Difference]) -> Array:
    """Return the rows of a table that differ: no sample may ever have asked for them."""
    found = [
        np.flatnonzero(np.any(one != other, axis=tuple(range(1, one.ndim))))
        for diff in differences
        for one, other in [(diff.source, diff.target)]
        if diff.target_node is not None and diff.target_node.op == "Gather"
        if isinstance(one, np.ndarray) and isinstance(other, np.ndarray)
        if one.shape == other.shape and one.ndim
    ]
    return np.concatenate([*found, np.empty(0, np.int64)])


def _past(difference: Difference, seen: Feeds) -> float:
    """Return the magnitude that values must go past to show a difference."""
    if difference.aspect is not Aspect.OPERATOR:
        return _bound(difference)
    plain = (value for value in seen.values() if value.dtype.kind == "f" and value.size)
    return FAR * max((float(np.abs(value).max()) for value in plain), default=0.0)


def _bound(difference: Difference) -> float:
    """Return the largest number that a setting bounds values by, 0 for anything else."""
    if difference.aspect is not Aspect.ATTRIBUTE:
        return 0.0
    both = (difference.source, difference.target)
    numbers = [abs(float(one)) for one in both if isinstance(one, int | float)]
    return max((one for one in numbers if one < FLOAT_RANGE), default=0.0)


def _trial(
    target: Side,
    cut: _Cut,
    given: Mapping[str, Array],
    probe: Probe,
    known: Mapping[str, Kind],
) -> tuple[Probe, dict[str, float], dict[str, Array]] | None:
    """Return a draw with its errors and what was fed; None where the regions agree."""
    fed = {name: _carried(given, link, known) for name, link in cut.links.items()}
    if any(value is None for value in fed.values()):
        return None
    held = {name: value for name, value in fed.items() if value is not None}
    feeds = {**probe.feeds, **{name: held[name] for name in cut.edges}}
    got = run_region(target.model, target.folder, feeds, cut.results)
    errors = {name: relative_error(got[name], held[name]) for name in cut.results}
    finite = all(_is_finite(got[name]) for name in cut.results)
    if not finite or max(errors.values()) <= NEGLIGIBLE:
        return None  # what overflows on values of our own making proves nothing
    own = {name: feeds[name] for name in probe.feeds}
    return Probe({**given}, own), errors, held


def _is_finite(array: Array) -> bool:
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())


def _carried(
    given: Mapping[str, Array], link: Link, known: Mapping[str, Kind]
) -> Array | None:
    value = carried_or_none(given[link.tensors.source], layout_of(link.tensors))
    if value is None:
        return None
    kind = known.get(link.tensors.target)
    return np.require(value, kind.dtype if kind else None, "C")


def _proven(
    source: Side,
    target: Side,
    cut: _Cut,
    trials: Sequence[tuple[Probe, dict[str, float], dict[str, Array]]],
    known: Mapping[str, Kind],
    seed: int,
) -> Fault | None:
    """Return the fault behind some deviating draws, None where no difference cures it."""
    if not trials:
        return None
    partners = {name: link.tensors.source for name, link in cut.links.items()}
    worst, _, fed = max(trials, key=lambda trial: max(trial[1].values()))
    errors = [trial[1] for trial in trials]
    wrong = [
        one
        for one in judged(source, target, errors, partners, worst.given, fed, seed)
        if one.status is Status.FAULT
    ]
    probes = [trial[0] for trial in trials]
    for one in faults(source, target, cut.links, wrong, errors, probes, known):
        cures = tuple(_cures(one))
        if (cures or _is_by_activations(one)) and isfinite(one.local_error):
            return replace(one, differences=cures)
    return None


def _is_by_activations(fault: Fault) -> bool:
    """Return whether all that only one side of a region has are activations."""
    lone = (*fault.unpaired_source, *fault.unpaired_target)
    return bool(lone) and all(node.op in ACTIVATIONS for node in lone)


def _cures(fault: Fault) -> Iterator[Difference]:
    """Yield the settings, weights and activations with which the region is right."""
    for diff in fault.differences:
        nodes = (diff.source_node, diff.target_node)
        known = all(node is None or node.op in ACTIVATIONS for node in nodes)
        sought = diff.aspect in CURABLE or (diff.aspect is Aspect.OPERATOR and known)
        if sought and diff.field not in OF_SHAPE and fault.is_cured_by(diff):
            yield diff
