"""The whole repair on one page: analyse, try fixes, analyse again, prove, write."""

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from analyzer.core.errors import RunError, UsageError
from analyzer.core.options import Judge, Options, Progress, silent
from analyzer.core.report import OutputPair, Report, Verdict
from analyzer.core.types import Finding, Pivot
from analyzer.diff import Analysis, Clock, analyse_pivots
from analyzer.explained import installed_rules
from analyzer.matching.ends import input_pairs, narrowed, target_feeds
from analyzer.pivot import load
from analyzer.probes import draw, held_out
from rewriter.attempts import Round, attempt
from rewriter.choices import mendable
from rewriter.chosen import Chosen, chosen_edits, harm
from rewriter.destination import ONNX, check_destination, check_patch
from rewriter.export import OWN_FORMAT, copy, refusal
from rewriter.kept import Trial, end
from rewriter.limits import ROUNDS, Limits
from rewriter.outcome import NO_HELP, NOTHING_LEFT, Repaired, report, untouched
from rewriter.patch import Cure, write_patch
from rewriter.verify import Judgement, judgement
from rewriter.written import publish, written

UNPROVEN = "the source does not run as a whole, so that no repair can be proven"

MOVED = 1e-3
"""Share by which the error of a fault must have moved since its fixes failed, for them to
be tried again: another fix has changed what they change."""

EQUIVALENT = "it was equivalent already"


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
        limits: When to stop trying.
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
    limits: Limits

    @property
    def floors(self) -> dict[str, float]:
        """Relative error that rounding makes, by target output name."""
        return {pair.target: pair.noise_floor for pair in self.first.report.outputs}

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
    max_rounds: int = ROUNDS,
    timeout: float = math.inf,
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
        max_rounds: Passes over the faults, each with a new analysis.
        timeout: Seconds after which nothing more is tried; what is kept is still proven.

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
    clock, limits = Clock(), Limits(max_rounds, timeout)
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
    case = _Case(left, right, options, book, seen, unseen, first, suffix, clock, limits)
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
    pairs, floors = case.unseen.outputs(case.target), case.floors
    if pairs and all(  # no pair at all: the target refuses a held-out probe
        pair.within or pair.relative_error <= floors.get(pair.target, 0.0) for pair in pairs
    ):
        return case
    return replace(case, first=_analysed(case, case.target, progress, everything=True))


def _copied(case: _Case, out: Path | None, *, dry_run: bool) -> Report:
    """Write the target as it is; it is equivalent already."""
    if out is not None and not dry_run:
        copy(case.target, out)
    return untouched(case.first.report, Verdict.REPAIRED, ended=EQUIVALENT)


def _repaired(
    case: _Case, out: Path | None, progress: Progress, patch: Path | None
) -> Report:
    """Mend the target as far as rules can, and write what is proven better."""
    with case.clock("repair"):
        rounds, ended = _rounds(case, progress)
        chain, judges = tuple(one.kept for one in rounds), (case.seen, case.unseen)
        chosen = chosen_edits(case.target, chain, judges, case.floors)
    done = Repaired(case.first, rounds, chosen, ended)
    if not any(chosen.chain):
        return report(done, None)
    progress("verifying", 0.0)
    trust = case.options.trust_code
    mended = end(case.target, chosen.chain)
    with (
        case.clock("verify"),
        written(case.target, mended, case.suffix, trust_code=trust) as proven,
    ):
        worse = harm(case.unseen, case.unseen.outputs(case.target), proven, case.floors)
        if worse:
            return report(replace(done, chosen=Chosen((), chosen.taken_out, worse)), None)
        proof = _analysed(case, proven, progress, everything=True)
        if out is not None:
            inputs = input_pairs(case.source, proven)
            feeds = target_feeds(case.unseen.probes[0], inputs, proven)
            publish(case.target, proven, feeds, out)
        if patch is not None:
            write_patch(case.target, tuple(_cures(rounds, chosen)), patch)
    told = report(done, proof.report)
    return replace(told, before=_as_it_was(case) or told.before)


def _as_it_was(case: _Case) -> tuple[OutputPair, ...]:
    """Return the outputs of the target as it was loaded, on the probes of the proof."""
    both = case.seen, case.unseen
    probes = tuple(probe for one in both for probe in one.probes)
    expected = tuple(given for one in both for given in one.expected)
    whole = replace(case.seen, probes=probes, expected=expected)
    return whole.outputs(case.target)


def _cures(rounds: Sequence[Round], chosen: Chosen) -> Iterator[Cure]:
    """Yield the edits that are in the mended model, in order, each with its rule."""
    rules = {one.id: one.rule for each in rounds for one in each.tried}
    for kept in chosen.chain:
        for one in kept:
            names = ", ".join(dict.fromkeys(rules.get(name, "") for name, _ in one.fixes))
            titles = "; ".join(fix.title for _, fix in one.fixes)
            yield Cure(names, titles, one.edits)


def _rounds(case: _Case, progress: Progress) -> tuple[tuple[Round, ...], str]:
    """Return what was kept of each round, since a fix may unmask a fault, and the end."""
    done: list[Round] = []
    target, findings = case.target, case.first.report.findings
    for count in range(case.limits.rounds):
        progress("repairing", count / case.limits.rounds)
        new = _worth_trying(findings, done)
        if not new:
            return tuple(done), NO_HELP if mendable(findings) else NOTHING_LEFT
        again = partial(_faults, case, progress)
        trial = Trial(target, case.seen, case.refusal, again, case.limits, count + 1)
        done.append(attempt(trial, new))
        if case.limits.is_over:
            return tuple(done), case.limits.too_late
        if not done[-1].kept:
            return tuple(done), NO_HELP
        target = done[-1].end
        if count + 1 < case.limits.rounds:
            findings = _faults(case, progress, target)
    return tuple(done), case.limits.too_often


def _worth_trying(findings: Sequence[Finding], done: Sequence[Round]) -> list[Finding]:
    """Return the faults that are new, or whose error another fix has moved."""
    last = {one.id: one.local_error for each in done for one in each.tried}
    return [
        one
        for one in mendable(findings)
        if one.id not in last
        or not math.isclose(one.local_error, last[one.id], rel_tol=MOVED)
    ]


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
