"""The whole analysis on one page: load, view, match, run, isolate, judge, classify."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from analyzer.breakage import Runnable
from analyzer.clock import Clock
from analyzer.comparison import Compared
from analyzer.contradictions import Read, read_as_meant, with_contradictions
from analyzer.core.errors import RunError
from analyzer.core.graph import opsets
from analyzer.core.options import Options, Progress, RuleBook, silent
from analyzer.core.report import (
    Coverage,
    InputPair,
    ModelSummary,
    NotCompared,
    OutputPair,
    PairSummary,
    ProbeSummary,
    Report,
    Verdict,
)
from analyzer.core.types import Feeds, Finding, Pivot, TensorPair
from analyzer.coverage import compared_share, coverage
from analyzer.exchanged import Exchanged, exchange_fault, exchanged, repeated
from analyzer.explained import explained, explained_alone, has_fault, unexplained
from analyzer.fidelity import fidelity_findings
from analyzer.harmless import fixed_sizes, told_harmless
from analyzer.integer_ends import called_in_file, untold_ends, with_float_ends
from analyzer.loading import load_pair
from analyzer.lost_outputs import told_lost
from analyzer.matching.ends import output_names
from analyzer.naming import coverage_in_file
from analyzer.natively import Natively, natively, refused
from analyzer.opened import compare_opened
from analyzer.origins import hidden_behind, is_hidden
from analyzer.output_shapes import output_shape_findings
from analyzer.outputs import (
    NativeRuns,
    completed,
    judged_outputs,
    native_runs,
    refuse_unknown_outputs,
)
from analyzer.outside import (
    constant_findings,
    interface_faults,
    refusal_findings,
    superfluous,
)
from analyzer.prepared import Prepared, prepared
from analyzer.reimport import import_findings, reimported, without_importers
from analyzer.second_size import Asked, at_second_sizes
from analyzer.simplify import simplify
from analyzer.stated import stated_pairs
from analyzer.unrelated import has_stranger
from analyzer.verdict import verdict_of
from analyzer.whole import whole_faults

PACKAGES = ("onnx", "onnxruntime", "numpy", "networkx", "onnx_graphsurgeon")
"""Packages whose version a report names."""


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """A report and what a repair needs beyond it.

    Attributes:
        report: What `diff` says.
        source: The source's pivot.
        target: The target's pivot.
        probes: The samples used, by source input name.
        inputs: Which target input takes which source input.
        tensors: Tensor pairs that stood the isolation runs.
        restated: Of the findings, what the target's file states wrongly.
    """

    report: Report
    source: Pivot
    target: Pivot
    probes: tuple[Feeds, ...]
    inputs: tuple[InputPair, ...]
    tensors: tuple[TensorPair, ...]
    restated: tuple[Finding, ...] = ()


def diff(
    source: str,
    target: str,
    *,
    options: Options = Options(),  # noqa: B008 - a frozen value
    rules: RuleBook = None,
    progress: Progress = silent,
) -> Report:
    """Return whether the target is still the source, and where and why it is not.

    Args:
        source: Path of the model that is right by definition, as a user would type it.
        target: Path of its conversion.
        options: How the pair is probed and judged.
        rules: The rule book, or what gives it; None: every rule that is installed.
        progress: Told what is being done.

    Raises:
        PivotfixError: A file or an option is wrong.
    """
    return analyse(source, target, options=options, rules=rules, progress=progress).report


def analyse(
    source: str,
    target: str,
    *,
    options: Options = Options(),  # noqa: B008 - a frozen value
    rules: RuleBook = None,
    progress: Progress = silent,
) -> Analysis:
    """Return the report on a pair of files, and what a repair needs beyond it.

    Args and errors are those of `diff`.
    """
    clock = Clock()
    with clock("load"):
        left, right = load_pair((source, target), options, progress)
    if options.simplify:
        left, right = simplify(left), simplify(right)
    left, right = with_float_ends(left, right)
    return analyse_pivots(
        left, right, options=options, rules=rules, progress=progress, clock=clock
    )


def analyse_pivots(  # noqa: PLR0913 - two models, and all that can be given in advance
    source: Pivot,
    target: Pivot,
    *,
    options: Options = Options(),  # noqa: B008 - a frozen value
    rules: RuleBook = None,
    progress: Progress = silent,
    clock: Clock | None = None,
    probes: tuple[tuple[Feeds, ...], ProbeSummary] | None = None,
) -> Analysis:
    """Return the report on two pivots, and what a repair needs beyond it.

    Args:
        source: The source's pivot.
        target: The target's pivot.
        options: How the pair is probed and judged.
        rules: The rule book, or what gives it; None: every rule that is installed.
        progress: Told what is being done.
        clock: Continued from loading.
        probes: The samples to use; None: drawn as the options say.
    """
    clock = clock or Clock()
    refuse_unknown_outputs(source, target, options)
    if refused(source, target):
        with clock("run natively"):
            known = natively(source, target, options, probes)
        return _inconclusive(source, target, known, clock)
    pair = prepared(source, target, options, probes)
    with clock("run natively"):
        progress("running both models natively", 0.0)
        try:
            runs = native_runs(*pair.run, pair.cut.samples, pair.cut.inputs)
        except RunError as refusal:
            return _without_source(pair, refusal, clock)
    read = read_as_meant(source, target, runs.refusal)
    analysed = partial(analyse_pivots, options=options, rules=rules, progress=progress)
    if read.faults:
        meant = analysed(source, read.target, clock=clock, probes=probes)
        return _told_as_meant(meant, read, target, rules)
    with clock("compare"):
        try:
            moved = exchanged(*pair.run, runs, pair.cut.inputs)
            working, compared = _compared(pair, runs, moved, options, progress)
        except RunError as surprise:
            return _without_source(pair, _refusal(pair, surprise), clock)
        runs = completed(runs, compared.outputs, working.refusal)
    with clock("import anew"):
        anew = reimported(pair, compared.gaps, options.seed)
    if anew.changed:
        return analysed(*anew.pivots, clock=clock, probes=(pair.samples, pair.summary))
    pair = anew.told(pair)
    explain = partial(explained, both=(source, target), sides=pair.sides, rules=rules)
    with clock("classify"):
        found, broken = explain(compared)
    with clock("second sizes"):
        found += _at_second_sizes(pair, runs, compared, options, explain)
    if options.harmless:
        found += told_harmless(compared, len(pair.cut.samples), explain)
        found += tuple(fixed_sizes(pair.source, pair.target, pair.inputs))
    feeds = pair.cut.samples, pair.fed
    outputs = judged_outputs(
        pair.run, feeds, pair.cut.inputs, runs, options, compared.faults
    )
    first, last = whole_faults(pair, compared, runs, outputs)
    said = [explain(replace(compared, faults=some))[0] for some in (first, last)]
    found = tuple({one.id: one for one in (*said[0], *found, *said[1])}.values())
    findings = _all_findings(pair, found, outputs, (working, compared), runs, options)
    report = _report(pair, findings, outputs, compared, runs, broken, clock)
    ends = (pair.samples, pair.inputs, compared.tensors)
    return Analysis(report, source, target, *ends, superfluous(findings))


def _told_as_meant(meant: Analysis, read: Read, target: Pivot, rules: RuleBook) -> Analysis:
    """Return the analysis of a target as it is meant, with what its file states wrongly."""
    if has_stranger(meant.report.findings):
        return replace(meant, target=target)
    told, broken = explained_alone(read.faults, rules)
    whole = with_contradictions(meant.report, told, broken)
    every = (*told, *meant.restated)  # loaded, it may still refuse a sample
    return replace(meant, report=whole, target=target, restated=every)


def _compared(
    pair: Prepared,
    runs: NativeRuns,
    moved: Exchanged | None,
    options: Options,
    progress: Progress,
) -> tuple[Runnable, Compared]:
    """Return the comparison of a pair, of as much of the target as runs.

    Raises:
        RunError: The source stops on a sample.
    """
    names = stated_pairs(options.pairs, pair)
    whole = moved is not None and moved.is_whole and pair.cut.outputs is None
    cut = replace(pair.cut, outputs=moved.pairs) if moved and whole else pair.cut
    working, found = compare_opened(cut, runs, pair.fed, names, options, progress)
    if moved is None:
        return working, found
    faults = tuple(repeated(fault, moved) for fault in found.faults)
    if whole:
        faults = (exchange_fault(moved, found.target), *faults)
    return working, replace(found, faults=faults)


def _refusal(pair: Prepared, surprise: RunError) -> RunError:
    """Return why the source does not run on some sample.

    Raises:
        RunError: It runs on all of them; the surprise has another reason.
    """
    try:
        for feeds in pair.cut.samples:
            pair.run[0].run_native(feeds)
    except RunError as refusal:
        return refusal
    raise surprise


def _at_second_sizes(
    pair: Prepared,
    runs: NativeRuns,
    compared: Compared,
    options: Options,
    explain: Callable[[Compared], tuple[tuple[Finding, ...], object]],
) -> tuple[Finding, ...]:
    """Return what is found only at another size; of a pair that is whole and agrees."""
    if pair.cut.missed:
        return ()
    asked = Asked(pair.source, pair.target, pair.inputs, options, runs, compared)
    return at_second_sizes(asked, pair.sides, pair.samples, explain)


def _all_findings(
    pair: Prepared,
    found: tuple[Finding, ...],
    outputs: tuple[OutputPair, ...],
    seen: tuple[Runnable, Compared],
    runs: NativeRuns,
    options: Options,
) -> tuple[Finding, ...]:
    """Return what was found in regions, and what lies in none."""
    working, compared = seen
    feeds = pair.cut.samples, pair.fed
    refused = None if working.refusal or has_fault(found) else runs.refusal
    findings = (
        *interface_faults(pair.source, pair.target, pair.inputs, told_lost(found)),
        *found,
        *output_shape_findings(
            outputs, runs, pair.cut.inputs, compared, pair.sides[1], found
        ),
        *constant_findings(pair.target, outputs, compared.target.dynamic),
        *refusal_findings(pair.target, refused),
        *fidelity_findings(pair.run, compared.gaps, feeds, options.seed, outputs),
        *import_findings(pair.source, pair.target),
    )
    every = (*findings, *unexplained(findings, outputs, compared, options))
    return without_importers(every, outputs)


def _report(  # noqa: PLR0913 - a report says all that was seen
    pair: Prepared,
    findings: tuple[Finding, ...],
    outputs: tuple[OutputPair, ...],
    compared: Compared,
    runs: NativeRuns,
    broken: Sequence[NotCompared],
    clock: Clock,
) -> Report:
    share = compared_share(compared.target, compared.links)
    return Report(
        "diff",
        _verdict(findings, outputs, share, runs),
        _summary(pair.source, max(compared.gaps[0], default=0.0)),
        _summary(pair.target, max(compared.gaps[1], default=0.0)),
        replace(pair.summary, groups=compared.groups),
        pair.inputs,
        outputs,
        tuple(called_in_file(findings, pair.source.ends, pair.target.ends)),
        coverage_in_file(_coverage(compared, pair, runs, broken), *pair.sides),
        compared.propagated,
        clock.seconds,
        versions(),
        _pairs(compared),
    )


def _pairs(compared: Compared) -> tuple[PairSummary, ...]:
    """Return the tensor pairs with their evidence, as the target's values flow."""
    order = compared.target.order
    ranked = sorted(compared.links, key=lambda name: order.get(name, -1))
    links = ((compared.links[name], compared.links[name].tensors) for name in ranked)
    return tuple(
        PairSummary(one.source, one.target, one.permutation, link.score, link.reasons)
        for link, one in links
    )


