"""From two pivots and their probes to pairs and root faults."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx

from analyzer.breakage import Runnable, breakage_faults, bridged
from analyzer.core.errors import RunError
from analyzer.core.options import Options, Progress
from analyzer.core.report import InputPair, NotCompared
from analyzer.core.types import Array, Fault, Feeds, Pivot, TensorPair
from analyzer.damage import damages
from analyzer.effect import beyond_spelling, lenient, noticed
from analyzer.isolation import Kind, Side, kinds, settle
from analyzer.judge import NEGLIGIBLE, Judged, judged
from analyzer.latent import latent_faults, suspects
from analyzer.localize import Probe, faults, local_errors
from analyzer.matching.ends import output_names, target_feeds
from analyzer.matching.layouts import Layout, pair
from analyzer.matching.operators import OperatorPair, operator_pairs
from analyzer.matching.overrides import Named, stated, stated_links
from analyzer.matching.tensors import Link, Links, agrees, linked
from analyzer.outputs import output_layouts
from analyzer.runtime.dump import dump, instrument
from analyzer.runtime.session import Session, open_session
from analyzer.samples import gaps_on, largest, ordinary_errors, telling, worst_first
from analyzer.splitting import helpful, inner_links
from analyzer.view import View, view_of


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """What comparing the values of two pivots gave.

    Attributes:
        source: The source's macro graph.
        target: The target's macro graph.
        links: Tensor pairs by target tensor.
        operators: Operator pairs from weights and structure.
        faults: Root faults and drift, worst first.
        propagated: Tensors that deviate only because another one does.
        gaps: Largest relative deviation of each pivot's outputs from its native runtime's.
        missed: What could not be compared.
    """

    source: View
    target: View
    links: Links
    operators: tuple[OperatorPair, ...]
    faults: tuple[Fault, ...]
    propagated: int
    gaps: tuple[float, float]
    missed: tuple[NotCompared, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Bench:
    """What a sample is run on: both sides, their dumping sessions, what feeds what."""

    source: Side
    target: Side
    ours: Session
    theirs: Session | None
    inputs: tuple[InputPair, ...]
    pivot: Pivot
    probes: tuple[Feeds, ...]
    outputs: tuple[tuple[str, str], ...]

    def given(self, place: int) -> dict[str, Array]:
        """Return the source's values of one sample."""
        return dump(self.ours, self.probes[place])

    def feeds(self, place: int) -> dict[str, Array]:
        """Return the target's inputs of one sample."""
        return target_feeds(self.probes[place], self.inputs, self.pivot)

    def flowing(self, probe: Probe) -> dict[str, Array]:
        """Return the target's values for a probe in an ordinary run, as far as it runs."""
        return {} if self.theirs is None else dump(self.theirs, probe.feeds)

    def seen(self, place: int) -> dict[str, Array]:
        """Return the target's values of one sample, as far as it runs."""
        feeds = self.feeds(place)
        return feeds if self.theirs is None else dump(self.theirs, feeds)


def compare_values(  # noqa: PLR0913 - both pivots and all that they are compared on
    source: Pivot,
    target: Pivot,
    working: Runnable,
    probes: tuple[Feeds, ...],
    inputs: tuple[InputPair, ...],
    native: tuple[Sequence[Feeds], Sequence[Feeds]],
    options: Options,
    progress: Progress,
    names: Named = (),
    outputs: tuple[tuple[str, str], ...] | None = None,
) -> Compared:
    """Return the tensor pairs of two pivots and the regions where the target is wrong.

    Args:
        source: The source's pivot.
        target: The target's pivot.
        working: As much of the target's proto as runs.
        probes: Samples by source input name.
        inputs: Which target input takes which source input.
        native: Outputs of both native runtimes, sample by sample.
        options: Seed and tolerances.
        progress: Told what is being done.
        names: Nodes or tensors that the user states to be pairs, source first.
        outputs: The outputs that belong together; None: by name, sizes and place.
    """
    progress("matching operators", 0.0)
    left, right = view_of(source.model, source.folder), view_of(target.model, target.folder)
    given = tuple(stated(left, right, names))
    ends = {pair.source: pair.target for pair in inputs}
    operators = operator_pairs(left, right, ends, given, options.evidence)
    bench = _Bench(
        Side(source.model, source.folder, left),
        Side(working.model, target.folder, right),
        open_session(instrument(source.model), source.folder),
        _session(working.model, target.folder),
        inputs,
        target,
        probes,
        output_names(source, target) if outputs is None else outputs,
    )
    fixed, links = _first_links(bench, operators, names, options.evidence)
    ordinary, gaps = [], []
    for place in range(len(probes)):
        progress("comparing samples", place / len(probes))
        errors, deviations = _seen_on(bench, place, links, native)
        ordinary.append(errors)
        gaps.append(deviations)
    gap = (max(ours for ours, _ in gaps), max(theirs for _, theirs in gaps))
    result = Compared(left, right, links, operators, (), 0, gap, ())
    if working.refusal is None and _is_clean(links, ordinary, right):
        return replace(result, faults=_latent(bench, result, options))
    working, bridges = bridged(working, target, left, right, operators)
    found = _as_far_as_possible(
        bench, working, result, (fixed, bridges), ordinary, options, progress
    )
    broken = (
        ()
        if _stopped_by_sizes(found, working)
        else tuple(
            _witnessed(bench, working, found, fault)
            for fault in breakage_faults(
                working, target, left, right, found.links, operators
            )
        )
    )
    missed = tuple(
        NotCompared(name, "nothing runs behind the node that stops the target")
        for name in right.outputs
        if working.refusal is not None and name not in found.links
    )
    return replace(found, faults=(*broken, *found.faults), missed=missed)


