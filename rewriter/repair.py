"""The whole repair on one page: analyse, try fixes, analyse again, prove, write."""

import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from analyzer.core.errors import (
    ExportError,
    PivotfixError,
    RepairError,
    RunError,
    UsageError,
)
from analyzer.core.options import Judge, Options, Progress, silent
from analyzer.core.report import OutputPair, Report, Verdict
from analyzer.core.types import Finding, Pivot
from analyzer.diff import Analysis, Clock, analyse_pivots
from analyzer.explained import installed_rules
from analyzer.judge import NEGLIGIBLE
from analyzer.matching.ends import input_pairs, narrowed, target_feeds
from analyzer.pivot import load
from analyzer.probes import draw, held_out
from analyzer.runtime.metrics import relative_error
from rewriter.attempts import Kept, Round, Trial, attempt, edited, mendable
from rewriter.destination import ONNX, check_destination, check_patch
from rewriter.export import OWN_FORMAT, copy, export, refusal
from rewriter.outcome import report, untouched
from rewriter.patch import Cure, write_patch
from rewriter.verify import Judgement, judgement, worse_outputs

UNPROVEN = "the source does not run as a whole, so that no repair can be proven"

ROUNDS = 4
"""Passes over what earlier fixes unmasked: a region rarely hides another, never three."""


@dataclass(frozen=True, slots=True, eq=False)
class _Case:
    """A pair under repair.

    Attributes:
        source: The source.
        target: The target as it was loaded.
        options: How the pair is probed and judged.
        rules: The rule book.
        seen: Measures targets on the probes that fixes were found with.
        unseen: Measures targets on the held-out ones.
        first: The analysis of the pair as it stands.
        suffix: Of OUT.
        clock: Seconds by stage.
    """

    source: Pivot
    target: Pivot
    options: Options
    rules: Sequence[Judge]
    seen: Judgement
    unseen: Judgement
    first: Analysis
    suffix: str
    clock: Clock

    def refusal(self, edited: Pivot) -> str:
        """Return why an edited target cannot be written, empty where it can."""
        return refusal(self.target, edited.model, self.suffix)


def repair(  # noqa: PLR0913 - a command with its options
    source: str,
    target: str,
    out: Path | None,
    *,
    options: Options = Options(),  # noqa: B008 - a frozen value
    rules: Sequence[Judge] | None = None,
    progress: Progress = silent,
    dry_run: bool = False,
    force: bool = False,
    patch: Path | None = None,
) -> Report:
    """Mend the target, prove it, and write it; source and target are never touched.

    Args:
        source: Path of the model that is right by definition, as a user would type it.
        target: Path of its conversion.
        out: Where the mended model goes; None only for a dry run.
        options: How the pair is probed and judged.
        rules: The rule book; None: every rule that is installed.
        progress: Told what is being done.
        dry_run: Do everything but write.
        force: Replace files that are there.
        patch: Where the kept edits go, to be replayed on another export; None: nowhere.

    Returns:
        A report whose verdict is ``repaired`` (written, equivalent), ``improved`` (written,
        faults remain), ``unrepaired`` (not written), or ``inconclusive``; each finding has
        its outcome.

    Raises:
        PivotfixError: A file, an option or OUT is wrong.
    """
    if out is None and not dry_run:
        raise UsageError(
            "repair does not know where to write the mended model",
            hint="give -o OUT, or --dry-run to see the edits only",
        )
    if out is not None:
        check_destination(source, target, out, force=force)
    if patch is not None:
        check_patch(source, target, out, patch, force=force)
    clock = Clock()
    book = installed_rules() if rules is None else rules
    left, right = _loaded((source, target), options, progress, clock)
    fitted = left if options.inputs else narrowed(left, right, input_pairs(left, right))
    probes = draw(fitted, options, hold_out=True)
    first = analyse_pivots(
        left,
        right,
        options=options,
        rules=book,
        progress=progress,
        clock=clock,
        probes=probes,
    )
    if first.report.verdict is Verdict.INCONCLUSIVE:
        return untouched(first.report, Verdict.INCONCLUSIVE)
    try:
        with clock("held out"):
            seen = judgement(left, probes[0], options)
            unseen = judgement(left, held_out(fitted, options, probes[0]), options)
    except RunError:  # a custom operator: the rest was compared, but proves no repair
        return _unproven(first.report)
    own = OWN_FORMAT.get(right.framework, ONNX)
    suffix = own if out is None else out.suffix.lower()
    case = _Case(left, right, options, book, seen, unseen, first, suffix, clock)
    if first.report.verdict is Verdict.EQUIVALENT:
        case = _asked_further(case, progress)
    if case.first.report.verdict is Verdict.EQUIVALENT:
        return _copied(case, out, dry_run=dry_run)
    return _repaired(case, None if dry_run else out, progress, patch)


