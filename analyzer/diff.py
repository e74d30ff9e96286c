"""The whole analysis on one page: load, view, match, run, isolate, judge, classify."""

import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from analyzer.classify import classify, with_layers
from analyzer.comparison import Compared
from analyzer.core.errors import RunError
from analyzer.core.graph import opsets
from analyzer.core.options import Judge, Options, Progress, RuleBook, silent
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
from analyzer.core.types import Feeds, Finding, Pivot, Status, TensorPair
from analyzer.coverage import compared_share, coverage
from analyzer.effect import decided_outputs
from analyzer.fidelity import fidelity_findings
from analyzer.matching.ends import input_pairs, narrowed, target_feeds
from analyzer.naming import coverage_in_file, in_file, one_a_node, pairs_in_parts
from analyzer.opened import compare_opened
from analyzer.origins import hidden_behind, is_hidden
from analyzer.outputs import (
    NativeRuns,
    native_runs,
    output_floors,
    output_pairs,
    refuse_unknown_outputs,
)
from analyzer.outside import (
    constant_findings,
    interface_faults,
    leftovers,
    refusal_findings,
)
from analyzer.pivot import load
from analyzer.probes import draw
from analyzer.second_size import Asked, at_second_sizes
from analyzer.severed import Severed, severed
from analyzer.simplify import simplify
from analyzer.verdict import verdict_of
from analyzer.view.inline import Opened, opened_alike

RULE_GROUP = "pivotfix.rules"
"""The entry-point group under which rules are registered."""

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
    """

    report: Report
    source: Pivot
    target: Pivot
    probes: tuple[Feeds, ...]
    inputs: tuple[InputPair, ...]
    tensors: tuple[TensorPair, ...]


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
    progress("loading", 0.0)
    with clock("load"), ThreadPoolExecutor(2) as pool:
        futures = [
            pool.submit(load, path, trust_code=options.trust_code)
            for path in (source, target)
        ]
        left, right = (future.result() for future in futures)
    if options.simplify:
        left, right = simplify(left), simplify(right)
    return analyse_pivots(
        left, right, options=options, rules=rules, progress=progress, clock=clock
    )


class Clock:
    """Seconds spent in each stage of one run."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Add the time spent inside to a stage."""
        start = time.perf_counter()
        yield
        spent = time.perf_counter() - start
        self.seconds[stage] = self.seconds.get(stage, 0.0) + spent


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
    inputs = input_pairs(source, target)
    drawn_for = source if options.inputs else narrowed(source, target, inputs)
    samples, summary = probes or draw(drawn_for, options)
    sides = opened_alike(source.model, target.model)
    cut = severed(*_apart((source, target), sides), samples, inputs, options.seed)
    both = (cut.source, cut.target) if cut.missed else (source, target)
    with clock("run natively"):
        progress("running natively", 0.0)
        try:
            runs = native_runs(*both, cut.samples, cut.inputs)
        except RunError as refusal:
            return _without_source(source, target, summary, refusal, clock)
    with clock("compare"):
        fed = tuple(target_feeds(one, cut.inputs, cut.target) for one in cut.samples)
        names = pairs_in_parts(options.pairs, *sides)
        working, compared = compare_opened(cut, runs, fed, names, options, progress)
    explain = partial(_findings, both=(source, target), sides=sides, rules=rules)
    with clock("classify"):
        findings, broken = explain(compared)
    if not cut.missed:
        with clock("second sizes"):
            asked = Asked(*both, inputs, options, runs, compared)
            findings += at_second_sizes(asked, sides, samples, explain)
    feeds = cut.samples, fed
    outputs = _judged_outputs(both, feeds, cut.inputs, runs, options, compared)
    share = compared_share(compared.target, compared.links)
    explained = working.refusal or any(one.status is Status.FAULT for one in findings)
    findings = (
        *interface_faults(source, target, inputs),
        *findings,
        *constant_findings(target, outputs, compared.target.dynamic),
        *refusal_findings(target, None if explained else runs.refusal),
        *fidelity_findings(both, compared.gaps, feeds, options.seed, outputs),
    )
    findings = (*findings, *_leftovers(findings, outputs, compared, share, options))
    report = Report(
        "diff",
        _verdict(findings, outputs, share, runs),
        _summary(source, compared.gaps[0]),
        _summary(target, compared.gaps[1]),
        summary,
        inputs,
        outputs,
        findings,
        coverage_in_file(_coverage(compared, cut, runs, broken), *sides),
        compared.propagated,
        clock.seconds,
        versions(),
        _pairs(compared),
    )
    paired = tuple(link.tensors for link in compared.links.values())
    return Analysis(report, source, target, samples, inputs, paired)


