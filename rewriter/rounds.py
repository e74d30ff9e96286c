"""Round after round: a kept fix may unmask a fault behind it."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from analyzer.core.types import Finding, Outcome, Pivot, TryVerdict
from analyzer.outside import superfluous
from rewriter.attempts import Round, attempt
from rewriter.case import Case
from rewriter.choices import mendable
from rewriter.kept import Kept, Trial, edited
from rewriter.limits import TimeUpError
from rewriter.outcome import NO_HELP, NOTHING_LEFT
from rewriter.restored import ON_INTEGERS, restored

MOVED = 1e-3
"""Share by which the error of a fault must have moved since its fixes failed, for them to
be tried again: another fix has changed what they change."""

READABLE = "the file can be read with it"

UNWANTED = "the source gives no such output"

LOOKS_MENDED = "no output is off any more"


@dataclass(frozen=True, slots=True, eq=False)
class Tries:
    """The rounds so far, and why they ended."""

    rounds: tuple[Round, ...] = ()
    ended: str = ""


def tried_rounds(case: Case, before: Tries) -> Tries:
    """Return what was kept of each round, since a fix may unmask a fault, and the end.

    The first time, rounds end where the outputs look mended, since the proof says more;
    where it says otherwise, they are taken up again.

    Args:
        case: The pair.
        before: The rounds that were thought to be enough; none, the first time.
    """
    with case.clock("repair"):
        done = list(before.rounds) or [*_restated(case), *restored(case)]
        if case.restores and done and not done[-1].kept:
            return Tries(tuple(done), ON_INTEGERS)
        while len(done) < case.limits.rounds:
            case.progress("repairing", len(done) / case.limits.rounds)
            try:
                turn, ended = _turn(case, done, again=bool(before.rounds))
            except TimeUpError:
                return Tries(tuple(done), case.limits.too_late)
            done += turn
            if ended:
                return Tries(tuple(done), ended)
    return Tries(tuple(done), case.limits.too_often)


def _turn(case: Case, done: Sequence[Round], *, again: bool) -> tuple[list[Round], str]:
    """Return the next round, if there is anything to try, and why it is the last.

    Raises:
        TimeUpError: The time is up before it is known what there is to try.
    """
    target = done[-1].end if done else case.target
    known = case.first.report.findings
    findings = case.faults(target) if done or case.restores else known
    new = _worth_trying(findings, done)
    if not new:
        return [], NO_HELP if mendable(findings) else NOTHING_LEFT
    limits, number = case.limits, len(done) + 1
    trial = Trial(target, case.seen, case.refusal, case.faults, limits, number)
    last = attempt(trial, new)
    return [last], _ended(case, last, last.end, again=again)


def _restated(case: Case) -> Iterator[Round]:
    """Yield a round that lets the target state what its operators have, where it does not.

    Without it nothing of the file can be read, so that it is judged with all the rest.
    """
    wrong = tuple(one for one in case.first.restated if _can_be_said(one, case))
    kept = tuple(
        Kept(((one.id, one.fix),), one.fault, one.local_error, 0.0)
        for one in wrong
        if one.fix is not None
    )
    outcomes = {
        one.id: Outcome(TryVerdict.KEPT, _reason(one), math.inf, 0.0) for one in wrong
    }
    if wrong:
        yield Round(case.target, wrong, kept, outcomes)


def _can_be_said(finding: Finding, case: Case) -> bool:
    """Return whether the target's own format can be told what a finding's fix says."""
    if finding.fix is None or not superfluous([finding]):
        return finding.fix is not None
    kept = Kept(((finding.id, finding.fix),), finding.fault, finding.local_error, 0.0)
    return not case.refusal(edited(case.target, (kept,)), finding.fix.edits)


def _reason(finding: Finding) -> str:
    return UNWANTED if superfluous([finding]) else READABLE


def _ended(case: Case, last: Round, target: Pivot, *, again: bool) -> str:
    """Return why the rounds end after this one; empty where they go on."""
    if case.limits.is_over:
        return case.limits.too_late
    if not last.kept:
        return NO_HELP
    pairs = () if again else case.seen.outputs(target)
    mended = (
        pair.within or pair.relative_error <= case.unseen.floors.get(pair.target, 0.0)
        for pair in pairs
    )
    return LOOKS_MENDED if pairs and all(mended) else ""


def _worth_trying(findings: Sequence[Finding], done: Sequence[Round]) -> list[Finding]:
    """Return the faults that are new, or whose error another fix has moved."""
    last = {one.id: one.local_error for each in done for one in each.tried}
    return [
        one
        for one in mendable(findings)
        if one.id not in last
        or not math.isclose(one.local_error, last[one.id], rel_tol=MOVED)
    ]
