"""The whole repair on one page: analyse, try fixes, analyse again, prove, write."""

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from analyzer.clock import Clock
from analyzer.core.errors import RunError, UsageError
from analyzer.core.options import Judge, Options, Progress, silent
from analyzer.core.report import ALREADY, OutputPair, Report, Verdict, Written
from analyzer.core.types import Pivot, Status
from analyzer.diff import Analysis, analyse_pivots
from analyzer.explained import installed_rules
from analyzer.grids.calibrated import calibrated_grids
from analyzer.integer_ends import with_float_ends
from analyzer.loading import load_pair
from analyzer.matching.ends import input_pairs, narrowed, target_feeds
from analyzer.probes import draw, held_out
from rewriter.bundle import Bundle, check_bundle, write_bundle
from rewriter.case import Case
from rewriter.destination import check_destination, check_patch
from rewriter.export import ONNX, copy, out_suffix
from rewriter.heldout import half_floors, held_out_outputs
from rewriter.kept import end
from rewriter.limits import ROUNDS, Limits
from rewriter.outcome import Repaired, report, untouched
from rewriter.patch import Cure, write_patch
from rewriter.remembered import remembering
from rewriter.replacement import check_replacement, is_onnx2tf, write_replacement
from rewriter.restored import as_drift, has_drift
from rewriter.verify import judgement
from rewriter.ways import chosen_way
from rewriter.written import cleared, publish

UNPROVEN = "the source does not run as a whole, so that no repair can be proven"


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
    bundle: Bundle | None = None,
    onnx2tf: bool = False,
    restore_precision: bool = False,
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
        bundle: Where a reproduction of each root fault goes; None: nowhere.
        onnx2tf: Whether onnx2tf made the target, even if the file does not say so: its own
            replacement file is then written beside the patch.
        restore_precision: Undo a declared loss of precision too: quantization, half floats.

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
    if bundle is not None:
        made = [path for path in (out, patch) if path is not None]
        check_bundle(bundle, [source, target, *made], force=force)
    limits = Limits(max_rounds, timeout)
    book = installed_rules() if rules is None else rules
    run = _Run(options, book, progress, limits, restores=restore_precision)
    with run.clock("load"):
        left, right = with_float_ends(*load_pair((source, target), options, progress))
    both = remembering(left), remembering(right)
    suffix = out_suffix(target, out, right.framework)
    place = _replacement(both, patch, onnx2tf=onnx2tf, force=force)
    files = _Files(None if dry_run else out, patch, place, force)
    told, first = _told(both, suffix, run, files)
    if bundle is not None:
        write_bundle(bundle, told, first)
    return told


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """What a repair goes by: its options, rules, limits and clock, and who is told."""

    options: Options
    rules: Sequence[Judge]
    progress: Progress
    limits: Limits
    clock: Clock = field(default_factory=Clock)
    restores: bool = False


@dataclass(frozen=True, slots=True)
class _Files:
    """What a repair writes, None: it does not; and whether it may replace what is there."""

    out: Path | None
    patch: Path | None
    replacement: Path | None
    force: bool


def _replacement(
    both: tuple[Pivot, Pivot], patch: Path | None, *, onnx2tf: bool, force: bool
) -> Path | None:
    """Return where onnx2tf's own replacement file goes; None: nowhere.

    Raises:
        UsageError: It is asked for and cannot be written.
    """
    source, target = both
    if onnx2tf and patch is None:
        raise UsageError(
            "--onnx2tf writes its file beside the patch, and none is named",
            hint="add --patch FILE",
        )
    if patch is None or not (
        onnx2tf or (source.framework == "onnx" and is_onnx2tf(target))
    ):
        return None
    return check_replacement(patch, source, target, force=force)


def _told(
    both: tuple[Pivot, Pivot], suffix: str, run: _Run, files: _Files
) -> tuple[Report, Analysis]:
    """Return the report of a repair, its files written, and the analysis it began with."""
    (left, right), options = both, run.options
    fitted = left if options.inputs else narrowed(left, right, input_pairs(left, right))
    probes = draw(fitted, options, hold_out=True)
    first = analyse_pivots(
        left,
        right,
        options=options,
        rules=run.rules,
        progress=run.progress,
        clock=run.clock,
        probes=probes,
    )
    left, right = first.source, first.target  # imported anew where the importer was wrong
    if first.report.verdict is Verdict.INCONCLUSIVE:
        return untouched(first.report, Verdict.INCONCLUSIVE), first
    try:
        with run.clock("held out"):
            seen = judgement(left, probes[0], options)
            spare = judgement(left, held_out(fitted, options, probes[0]), options)
            floors = {pair.target: pair.noise_floor for pair in first.report.outputs}
            lost = _lost_by_half(first, options.seed)
            floors |= {name: max(floors.get(name, 0.0), lost[name]) for name in lost}
            unseen = held_out_outputs(right, spare, floors)
    except RunError:  # a custom operator: the rest was compared, but proves no repair
        return _unproven(first.report), first
    measures, means = (seen, unseen, first), (run.clock, run.limits, run.progress)
    case = Case(left, right, options, run.rules, *measures, suffix, *means)
    if run.restores and has_drift(first.report):
        return _repaired(replace(case, restores=True), files), first
    if first.report.verdict is Verdict.EQUIVALENT:
        case = _asked_further(case)
    if case.first.report.verdict is Verdict.EQUIVALENT:
        return _copied(case, files.out), case.first
    return _repaired(case, files), case.first


