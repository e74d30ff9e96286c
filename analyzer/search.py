"""The search for root faults in a pair that does not agree."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from analyzer.bench import Bench
from analyzer.breakage import Runnable, breakage_faults, bridged
from analyzer.comparison import Compared, latent
from analyzer.core.errors import RunError
from analyzer.core.options import Options, Progress
from analyzer.core.report import NotCompared
from analyzer.core.types import Fault, Feeds, TensorPair
from analyzer.damage import damages
from analyzer.effect import beyond_spelling, lenient, noticed, watched
from analyzer.excuses import Excuses
from analyzer.first import First
from analyzer.judge import NEGLIGIBLE, Judged
from analyzer.localize import faults
from analyzer.masks import fed_right
from analyzer.matching.layouts import layout_of
from analyzer.matching.tensors import Link, Links
from analyzer.roots import isolated_values, joined_roots, roots_of, settled, split_roots
from analyzer.samples import (
    Probe,
    gaps_on,
    largest,
    ordinary_errors,
    outputs_of,
    worst_first,
)
from analyzer.splitting import inner_links


def searched(  # noqa: PLR0913 - see `compare_values`
    bench: Bench,
    first: First,
    result: Compared,
    working: Runnable,
    native: tuple[Sequence[Feeds], Sequence[Feeds]],
    options: Options,
    progress: Progress,
) -> Compared:
    """Return a comparison with its root faults, those of nodes that stop included.

    Args:
        bench: What the samples are run on.
        first: What the first sample shows.
        result: What is known so far: both macro graphs, links and operator pairs.
        working: As much of the target's proto as runs.
        native: Outputs of both native runtimes, sample by sample.
        options: Seed and tolerances.
        progress: Told what is being done.
    """
    ordinary, result = _flowed(bench, first, result, native, progress)
    if working.refusal is not None:
        result = replace(result, outputs=(result.outputs[0], ()))
    views, operators = (result.source, result.target), result.operators
    working, bridges = bridged(working, bench.pivot, *views, operators)
    found = _as_far_as_possible(
        bench, working, result, (first.ends, bridges), ordinary, options, progress
    )
    broken = (
        ()
        if _stopped_by_sizes(found, working)
        else tuple(
            _witnessed(bench, working, found, fault)
            for fault in breakage_faults(
                working, bench.pivot, *views, found.links, operators
            )
        )
    )
    missed = tuple(
        NotCompared(name, "nothing runs behind the node that stops the target")
        for name in result.target.outputs
        if working.refusal is not None and name not in found.links
    )
    return replace(found, faults=(*broken, *found.faults), missed=missed)


def _flowed(
    bench: Bench,
    first: First,
    result: Compared,
    native: tuple[Sequence[Feeds], Sequence[Feeds]],
    progress: Progress,
) -> tuple[list[Mapping[str, float]], Compared]:
    """Return all pairs' errors on each sample, and the comparison with gaps and outputs."""
    ordinary, gaps, outputs = [], [], []
    count = len(bench.probes)
    for place in range(count):
        progress(f"running both models on sample {place + 1}", place / count)
        errors, results = _seen_on(bench, place, first)
        ordinary.append(errors)
        gaps.append(gaps_on(place, *results, native))
        outputs.append(results)
    ours, theirs = zip(*outputs, strict=True)
    source_gaps, target_gaps = zip(*gaps, strict=True)
    return ordinary, replace(
        result, gaps=(source_gaps, target_gaps), outputs=(ours, theirs)
    )


def _seen_on(
    bench: Bench, place: int, first: First
) -> tuple[Mapping[str, float], tuple[Feeds, Feeds]]:
    """Return all pairs' errors on one sample, and both pivots' outputs."""
    if place == 0:
        return first.errors, first.outputs
    given = bench.given(place)
    seen = bench.seen(place, given)
    outputs = outputs_of(bench.source.view, given), outputs_of(bench.target.view, seen)
    return ordinary_errors(first.links, given, seen), outputs


def _witnessed(bench: Bench, working: Runnable, found: Compared, fault: Fault) -> Fault:
    """Return the fault of a stopping node with what its region is fed and should give.

    Without that evidence a rule can only read the graph; with it, it can prove a cure.
    """
    if len(fault.source.outputs) != 1 or len(fault.target.outputs) != 1:
        return fault
    name = fault.target.outputs[0]
    if name not in bench.target.view.giver:
        return fault  # a dangling tensor: only the source gives it
    orders = {edge.permutation for edge in fault.edges}
    tensors = TensorPair(
        fault.source.outputs[0], name, orders.pop() if len(orders) == 1 else None
    )
    links = {**found.links, name: Link(tensors, 0.5, ("neighbours",))}
    whole = replace(bench.target, model=bench.pivot.model)
    running = replace(bench.target, model=working.beyond)
    probes = [Probe(bench.held(n), bench.feeds(n)) for n in range(len(bench.probes))[:3]]
    stopped = Judged(name, np.inf, NEGLIGIBLE, fault.status)
    errors = [{name: np.inf} for _ in bench.probes]
    try:
        seen = faults(bench.source, whole, links, [stopped], errors, probes, {}, running)[0]
    except RunError:  # what lies behind it does not run either
        return fault
    if not set(seen.source.inputs) <= {edge.source for edge in seen.edges}:
        return fault  # the walk back stopped at a layout that the target never makes
    return replace(
        seen,
        fault_class=fault.fault_class,
        problem="; ".join(filter(None, (fault.problem, seen.problem))),
        guilty=tuple(dict.fromkeys((*_caused(seen), *fault.guilty)))[:4],
    )


