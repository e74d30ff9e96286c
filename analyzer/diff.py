"""The whole analysis on one page: load, view, match, run, isolate, judge, classify."""

import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from analyzer.breakage import Runnable, runnable, whole
from analyzer.classify import classify, with_layers
from analyzer.comparison import Compared, compare_values
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
from analyzer.frontends.child.client import kill_children
from analyzer.matching.ends import input_pairs, narrowed, target_feeds
from analyzer.naming import coverage_in_file, in_file, one_a_node, pairs_in_parts
from analyzer.outputs import (
    NativeRuns,
    completed,
    judged_outputs,
    native_runs,
    refuse_unknown_outputs,
)
from analyzer.outside import (
    constant_findings,
    fidelity_findings,
    interface_faults,
    leftovers,
    refusal_findings,
)
from analyzer.pivot import load
from analyzer.probes import draw
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
    with clock("load"):
        left, right = _loaded((source, target), options, progress)
    if options.simplify:
        left, right = simplify(left), simplify(right)
    return analyse_pivots(
        left, right, options=options, rules=rules, progress=progress, clock=clock
    )


def _loaded(
    paths: tuple[str, str], options: Options, progress: Progress
) -> tuple[Pivot, Pivot]:
    """Return both pivots, read side by side."""
    progress(f"loading {' and '.join(Path(path).name for path in paths)}", 0.0)
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(load, path, trust_code=options.trust_code) for path in paths]
        try:
            return futures[0].result(), futures[1].result()
        except KeyboardInterrupt:
            kill_children()  # the threads of the pool wait for them
            raise


def _drawn(
    source: Pivot, target: Pivot, inputs: tuple[InputPair, ...], options: Options
) -> tuple[tuple[Feeds, ...], ProbeSummary]:
    """Return the samples of a run, of sizes that both models take, and what they are."""
    return draw(source if options.inputs else narrowed(source, target, inputs), options)


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
    samples, summary = probes or _drawn(source, target, inputs, options)
    with clock("run natively"):
        progress("running both models natively", 0.0)
        try:
            runs = native_runs(source, target, samples, inputs)
        except RunError as refusal:
            return _without_source(source, target, summary, refusal, clock)
    with clock("compare"):
        fed = tuple(target_feeds(sample, inputs, target) for sample in samples)
        sides = opened_alike(source.model, target.model)
        try:
            working, compared = _compared(
                (source, target), sides, samples, inputs, runs, fed, options, progress
            )
        except RunError as surprise:
            stopped = _refusal(source, samples, surprise)
            return _without_source(source, target, summary, stopped, clock)
        runs = completed(runs, compared.outputs, working.refusal)
    with clock("classify"):
        findings, broken = _findings(compared, source, target, sides, rules)
    both, feeds = (source, target), (samples, fed)
    outputs = judged_outputs(both, feeds, inputs, runs, options, compared.faults)
    share = compared_share(compared.target, compared.links)
    refused = None if working.refusal or _has_fault(findings) else runs.refusal
    findings = (
        *interface_faults(source, target, inputs),
        *findings,
        *constant_findings(target, outputs, compared.target.dynamic),
        *refusal_findings(target, refused),
        *fidelity_findings(both, compared.gaps, feeds, options.seed),
    )
    findings = (*findings, *_leftovers(findings, outputs, compared, share, options))
    report = Report(
        "diff",
        verdict_of(findings, outputs, share),
        *_summaries(both, compared.gaps),
        replace(summary, groups=compared.groups),
        inputs,
        outputs,
        findings,
        coverage_in_file(_coverage(compared, broken), *sides),
        compared.propagated,
        clock.seconds,
        versions(),
        _pairs(compared),
    )
    return Analysis(report, source, target, samples, inputs, compared.tensors)


def _has_fault(findings: Sequence[Finding]) -> bool:
    return any(finding.status is Status.FAULT for finding in findings)