def versions() -> dict[str, str]:
    """Return the version of each package that took part: those that are imported."""
    modules = {name: sys.modules.get(name) for name in PACKAGES}
    return {
        name: str(getattr(module, "__version__", "unknown"))
        for name, module in modules.items()
        if module is not None
    }


def _verdict(
    findings: Sequence[Finding],
    outputs: Sequence[OutputPair],
    share: float,
    runs: NativeRuns,
) -> Verdict:
    """Return the verdict; outputs without a single number say nothing."""
    if is_hidden(runs.source):
        return verdict_of(findings, (), 0.0)
    return verdict_of(findings, outputs, share)


def _coverage(
    compared: Compared, pair: Prepared, runs: NativeRuns, broken: Sequence[NotCompared]
) -> Coverage:
    hidden = hidden_behind(pair.cut.source, compared.source, pair.cut.samples, runs.source)
    names = output_names(pair.source, pair.target)
    untold = untold_ends(pair.source, pair.target, pair.inputs, names)
    missed = (*untold, *pair.cut.missed, *hidden, *compared.missed, *broken)
    return coverage(compared.source, compared.target, compared.links, missed)


def _summary(pivot: Pivot, gap: float | None) -> ModelSummary:
    opset = opsets(pivot.model).get("", 0)
    nodes = len(pivot.model.graph.node)
    return ModelSummary(str(pivot.path), pivot.framework, pivot.sha256, opset, nodes, gap)


def _without_source(pair: Prepared, refusal: RunError, clock: Clock) -> Analysis:
    """Return the report on a source that does not run: of its target nothing is said."""
    source, target = pair.source, pair.target
    missed = (NotCompared(str(source.path), f"the source does not run: {refusal.problem}"),)
    return _inconclusive(source, target, Natively((), pair.summary, (), (), missed), clock)


def _inconclusive(source: Pivot, target: Pivot, known: Natively, clock: Clock) -> Analysis:
    """Return the report on a pair that cannot be looked into."""
    report = Report(
        "diff",
        Verdict.INCONCLUSIVE,
        _summary(source, None),
        _summary(target, None),
        known.summary,
        known.inputs,
        known.outputs,
        (),
        Coverage(0, (), (), known.missed),
        0,
        clock.seconds,
        versions(),
    )
    return Analysis(report, source, target, known.samples, known.inputs, ())