def _unproven(base: Report) -> Report:
    """Return the report on a pair whose source does not run as a whole."""
    divergent = base.verdict is Verdict.DIVERGENT
    verdict = Verdict.UNREPAIRED if divergent else Verdict.INCONCLUSIVE
    return untouched(base, verdict, UNPROVEN)


def _loaded(
    paths: tuple[str, str], options: Options, progress: Progress, clock: Clock
) -> tuple[Pivot, Pivot]:
    """Return both pivots, loaded side by side."""
    progress("loading", 0.0)
    with clock("load"), ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(load, path, trust_code=options.trust_code) for path in paths]
        left, right = (future.result() for future in futures)
    return left, right


def _asked_further(case: _Case, progress: Progress) -> _Case:
    """Return the case of an equivalent pair, analysed anew if held-out probes disagree."""
    floors = {pair.target: pair.noise_floor for pair in case.first.report.outputs}
    pairs = case.unseen.outputs(case.target)
    if pairs and all(  # no pair at all: the target refuses a held-out probe
        pair.within or pair.relative_error <= floors.get(pair.target, 0.0) for pair in pairs
    ):
        return case
    return replace(case, first=_analysed(case, case.target, progress, everything=True))


def _copied(case: _Case, out: Path | None, *, dry_run: bool) -> Report:
    """Write the target as it is; it is equivalent already."""
    if out is not None and not dry_run:
        copy(case.target, out)
    return untouched(case.first.report, Verdict.REPAIRED)


def _repaired(
    case: _Case, out: Path | None, progress: Progress, patch: Path | None
) -> Report:
    """Mend the target as far as rules can, and write what is proven better."""
    with case.clock("repair"):
        rounds = _rounds(case, progress)
        chosen = _no_worse(case, rounds)
    if not any(chosen):
        return report(case.first, rounds, chosen, None)
    progress("verifying", 0.0)
    with case.clock("verify"), _written(case, _end(case, chosen)) as written:
        if _worse(case, written):
            return report(case.first, rounds, (), None)
        proof = _analysed(case, written, progress, everything=True)
        if out is not None:
            _publish(case, written, out)
        if patch is not None:
            write_patch(case.target, tuple(_cures(rounds, chosen)), patch)
    told = report(case.first, rounds, chosen, proof.report)
    return replace(told, before=_as_it_was(case) or told.before)


def _as_it_was(case: _Case) -> tuple[OutputPair, ...]:
    """Return the outputs of the target as it was loaded, on the probes of the proof."""
    both = case.seen, case.unseen
    probes = tuple(probe for one in both for probe in one.probes)
    expected = tuple(given for one in both for given in one.expected)
    whole = replace(case.seen, probes=probes, expected=expected)
    return whole.outputs(case.target)


def _cures(rounds: Sequence[Round], chosen: Sequence[Sequence[Kept]]) -> Iterator[Cure]:
    """Yield the edits that are in the mended model, in order, each with its rule."""
    rules = {one.id: one.rule for each in rounds for one in each.tried}
    for kept in chosen:
        for one in kept:
            names = ", ".join(dict.fromkeys(rules.get(name, "") for name, _ in one.fixes))
            titles = "; ".join(fix.title for _, fix in one.fixes)
            yield Cure(names, titles, one.edits)