def _pairs(compared: Compared) -> tuple[PairSummary, ...]:
    """Return the tensor pairs with their evidence, as the target's values flow."""
    order = compared.target.order
    ranked = sorted(compared.links, key=lambda name: order.get(name, -1))
    links = ((compared.links[name], compared.links[name].tensors) for name in ranked)
    return tuple(
        PairSummary(one.source, one.target, one.permutation, link.score, link.reasons)
        for link, one in links
    )


def _apart(pair: tuple[Pivot, Pivot], sides: tuple[Opened, Opened]) -> tuple[Pivot, Pivot]:
    """Return both pivots with their fused operators and functions opened."""
    left, right = pair
    return replace(left, model=sides[0].model), replace(right, model=sides[1].model)


def _leftovers(
    findings: Sequence[Finding],
    outputs: Sequence[OutputPair],
    compared: Compared,
    share: float,
    options: Options,
) -> tuple[Finding, ...]:
    """Return findings for outputs that deviate although nothing is at fault so far."""
    if any(finding.status is Status.FAULT for finding in findings):
        return ()
    lossy = any(finding.status is Status.DRIFT for finding in findings)
    stated = {*options.rtol, *options.atol}
    return tuple(
        leftovers(
            outputs,
            len(compared.links),
            whole=share == 1.0,
            lossy=lossy,
            stated=stated,
            decided=decided_outputs(compared.target),
        )
    )


def _resolved(rules: RuleBook) -> Sequence[Judge]:
    """Return the rules, read only now that there is something to explain."""
    if rules is None:
        return installed_rules()
    return rules() if callable(rules) else rules


def installed_rules() -> tuple[Judge, ...]:
    """Return every rule registered under `RULE_GROUP`."""
    from importlib.metadata import (
        entry_points,
    )  # 50 ms that an equivalent pair need not pay

    loaded = (entry.load() for entry in entry_points(group=RULE_GROUP))
    return tuple(rule for one in loaded for rule in (one() if callable(one) else (one,)))


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
    compared: Compared, cut: Severed, runs: NativeRuns, broken: Sequence[NotCompared]
) -> Coverage:
    hidden = hidden_behind(cut.source, compared.source, cut.samples, runs.source)
    missed = (*cut.missed, *hidden, *compared.missed, *broken)
    return coverage(compared.source, compared.target, compared.links, missed)


def _findings(
    compared: Compared,
    *,
    both: tuple[Pivot, Pivot],
    sides: tuple[Opened, Opened],
    rules: RuleBook,
) -> tuple[tuple[Finding, ...], tuple[NotCompared, ...]]:
    """Return the findings with the user's own names, and the rules that failed."""
    if not compared.faults:
        return (), ()
    findings, broken = classify(compared.faults, _resolved(rules))
    named = (
        with_layers(finding, *both, compared.source, compared.target)
        for finding in findings
    )
    return one_a_node(in_file(finding, *sides) for finding in named), broken


def _summary(pivot: Pivot, gap: float | None) -> ModelSummary:
    opset = opsets(pivot.model).get("", 0)
    nodes = len(pivot.model.graph.node)
    return ModelSummary(str(pivot.path), pivot.framework, pivot.sha256, opset, nodes, gap)


def _judged_outputs(
    both: tuple[Pivot, Pivot],
    feeds: tuple[Sequence[Feeds], Sequence[Feeds]],
    inputs: Sequence[InputPair],
    runs: NativeRuns,
    options: Options,
    compared: Compared,
) -> tuple[OutputPair, ...]:
    """Return the outputs compared; noise is measured only where they deviate at all."""
    plain = output_pairs(*both, runs, {}, options, inputs)
    shown = any(fault.status is not Status.LATENT for fault in compared.faults)
    if all(pair.within for pair in plain) or shown:
        return plain
    floors = output_floors(*both, *feeds, options.seed)
    return output_pairs(*both, runs, floors, options, inputs)


def _without_source(
    source: Pivot, target: Pivot, summary: ProbeSummary, refusal: RunError, clock: Clock
) -> Analysis:
    """Return the report on a source that does not run: of its target nothing is said."""
    missed = (NotCompared(str(source.path), f"the source does not run: {refusal.problem}"),)
    report = Report(
        "diff",
        Verdict.INCONCLUSIVE,
        _summary(source, None),
        _summary(target, None),
        summary,
        (),
        (),
        (),
        Coverage(0, (), (), missed),
        0,
        clock.seconds,
        versions(),
    )
    return Analysis(report, source, target, (), (), ())
