"""The report on a screen: the verdict, what broke and where, and what was compared."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from pathlib import PurePath
from textwrap import fill

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from analyzer.core.report import Coverage, ModelSummary, OutputPair, Report, Verdict
from analyzer.core.types import Finding, Outcome, Status, TryVerdict, Where
from analyzer.reports.numbers import counted, over_floor, share, short, times_floor

WIDTH = 100

WHOLE = 88
"""Columns from which a table has room for the class beside the rule."""

NARROWEST = 12
"""Columns that a layer's name takes at least, folded."""

WORDS = 20
"""Columns that a rule's or a class's words fill before they go on in the next line; where
there is `ROOM` for more, twice as many."""

ROOM = 120

LONGEST_NAME = 60
"""Longer tensor names lose their middle; ``-v`` and report.json show them whole."""

LONG_NAME = re.compile(rf"[^\s,()]{{{LONGEST_NAME},}}[^\s,():.]")
"""A name too long to show; what follows it in a sentence is not part of it."""

MOST_LISTED = 5
"""Things not compared that are listed; ``-v`` shows all."""

MOST_TRIED = 2
"""Tries of a finding that were dropped and are listed; ``-v`` shows all."""

COLOURS = {
    Verdict.EQUIVALENT: "bold green",
    Verdict.REPAIRED: "bold green",
    Verdict.IMPROVED: "bold yellow",
    Verdict.INCONCLUSIVE: "bold yellow",
    Verdict.DIVERGENT: "bold red",
    Verdict.UNREPAIRED: "bold red",
}

SHOWN = (Status.FAULT, Status.DRIFT, Status.LATENT)
"""Statuses shown without ``-v``; harmless findings are counted."""


def render(
    report: Report, *, width: int = WIDTH, colour: bool = False, verbosity: int = 0
) -> str:
    """Return the report as text for a terminal.

    Args:
        report: What a run found.
        width: Columns to fill.
        colour: Whether to use ANSI colours.
        verbosity: -1 for the verdict alone; 1 for everything.
    """
    screen = StringIO()
    console = Console(
        file=screen,
        width=width,
        force_terminal=colour,
        no_color=not colour,
        highlight=False,
        legacy_windows=False,
        color_system="standard" if colour else None,
    )
    for part in _parts(report, width, verbosity=verbosity):
        console.print(part)
    return "\n".join(line.rstrip() for line in screen.getvalue().splitlines()) + "\n"


def _parts(report: Report, width: int, *, verbosity: int) -> Iterator[RenderableType]:
    said = Verdict.EQUIVALENT if report.is_copy else report.verdict
    verdict = (f"{said.value}: ", COLOURS[report.verdict])
    yield Text.assemble(verdict, headline(report))
    if verbosity < 0:
        return
    shown = _shown(report.findings, verbosity=verbosity)
    if shown:
        yield _table(shown, width)
        yield _details(shown, verbosity=verbosity)
        yield Text()
    yield from (Text(line) for line in _compared(report, shown, verbosity=verbosity))


def headline(report: Report) -> str:
    """Return the verdict's sentence: what the target is to its source.

    Args:
        report: What a run found.
    """
    source, target = PurePath(report.source.path).name, PurePath(report.target.path).name
    faults = _faults(report.findings)
    kept = sum(
        finding.outcome is not None and finding.outcome.verdict is TryVerdict.KEPT
        for finding in faults
    )
    match report.verdict:
        case Verdict.EQUIVALENT:
            return f"{target} computes what {source} computes"
        case Verdict.DIVERGENT:
            return f"{target} is not {source}: {_roots(report)}"
        case Verdict.INCONCLUSIVE:
            return f"too little of {source} and {target} could be compared"
        case Verdict.REPAIRED:
            mended = f"{counted(kept, 'fault')} of {target} mended; it now computes"
            same = f"{mended if kept else f'{target} computes'} what {source} computes"
            return f"{same} already; nothing to mend" if report.is_copy else same
        case Verdict.IMPROVED:
            mended = f"{kept} of {counted(len(faults), 'fault')} of {target} mended"
            return f"{mended}; {_left(report, source, all_kept=kept == len(faults))}"
        case Verdict.UNREPAIRED:
            return f"no fix for {target} {_fate(report.findings)}, so nothing is written"