def _session(model: onnx.ModelProto, folder: Path) -> Session | None:
    """Return a session that gives every tensor; None for a model without nodes."""
    return open_session(instrument(model), folder) if model.graph.node else None


def _first_links(
    bench: _Bench,
    operators: Sequence[OperatorPair],
    named: Named,
    evidence: frozenset[str],
) -> tuple[Links, Links]:
    """Return the links that hold by definition, and all that the first sample shows."""
    given, seen = bench.given(0), bench.seen(0)
    ends = _end_links(bench.inputs, bench.outputs, given, seen)
    ends |= stated_links(bench.target.view, named, given, seen)
    views = bench.source.view, bench.target.view
    return ends, linked(*views, given, seen, operators, ends, evidence=evidence)


def _seen_on(
    bench: _Bench,
    place: int,
    links: Links,
    native: tuple[Sequence[Feeds], Sequence[Feeds]],
) -> tuple[dict[str, float], tuple[float, float]]:
    """Return all pairs' errors on one sample, and both pivots' gaps; nothing is kept."""
    given, seen = bench.given(place), bench.seen(place)
    return ordinary_errors(links, given, seen), gaps_on(place, given, seen, native)


def _is_clean(
    links: Links,
    errors: Sequence[Mapping[str, float]],
    view: View,
) -> bool:
    """Return whether an ordinary run already shows both models to be the same everywhere.

    All outputs are paired, and no pair deviates by more than rounding.
    """
    return all(name in links or name not in view.dynamic for name in view.outputs) and all(
        error <= NEGLIGIBLE for sample in errors for error in sample.values()
    )


def _end_links(
    inputs: Sequence[InputPair],
    names: tuple[tuple[str, str], ...],
    given: Feeds,
    seen: Feeds,
) -> dict[str, Link]:
    """Return the links that hold by definition: inputs, outputs where sizes allow."""
    links = {
        both.target: Link(
            pair(both.source, both.target, Layout(both.permutation, None), exact=True),
            1.0,
            (both.why,),
        )
        for both in inputs
    }
    for (one, other), layout in output_layouts(names, given, seen, inputs).items():
        exact = agrees(given[one], seen[other], pair(one, other, layout, exact=False))
        links[other] = Link(pair(one, other, layout, exact=exact), 1.0, ("output",))
    return links


def _witnessed(bench: _Bench, working: Runnable, found: Compared, fault: Fault) -> Fault:
    """Return the fault of a stopping node with what its region is fed and should give.

    Without that evidence a rule can only read the graph; with it, it can prove a cure.
    """
    if len(fault.source.outputs) != 1 or len(fault.target.outputs) != 1:
        return fault
    name = fault.target.outputs[0]
    orders = {edge.permutation for edge in fault.edges}
    tensors = TensorPair(
        fault.source.outputs[0], name, orders.pop() if len(orders) == 1 else None
    )
    links = {**found.links, name: Link(tensors, 0.5, ("neighbours",))}
    whole = replace(bench.target, model=bench.pivot.model)
    running = replace(bench.target, model=working.beyond)
    probes = [Probe(bench.given(n), bench.feeds(n)) for n in range(len(bench.probes))[:3]]
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
        problem=fault.problem,
        guilty=tuple(dict.fromkeys((*_caused(seen), *fault.guilty)))[:4],
    )