def _caused(fault: Fault) -> tuple[str, ...]:
    """Return what the cause test blames, if it blames anything."""
    return fault.guilty if fault.is_explained else ()


def _stopped_by_sizes(found: Compared, working: Runnable) -> bool:
    """Return whether the node that stops is right and only reads a root fault's result.

    Isolated, each region that reads the source's values runs; the stopping node's own
    result is then as right as any other, and the fault is the region of other sizes.
    """
    stopped = {
        name
        for node in found.target.nodes
        if node.name in working.stopped
        for name in node.outputs
    }
    at_root = {name for fault in found.faults for name in fault.target.outputs}
    return (
        any(np.isinf(fault.local_error) for fault in found.faults) and not stopped & at_root
    )


def _as_far_as_possible(  # noqa: PLR0913 - see `compare_values`
    bench: Bench,
    working: Runnable,
    result: Compared,
    ends: tuple[Links, Links],
    ordinary: Sequence[Mapping[str, float]],
    options: Options,
    progress: Progress,
) -> Compared:
    """Return the comparison with its root faults, those behind a stopping node included."""
    fixed, bridges = ends
    if working.refusal is None:
        return _localized(bench, result, fixed, ordinary, options, progress)
    for model, known in (
        (bench.pivot.model, fixed),  # fed the right sizes, the stopping node may well run
        (working.beyond, {**fixed, **bridges}),
    ):
        try:
            tried = replace(bench, target=replace(bench.target, model=model))
            return _localized(tried, result, known, ordinary, options, progress)
        except RunError:  # a node does not take the source's values either
            continue
    return _localized(bench, result, fixed, ordinary, options, progress)


def _localized(
    bench: Bench,
    result: Compared,
    ends: Links,
    ordinary: Sequence[Mapping[str, float]],
    options: Options,
    progress: Progress,
) -> Compared:
    """Return the comparison with its root faults."""
    ranked = worst_first(ordinary, result.target.outputs)
    place = ranked[0]
    progress(f"pairing tensors on sample {place + 1}, by isolated runs", 0.0)
    links, known = settled(bench, place, result.operators, ends, options)
    located = roots_of(bench, links, ranked, known, options, progress)
    located = joined_roots(bench, located, ranked, known, options, progress)
    links = located.links
    again = partial(isolated_values, bench, links, place, known)
    between = inner_links(bench.target, located.faults, links, bench.held(place), again)
    if between:
        located = split_roots(bench, located, between, ranked, known, options, progress)
    links, roots, probes = located.links, located.faults, located.probes
    asked = {name: links[name] for name in watched(roots, result.target, links)}
    flowing = [
        _flowing(bench, asked, result.links, ordinary[place], place, probe.given)
        for place, probe in zip(located.places, probes, strict=True)
    ]
    entering = [ordinary[place] for place in located.places]
    right = fed_right(roots, bench.target, links, probes, known, flowing, entering)
    roots = noticed(roots, result.target, links, flowing, right)
    roots = beyond_spelling(roots, result.target, largest(ordinary))
    if not options.strict:
        excuses = Excuses(
            bench.source, bench.target, links, probes, known, located.deviating
        )
        roots = lenient(roots, bench.pivot.model, excuses.stays_wrong)
        roots = excuses.judged(roots, settled=True)
    roots = damages(bench.target, links, roots, probes, known, flowing)
    wrong = {name for name, error in largest(ordinary).items() if error > NEGLIGIBLE}
    inherited = wrong - located.deviating
    whole = replace(
        result, links=links, faults=roots, propagated=len(inherited) if roots else 0
    )
    unseen = latent(bench, whole, known, options, located.deviating)
    return replace(whole, faults=(*roots, *unseen))


def _flowing(
    bench: Bench,
    links: Links,
    before: Links,
    errors: Mapping[str, float],
    place: int,
    given: Feeds,
) -> dict[str, float]:
    """Return some pairs' errors in an ordinary run; only for new pairs is it run again."""
    kept = {name for name in links.keys() & before.keys() if _same(links, before, name)}
    found = {name: error for name, error in errors.items() if name in kept}
    rest = {name: link for name, link in links.items() if name not in kept}
    return found | (
        ordinary_errors(rest, given, bench.flowing(place, given)) if rest else {}
    )


def _same(links: Links, before: Links, name: str) -> bool:
    """Return whether a target tensor has the partner, in the layout, that it had before."""
    now, then = links[name].tensors, before[name].tensors
    return now.source == then.source and layout_of(now) == layout_of(then)