def _rounds(case: _Case, progress: Progress) -> tuple[Round, ...]:
    """Return what was kept of each round; a fix may unmask a fault behind it."""
    done: list[Round] = []
    target, findings = case.target, case.first.report.findings
    for count in range(ROUNDS):
        progress("repairing", count / ROUNDS)
        known = {name for one in done for name in one.outcomes}
        new = [finding for finding in mendable(findings) if finding.id not in known]
        if not new:
            break
        trial = Trial(target, case.seen, case.refusal, partial(_faults, case, progress))
        done.append(attempt(trial, new))
        if not done[-1].kept:
            break
        target = done[-1].end
        findings = _faults(case, progress, target)
    return tuple(done)


def _faults(case: _Case, progress: Progress, target: Pivot) -> tuple[Finding, ...]:
    """Return what is left to find in an edited target."""
    return _analysed(case, target, progress).report.findings


def _analysed(
    case: _Case, target: Pivot, progress: Progress, *, everything: bool = False
) -> Analysis:
    """Return the analysis of a target on the probes fixes are found with, or on all."""
    probes = (*case.seen.probes, *(case.unseen.probes if everything else ()))
    summary = replace(case.first.report.probe, samples=len(probes))
    return analyse_pivots(
        case.source,
        target,
        options=case.options,
        rules=case.rules,
        progress=progress,
        probes=(probes, summary),
    )


def _end(case: _Case, chosen: Sequence[Sequence[Kept]]) -> Pivot:
    """Return the target after all rounds, only the chosen edits applied."""
    target = case.target
    for kept in chosen:
        target = edited(target, kept)
    return target


def _worse(case: _Case, target: Pivot) -> bool:
    """Return whether an output is worse than before on the held-out probes."""
    floors = {pair.target: pair.noise_floor for pair in case.first.report.outputs}
    before = case.unseen.outputs(case.target)
    return bool(worse_outputs(before, case.unseen.outputs(target), floors))


def _no_worse(case: _Case, rounds: Sequence[Round]) -> tuple[tuple[Kept, ...], ...]:
    """Return the edits of each round that make no output worse: all, or all but one."""
    everything = tuple(one.kept for one in rounds)
    for chosen in (everything, *_all_but_one(everything)):
        try:
            target = _end(case, chosen)
        except RepairError:  # a later edit needs the one left out
            continue
        if any(chosen) and not _worse(case, target):
            return chosen
    return ()


def _all_but_one(
    rounds: tuple[tuple[Kept, ...], ...],
) -> Iterator[tuple[tuple[Kept, ...], ...]]:
    """Yield the rounds without one of their edits, the last kept left out first."""
    for dropped in reversed([one for kept in rounds for one in kept]):
        yield tuple(tuple(one for one in kept if one is not dropped) for kept in rounds)


@contextmanager
def _written(case: _Case, target: Pivot) -> Iterator[Pivot]:
    """Give the mended model as its own runtime sees it.

    What ONNX Runtime runs is the edited proto itself; any other format is written to a
    folder that goes afterwards, and loaded from there.
    """
    if case.suffix == ONNX:
        yield target
        return
    with tempfile.TemporaryDirectory(prefix="pivotfix-") as folder:
        path = Path(folder) / f"mended{case.suffix}"
        export(case.target, target.model, path)
        yield load(str(path), trust_code=case.options.trust_code)


def _publish(case: _Case, written: Pivot, out: Path) -> None:
    """Write the mended model to OUT: the proven bytes, or the proven proto."""
    if out.suffix.lower() != ONNX:
        copy(written, out)
        return
    export(case.target, written.model, out)
    feeds = target_feeds(case.unseen.probes[0], input_pairs(case.source, written), written)
    ours = written.run_native(feeds)
    try:
        theirs = load(str(out), trust_code=False).run_native(feeds)
    except PivotfixError:  # what was written cannot be proven, so it must not stay
        out.unlink()
        raise
    if any(relative_error(theirs[name], ours[name]) > NEGLIGIBLE for name in ours):
        out.unlink()
        raise ExportError(
            f"{out} does not compute what was proven, so it was removed again",
            hint="check the disk, and that nothing else writes to that folder",
        )
