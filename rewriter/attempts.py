"""Fixes tried, kept or dropped: each is judged by the error left in its own region."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, groupby

from analyzer.core.types import Finding, Fix, Outcome, Pivot, TryVerdict
from rewriter.apart import Mended, mended_at_once
from rewriter.choices import Found, Search, breadth
from rewriter.kept import Choice, Kept, Trial, bound, edited
from rewriter.neighbours import joined

NOT_INSIDE = "no edit reaches into the body of an If, a Loop or a Scan"


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """One pass over the findings of one analysis.

    Attributes:
        start: The pivot the findings speak of.
        tried: The findings.
        kept: What stays, in order.
        outcomes: What became of each finding that was tried, by id.
    """

    start: Pivot
    tried: tuple[Finding, ...]
    kept: tuple[Kept, ...]
    outcomes: dict[str, Outcome]

    @property
    def end(self) -> Pivot:
        """The pivot after this round."""
        return edited(self.start, self.kept)


def fixes(finding: Finding) -> tuple[Fix, ...]:
    """Return a finding's cures in the order they should be tried."""
    first = () if finding.fix is None else (finding.fix,)
    return (*first, *finding.alternatives)


def attempt(trial: Trial, findings: Sequence[Finding]) -> Round:
    """Return what came of trying every fix, the most damaging fault first.

    Args:
        trial: The target as the findings speak of it.
        findings: Faults with or without fixes, worst first.
    """
    groups = tuple(_regions(findings))
    firsts = [(group, one) for group in groups for one in _choices(group)[:1]]
    mended = mended_at_once(trial, firsts)
    kept = tuple(one.kept for one in mended)
    outcomes = {name: told for one in mended for name, told in _told(one, trial).items()}
    for group in groups:
        if group[0].id in outcomes:
            continue
        gained, told = _mend(trial, kept, group)
        kept += gained
        outcomes |= told
    failed = [one for one in groups if outcomes[one[0].id].verdict is TryVerdict.REJECTED]
    for one, other in combinations(failed, 2):
        both = (outcomes[each.id].verdict for each in (*one, *other))
        if TryVerdict.KEPT in both:
            continue
        gained, told = _mend_both(trial, kept, one, other)
        kept += gained
        outcomes |= {name: again(outcomes[name], told[name]) for name in told}
    return Round(trial.start, tuple(findings), kept, outcomes)


def _mend_both(
    trial: Trial, kept: tuple[Kept, ...], one: Sequence[Finding], other: Sequence[Finding]
) -> tuple[tuple[Kept, ...], dict[str, Outcome]]:
    """Return what is kept for two neighbouring regions whose fixes help only together."""
    fault = joined(one[0].fault.whole, other[0].fault.whole)
    if fault is None or trial.limits.is_over:
        return (), {}
    before = trial.measured(kept, (), fault).error
    if before <= bound(fault):
        return (), {}
    found = Search(trial, kept, fault, before).jointly(_choices(one), _choices(other))
    if not found.tried:
        return (), {}
    told = {each.id: _outcome(each.id, found, before, trial) for each in (*one, *other)}
    if found.chosen is None:
        return (), told
    return (Kept(found.chosen.choices, fault, before, found.chosen.error),), told


def _choices(group: Sequence[Finding]) -> list[Choice]:
    """Return the fixes of a region, those that replace less first."""
    pairs = ((finding.id, fix) for finding in group for fix in fixes(finding))
    return sorted(pairs, key=breadth)


def _regions(findings: Sequence[Finding]) -> Iterator[tuple[Finding, ...]]:
    """Yield the findings of each region together, in the order of their first."""
    ranks: dict[tuple[str, ...], int] = {}
    for finding in findings:
        ranks.setdefault(_region(finding), len(ranks))
    ordered = sorted(findings, key=lambda one: ranks[_region(one)])
    for _, group in groupby(ordered, key=_region):
        yield tuple(group)


def _region(finding: Finding) -> tuple[str, ...]:
    """Return what tells a finding's region from others; without tensors it is its own."""
    target = finding.fault.whole.target
    return (*target.inputs, "->", *target.outputs) if target.outputs else (finding.id,)


def _mend(
    trial: Trial, kept: tuple[Kept, ...], group: Sequence[Finding]
) -> tuple[tuple[Kept, ...], dict[str, Outcome]]:
    """Return what is kept for one region, and what to say of its findings."""
    fault = group[0].fault.whole
    if trial.limits.is_over:
        return (), _untried(group, trial.limits.too_late, fault.local_error)
    before = trial.measured(kept, (), fault).error
    if kept and before <= bound(fault):
        return (), _untried(group, "an earlier fix mended this region too", before)
    choices = _choices(group)
    if not choices:
        inside = any(finding.fault.inside for finding in group)
        return (), _untried(group, NOT_INSIDE if inside else "no rule knows a cure", before)
    found = Search(trial, kept, fault, before).found(choices)
    if not found.tried:
        return (), _untried(group, trial.limits.too_late, before)
    told = {one.id: _outcome(one.id, found, before, trial) for one in group}
    if found.chosen is None:
        return (), told
    return (Kept(found.chosen.choices, fault, before, found.chosen.error),), told


def _told(mended: Mended, trial: Trial) -> dict[str, Outcome]:
    """Return what became of the findings of a region that was mended with others."""
    found = Found(mended.tried, (mended.tried,))
    before = mended.kept.before
    return {one.id: _outcome(one.id, found, before, trial) for one in mended.group}


def _untried(group: Sequence[Finding], why: str, error: float) -> dict[str, Outcome]:
    """Return one outcome for all findings of a region in which nothing was tried."""
    outcome = Outcome(TryVerdict.UNTRIED, why, error, error)
    return {one.id: outcome for one in group}


def _outcome(name: str, found: Found, before: float, trial: Trial) -> Outcome:
    """Return what became of one finding of a region in which fixes were tried."""
    chosen = found.chosen
    attempts = tuple(
        one.attempt(before, trial.round, kept=one is chosen)
        for one in found.tried
        if _speaks_of(one.choices, name)
    )
    if chosen is not None and _speaks_of(chosen.choices, name):
        reason = chosen.reason(before)
        return Outcome(TryVerdict.KEPT, reason, before, chosen.error, attempts)
    if chosen is not None:
        reason = "another fix mended this region"
        verdict = TryVerdict.REJECTED if attempts else TryVerdict.UNTRIED
        return Outcome(verdict, reason, before, chosen.error, attempts)
    closest = min(found.tried, key=lambda one: one.error)
    reason = trial.limits.too_late if trial.limits.is_over else closest.reason(before)
    return Outcome(TryVerdict.REJECTED, reason, before, closest.error, attempts)


def _speaks_of(choices: Sequence[Choice], name: str) -> bool:
    return any(one == name for one, _ in choices)


def again(earlier: Outcome, later: Outcome) -> Outcome:
    """Return what became of a finding that was tried in two rounds.

    Args:
        earlier: What became of it in the first.
        later: What became of it in the second.
    """
    attempts = (*earlier.attempts, *later.attempts)
    stays = earlier.verdict is TryVerdict.KEPT and later.verdict is not TryVerdict.KEPT
    last = earlier if stays else later
    return replace(last, error_before=earlier.error_before, attempts=attempts)