def _pairs(compared: Compared) -> tuple[PairSummary, ...]:
    """Return the tensor pairs with their evidence, as the target's values flow."""
    order = compared.target.order
    ranked = sorted(compared.links, key=lambda name: order.get(name, -1))
    links = ((compared.links[name], compared.links[name].tensors) for name in ranked)
    return tuple(
        PairSummary(one.source, one.target, one.permutation, link.score, link.reasons)
        for link, one in links
    )


def _leftovers(
    findings: Sequence[Finding],
    outputs: Sequence[OutputPair],
    compared: Compared,
    share: float,
    options: Options,
) -> tuple[Finding, ...]:
    """Return findings for outputs that deviate although nothing is at fault so far."""
    if _has_fault(findings):
        return ()
    lossy = any(finding.status is Status.DRIFT for finding in findings)
    stated = {*options.rtol, *options.atol}
    return tuple(
        leftovers(
            outputs, len(compared.links), whole=share == 1.0, lossy=lossy, stated=stated
        )
    )


def _compared(  # noqa: PLR0913 - the pair, what it runs on, and how it is judged
    both: tuple[Pivot, Pivot],
    sides: tuple[Opened, Opened],
    samples: tuple[Feeds, ...],
    inputs: tuple[InputPair, ...],
    runs: NativeRuns,
    fed: Sequence[Feeds],
    options: Options,
    progress: Progress,
) -> tuple[Runnable, Compared]:
    """Return the comparison, of as much of the target as runs, by the names of parts."""
    names = pairs_in_parts(options.pairs, *sides)
    ours, theirs = (
        replace(pivot, model=side.model) for pivot, side in zip(both, sides, strict=True)
    )
    native = runs.source, runs.target
    if runs.refusal is None:
        try:
            working = whole(theirs)
            return working, compare_values(
                ours, theirs, working, samples, inputs, native, options, progress, names
            )
        except RunError:  # its native runtime takes more than ours does
            pass
    tried = (runnable(theirs, feeds) for feeds in fed)  # it may stop at any sample
    working = next((one for one in tried if one.refusal), whole(theirs))
    return working, compare_values(
        ours, theirs, working, samples, inputs, native, options, progress, names
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


def _coverage(compared: Compared, broken: Sequence[NotCompared]) -> Coverage:
    missed = (*compared.missed, *broken)
    return coverage(compared.source, compared.target, compared.links, missed)


def _findings(
    compared: Compared,
    source: Pivot,
    target: Pivot,
    sides: tuple[Opened, Opened],
    rules: RuleBook,
) -> tuple[tuple[Finding, ...], tuple[NotCompared, ...]]:
    """Return the findings with the user's own names, and the rules that failed."""
    if not compared.faults:
        return (), ()
    findings, broken = classify(compared.faults, _resolved(rules))
    named = (
        with_layers(finding, source, target, compared.source, compared.target)
        for finding in findings
    )
    return one_a_node(in_file(finding, *sides) for finding in named), broken


def _summaries(
    pivots: tuple[Pivot, Pivot], gaps: tuple[float, float]
) -> tuple[ModelSummary, ModelSummary]:
    return _summary(pivots[0], gaps[0]), _summary(pivots[1], gaps[1])


def _summary(pivot: Pivot, gap: float | None) -> ModelSummary:
    opset = opsets(pivot.model).get("", 0)
    nodes = len(pivot.model.graph.node)
    return ModelSummary(str(pivot.path), pivot.framework, pivot.sha256, opset, nodes, gap)


def _refusal(source: Pivot, samples: Sequence[Feeds], surprise: RunError) -> RunError:
    """Return why the source does not run on some sample.

    Raises:
        RunError: It runs on all of them; the surprise has another reason.
    """
    try:
        for feeds in samples:
            source.run_native(feeds)
    except RunError as refusal:
        return refusal
    raise surprise


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
