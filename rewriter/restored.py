"""A declared loss of precision undone: the first round of a repair, and how it is told."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from analyzer.core.errors import RepairError
from analyzer.core.report import Report
from analyzer.core.types import Finding, Fix, Outcome, RemoveNode, Status, TryVerdict
from analyzer.core.words import REDUCED_PRECISION
from rewriter.attempts import Round
from rewriter.case import ELSEWHERE, Case
from rewriter.kept import Kept
from rewriter.precision import widened

TFLITE = ".tflite"

ON_INTEGERS = (
    "the operators of a quantized .tflite file run on integers, and cannot be told to run "
    "on floats"
)

WIDENED = "the target computes in float32 with it"
ONE_BY_ONE = "its regions are restored one by one"


def has_drift(report: Report) -> bool:
    """Return whether a target loses but what its declared precision explains.

    Args:
        report: What `diff` says of the pair.
    """
    return any(map(_is_reduced, report.findings))


def _is_reduced(finding: Finding) -> bool:
    return finding.status is Status.DRIFT and finding.rule == REDUCED_PRECISION.slug


def restored(case: Case) -> Iterator[Round]:
    """Yield the round that lets a target compute in float, none where it does already.

    Args:
        case: The pair.
    """
    fix = widened(case.target) if case.restores else None
    if fix is None:
        return
    drift = next(filter(_is_reduced, case.first.report.findings))
    error = drift.local_error
    fault = replace(drift.fault, noise_floor=0.0)  # no region alone can tell it is needed
    whole = Round(
        case.target,
        (drift,),
        (Kept(((drift.id, fix),), fault, error, error),),
        {drift.id: Outcome(TryVerdict.KEPT, WIDENED, error, 0.0)},
    )
    integers = case.suffix == TFLITE and not case.anew and _removes(fix)
    unsaid = f"{ON_INTEGERS}; {ELSEWHERE}" if integers else _unsaid(whole, case, fix)
    if not unsaid:
        yield whole
        return
    told = {drift.id: Outcome(TryVerdict.REJECTED, unsaid, error, error)}
    yield replace(whole, kept=(), outcomes=told)


def _removes(fix: Fix) -> bool:
    return any(isinstance(edit, RemoveNode) for edit in fix.edits)


def _unsaid(whole: Round, case: Case, fix: Fix) -> str:
    """Return why a target cannot be widened and written, empty where it can."""
    try:
        return case.refusal(whole.end, fix.edits)
    except RepairError as surprise:
        return surprise.problem


def as_drift(rounds: Sequence[Round], report: Report) -> tuple[Round, ...]:
    """Return rounds whose findings are drift, but for those that were faults to begin with.

    Args:
        rounds: What was tried on a target whose declared precision excused nothing.
        report: What `diff` says of the pair as it stood.
    """
    faults = {one.id for one in report.findings if one.status is Status.FAULT}
    told = [
        replace(
            one,
            tried=tuple(
                each if each.id in faults else replace(each, status=Status.DRIFT)
                for each in one.tried
            ),
        )
        for one in rounds
    ]
    kept = sum(len(one.kept) for one in told)
    drift = next(filter(_is_reduced, report.findings))
    named = any(drift.id in one.outcomes for one in told)
    if named or not kept or not told:
        return tuple(told)
    error = drift.local_error
    outcome = Outcome(TryVerdict.UNTRIED, ONE_BY_ONE, error, error)
    first = replace(told[0], outcomes={drift.id: outcome, **told[0].outcomes})
    return (first, *told[1:])