def _lost_by_half(first: Analysis, seed: int) -> dict[str, float]:
    """Return what a declared half precision does to each output; empty where none does."""
    if first.report.verdict is Verdict.EQUIVALENT or not has_drift(first.report):
        return {}
    return half_floors(first.source, first.target, first.probes, seed)


def _unproven(base: Report) -> Report:
    """Return the report on a pair whose source does not run as a whole."""
    divergent = base.verdict is Verdict.DIVERGENT
    verdict = Verdict.UNREPAIRED if divergent else Verdict.INCONCLUSIVE
    return untouched(base, verdict, UNPROVEN)


def _asked_further(case: Case) -> Case:
    """Return the case of an equivalent pair, analysed anew if held-out probes disagree.

    What a declared loss of precision does to probes that no calibration saw is no fault.
    """
    if any(one.status is Status.DRIFT for one in case.first.report.findings):
        return case
    pairs, floors = case.unseen.before[0], case.unseen.floors
    if pairs and all(  # no pair at all: the target refuses a held-out probe
        pair.within or pair.relative_error <= floors.get(pair.target, 0.0) for pair in pairs
    ):
        return case
    return replace(case, first=case.analysed(case.target, everything=True))


def _copied(case: Case, out: Path | None) -> Report:
    """Write the target as it is; it is equivalent already."""
    left: tuple[str, ...] = ()
    if out is not None:
        copy(case.target, out)
        left = tuple(cleared(case.source, case.target, case.target.path, out))
    told = untouched(case.first.report, Verdict.REPAIRED, ended=ALREADY)
    return replace(told, written=Written(str(out), "copied", left)) if left else told


def _as_calibrated(case: Case) -> Case:
    """Return a case that knows which grids the drawn probes fill, its faults in it."""
    if case.options.inputs is not None:
        return case
    inputs = input_pairs(case.source, case.target)
    probes = (target_feeds(one, inputs, case.target) for one in case.seen.probes)
    try:
        known = calibrated_grids(case.target, probes)
    except RunError:  # it does not run before it is mended
        return case
    return replace(case, options=replace(case.options, calibrated=known))


def _repaired(case: Case, files: _Files) -> Report:
    """Mend the target as far as rules can, and write what is proven better."""
    case = _as_calibrated(case)
    with ExitStack() as folders:
        way = chosen_way(case, files.out, folders, force=files.force)
        came = way.proof
        if case.restores:
            rounds = as_drift(came.done.rounds, case.first.report)
            came = replace(came, done=replace(came.done, rounds=rounds))
        if came.proven is None or came.report is None:
            return report(came.done, None)
        left: tuple[str, ...] = ()
        if way.out is not None:
            inputs = input_pairs(case.source, came.proven)
            feeds = target_feeds(case.unseen.judges[0].probes[0], inputs, came.proven)
            publish(case.target, came.proven, feeds, way.out)
            if way.out.suffix.lower() != ONNX:  # nothing is written beside that
                left = tuple(cleared(case.source, case.target, came.proven.path, way.out))
        written = replace(way.written, changed=(*way.written.changed, *left))
    if files.patch is not None:
        write_patch(case.target, tuple(_cures(came.done)), files.patch)
    if files.replacement is not None:
        both = case.source, case.target
        repaired = end(case.target, came.done.chosen.chain).model
        write_replacement(came.done, repaired, both, files.replacement)
    told = way.told(report(came.done, came.report))
    return replace(told, before=_as_it_was(case) or told.before, written=written)


def _as_it_was(case: Case) -> tuple[OutputPair, ...]:
    """Return the outputs of the target as it was loaded, on the probes of the proof."""
    both = case.seen, case.unseen.judges[0]
    probes = tuple(probe for one in both for probe in one.probes)
    expected = tuple(given for one in both for given in one.expected)
    whole = replace(case.seen, probes=probes, expected=expected)
    return whole.outputs(case.target)


def _cures(done: Repaired) -> Iterator[Cure]:
    """Yield the edits that are in the mended model, in order, each with its rule."""
    rules = {one.id: one.rule for each in done.rounds for one in each.tried}
    for kept in done.chosen.chain:
        for one in kept:
            names = ", ".join(dict.fromkeys(rules.get(name, "") for name, _ in one.fixes))
            titles = "; ".join(fix.title for _, fix in one.fixes)
            yield Cure(names, titles, one.edits)