def _caused(fault: Fault) -> tuple[str, ...]:
    """Return what the cause test blames, if it blames anything."""
    cured = any(
        diff.cure is not None and diff.cure <= fault.noise_floor
        for diff in fault.differences
    )
    return fault.guilty if cured else ()


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
    bench: _Bench,
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
    bench: _Bench,
    result: Compared,
    ends: Links,
    ordinary: Sequence[Mapping[str, float]],
    options: Options,
    progress: Progress,
) -> Compared:
    """Return the comparison with its root faults."""
    ranked = worst_first(ordinary, result.target.outputs)
    place = ranked[0]
    progress("isolating regions", 0.0)
    given, feeds, seen = bench.given(place), bench.feeds(place), bench.seen(place)
    both, proposed = (bench.source, bench.target), result.operators
    settled = settle(*both, given, feeds, seen, proposed, ends, options.evidence)
    known = kinds({**settled.seen, **seen})
    located = _roots(bench, settled.links, ranked, known, options, progress)
    between = inner_links(bench.target, located.faults, settled.links, given, settled.seen)
    if between:
        located = _split(bench, located, between, ranked, known, options, progress)
    links, roots, probes = located.links, located.faults, located.probes
    flowing = [
        ordinary_errors(links, probe.given, bench.flowing(probe)) for probe in probes
    ]
    roots = noticed(roots, result.target, links, flowing)
    roots = beyond_spelling(roots, result.target, largest(ordinary))
    roots = lenient(roots, bench.pivot.model)
    roots = damages(bench.target, links, roots, probes, known)
    wrong = {name for name, error in largest(ordinary).items() if error > NEGLIGIBLE}
    inherited = wrong - located.deviating
    whole = replace(
        result, links=links, faults=roots, propagated=len(inherited) if roots else 0
    )
    latent = _latent(bench, whole, options, located.deviating)
    return replace(whole, faults=(*roots, *latent))


@dataclass(frozen=True, slots=True, eq=False)
class _Roots:
    """What deviates under some links: the faults, and the samples that show them."""

    links: Links
    faults: tuple[Fault, ...]
    deviating: frozenset[str]
    probes: tuple[Probe, ...]


def _roots(
    bench: _Bench,
    links: Links,
    ranked: Sequence[int],
    known: Mapping[str, Kind],
    options: Options,
    progress: Progress,
) -> _Roots:
    """Return the regions that deviate when each reads the source's values."""
    errors: list[dict[str, float]] = []
    given: Feeds = {}
    fed: Feeds = {}
    for done, number in enumerate(ranked):
        progress("isolating regions", done / len(ranked))
        probe = Probe(bench.given(number), bench.feeds(number))
        local, values, _ = local_errors(bench.target, links, probe, known)
        errors.append(local)
        given, fed = given or probe.given, fed or values
    progress("measuring noise", 0.0)
    partners = {name: link.tensors.source for name, link in links.items()}
    found = judged(bench.source, bench.target, errors, partners, given, fed, options.seed)
    deviating = frozenset(one.name for one in found)
    probes = tuple(
        Probe(bench.given(n), bench.feeds(n)) for n in telling(ranked, errors, deviating)
    )
    roots = faults(bench.source, bench.target, links, found, errors, probes, known)
    return _Roots(links, roots, deviating, probes)


def _split(  # noqa: PLR0913 - see `_roots`
    bench: _Bench,
    whole: _Roots,
    between: Links,
    ranked: Sequence[int],
    known: Mapping[str, Kind],
    options: Options,
    progress: Progress,
) -> _Roots:
    """Return the roots with those regions cut in which a pair between them tells more."""

    def with_cuts(cuts: Links) -> _Roots:
        links = {**whole.links, **cuts}
        return _roots(bench, links, ranked, known, options, progress)

    try:
        tried = with_cuts(between)
        both = bench.source, bench.target
        kept = helpful(*both, whole.faults, tried.faults, between, whole.links)
        if not kept or kept.keys() == between.keys():
            return tried if kept else whole
        return with_cuts(kept)
    except RunError:  # a node does not take what its counterpart reads
        return whole


def _latent(
    bench: _Bench, found: Compared, options: Options, deviating: Collection[str] = ()
) -> tuple[Fault, ...]:
    """Return the faults that no sample excites, where something differs on paper."""
    links = {name: link for name, link in found.links.items() if name not in deviating}
    suspected = suspects(bench.source, bench.target, links, found.operators, found.faults)
    if not suspected:
        return ()
    given, feeds, seen = bench.given(0), bench.feeds(0), bench.seen(0)
    return latent_faults(
        bench.source,
        bench.target,
        links,
        suspected,
        Probe(given, feeds),
        kinds(seen),
        samples=len(bench.probes),
        seed=options.seed,
    )