def _left(report: Report, source: str, *, all_kept: bool) -> str:
    """Return what an improved target still lacks."""
    if not all_kept:
        return "the rest remain"
    if all(output.within for output in report.outputs):
        return f"as an ONNX file it computes what {source} computes"
    return f"it still does not compute what {source} computes"


def _fate(findings: Iterable[Finding]) -> str:
    """Return what became of fixes none of which is kept."""
    tried = any(one.outcome and one.outcome.attempts for one in findings)
    return "held" if tried else "was tried"


def _roots(report: Report) -> str:
    faults = _faults(report.findings)
    return counted(len(faults), "root fault") if faults else "its outputs differ"


def _faults(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(finding for finding in findings if finding.status is Status.FAULT)


def _shown(findings: Sequence[Finding], *, verbosity: int) -> tuple[Finding, ...]:
    return tuple(one for one in findings if one.status in SHOWN or verbosity > 0)


def _table(findings: Sequence[Finding], width: int) -> Table:
    """Return a row per finding: what, where and how much; of which class, if it is wide."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, expand=False)
    wide, room = width >= WHOLE, WORDS if width < ROOM else 2 * WORDS
    for heading in ("#", "rule", *(("class",) if wide else ())):
        table.add_column(heading, no_wrap=True)
    table.add_column("layer", overflow="fold", min_width=NARROWEST)
    for heading in ("local error", "x floor", "samples"):
        table.add_column(heading, no_wrap=True, justify="right")
    for number, finding in enumerate(findings, start=1):
        words = (_rule(finding), finding.fault_class.value.replace("_", " "))
        table.add_row(
            str(number),
            *(escape(fill(one, room)) for one in (words if wide else words[:1])),
            escape(layer(finding)),
            short(finding.local_error),
            times_floor(finding.local_error, finding.noise_floor),
            f"{finding.affected} of {finding.samples}",
        )
    return table


def _rule(finding: Finding) -> str:
    """Return a finding's rule, with its status where it is no fault."""
    status = "" if finding.status is Status.FAULT else f" ({finding.status.value})"
    return f"{finding.rule}{status}"


def layer(finding: Finding) -> str:
    """Return the user's own layer behind a finding, both names where they differ.

    Args:
        finding: With or without native layers; without, a pivot node stands in.
    """
    source, target = finding.native_source, finding.native_target
    if source and target and source != target:
        return f"{source} → {target}"
    names = (*finding.target_tensors, *finding.target_nodes, *finding.source_nodes)
    return source or target or brief(next(iter(names), "unknown"))


def brief(name: str, *, longest: int = LONGEST_NAME) -> str:
    """Return a name that fits, without its middle where it is too long.

    Args:
        name: A tensor or node name.
        longest: Number of characters that fit.
    """
    if len(name) <= longest:
        return name
    half = (longest - 1) // 2
    return f"{name[:half]}…{name[-half:]}"


def _details(findings: Sequence[Finding], *, verbosity: int) -> Table:
    """Return a paragraph per finding: its sentence, its tensors, its cure."""
    table = Table.grid(padding=(0, 1))
    for number, finding in enumerate(findings, start=1):
        facts = (finding.message, *_facts(finding, verbosity=verbosity))
        shown = facts if verbosity > 0 else tuple(shortened(fact) for fact in facts)
        table.add_row(f"{number}.", Text("\n".join(shown), overflow="fold"))
    return table


def _facts(finding: Finding, *, verbosity: int) -> Iterator[str]:
    if finding.target_tensors:
        yield f"at {', '.join(finding.target_tensors)}"
    if finding.location:
        yield f"in {finding.location}"
    if finding.where is not Where.CONVERSION:
        yield f"made by {finding.where.value.replace('_', ' ')}, not by the conversion"
    if finding.outcome is not None:
        yield f"{finding.outcome.verdict.value}: {finding.outcome.reason}"
        yield from _dropped(finding.outcome, verbosity=verbosity)
    elif finding.fix is not None:
        yield f"fix: {finding.fix.title}"


def _dropped(outcome: Outcome, *, verbosity: int) -> Iterator[str]:
    """Yield what was tried and dropped, with the error of the region before and after."""
    tries = [one for one in outcome.attempts if one.verdict is TryVerdict.REJECTED]
    listed = tries if verbosity > 0 else tries[:MOST_TRIED]
    for one in listed:
        errors = f"{short(one.error_before)} → {short(one.error_after)}"
        yield f"dropped: {'; '.join(one.titles)} ({errors}: {one.reason})"
    if len(tries) > len(listed):
        yield f"dropped: {len(tries) - len(listed)} more; -v shows them"


def shortened(sentence: str) -> str:
    """Return a sentence whose overlong names have lost their middle.

    Args:
        sentence: May name tensors.
    """
    return LONG_NAME.sub(lambda name: brief(name[0]), sentence)


def _compared(report: Report, shown: Sequence[Finding], *, verbosity: int) -> Iterator[str]:
    """Yield what was compared, and what was not."""
    if report.ended and (verbosity > 0 or report.verdict is not Verdict.REPAIRED):
        yield f"ended: {report.ended}"
    probe = report.probe
    seed = f", seed {probe.seed}" if probe.kind == "synthetic" else ""
    yield f"probes: {counted(probe.samples, f'{probe.kind} sample')}{seed}"
    if probe.groups > 1:
        yield f"memory: tensors were dumped in {probe.groups} groups, into a file"
    yield from (f"output {_output(pair)}" for pair in report.outputs)
    yield _coverage(report.coverage)
    yield from _missed(report.coverage, verbosity=verbosity)
    if report.propagated:
        inherited = counted(report.propagated, "more tensor")
        yield f"propagated: an error that is not their own is in {inherited}"
    unseen = len(report.findings) - len(shown)
    if unseen:
        yield f"{counted(unseen, 'harmless difference')} not shown; -v shows them"
    if verbosity > 0:
        yield from _models((report.source, report.target))
        stages = (f"{stage} {spent:.1f}" for stage, spent in report.timings.items())
        yield f"seconds: {', '.join(stages)}"


def _output(pair: OutputPair) -> str:
    name = pair.source if pair.source == pair.target else f"{pair.source} → {pair.target}"
    verdict = "within" if pair.within else "outside"
    labels = pair.label_disagreement
    said = "" if labels is None else f", labels differ on {share(labels)} of the samples"
    return (
        f"{name}: relative error {over_floor(pair.relative_error, pair.noise_floor)}"
        f"{_steps(pair)}, {verdict} tolerance{said}"
    )


def _steps(pair: OutputPair) -> str:
    """Return an error in the output's own unit and in steps of its integers."""
    if not pair.step or not math.isfinite(pair.max_abs_error):
        return ""
    steps = pair.max_abs_error / pair.step
    return f", {short(pair.max_abs_error)} in all: {steps:.1f} steps of its integers"


def _coverage(coverage: Coverage) -> str:
    left = (
        f"{counted(len(coverage.unpaired_source), 'source node')} and "
        f"{counted(len(coverage.unpaired_target), 'target node')} unpaired"
    )
    return f"coverage: {counted(coverage.pairs, 'operator pair')} compared, {left}"


def _missed(coverage: Coverage, *, verbosity: int) -> Iterator[str]:
    missed = coverage.not_compared
    listed = missed if verbosity > 0 else missed[:MOST_LISTED]
    yield from (f"not compared: {brief(one.what)} ({one.why})" for one in listed)
    if len(missed) > len(listed):
        yield f"not compared: {len(missed) - len(listed)} more; -v shows them"


def _models(models: Iterable[ModelSummary]) -> Iterator[str]:
    for model in models:
        gap = model.fidelity_gap
        said = "not measured" if gap is None else short(gap)
        yield (
            f"{model.path}: {model.framework}, pivot of {counted(model.nodes, 'node')} at "
            f"opset {model.opset}, fidelity gap {said}"
        )
