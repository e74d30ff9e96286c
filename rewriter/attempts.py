"""Fixes tried, kept or dropped: each is judged by the error left in its own region."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby

import numpy as np

from analyzer.core.errors import RepairError
from analyzer.core.types import (
    Edit,
    Fault,
    FaultClass,
    Finding,
    Fix,
    Outcome,
    Pivot,
    ReplaceRegion,
    SetType,
    Status,
    TryVerdict,
    Where,
)
from rewriter.surgeon import trace
from rewriter.verify import Judgement, edited_pivot, local_error

ROUNDING = 2.0
"""Noise floors that a mended region may be off by: its operators may round in another order
than the ones the floor was measured on."""

CLEARLY = 0.5
"""Share of a region's error that a fix may leave where none removes it all: of two causes
in one region the larger is mended first, and the next round sees the other by itself."""

FEWER = 0.9
"""Share of a region's error that a step on the way may leave, if several causes add up."""

STOPPED = frozenset({FaultClass.RUNTIME, FaultClass.LOAD_FAILURE})
"""Faults of a model that computes nothing: a fix that brings one mends nothing."""

RELOCALISED = 2
"""Fixes outside their region that are judged by a new analysis each: it takes seconds."""

MENDED = frozenset({Where.CONVERSION, Where.RUNTIME})
"""Who must have made a fault for the target to be edited; the importers' are not in it."""


Choice = tuple[str, Fix]
"""A finding's id and one of its fixes."""


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """Edits that stay, and why.

    Attributes:
        fixes: What is done, by the id of the finding it mends.
        fault: The region they are judged by.
        before: The region's error without them.
        after: The region's error with them.
    """

    fixes: tuple[Choice, ...]
    fault: Fault
    before: float
    after: float

    @property
    def edits(self) -> tuple[Edit, ...]:
        """All edits, in order."""
        return tuple(edit for _, fix in self.fixes for edit in fix.edits)


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


def edited(pivot: Pivot, kept: Sequence[Kept]) -> Pivot:
    """Return a pivot with the kept edits applied together.

    Args:
        pivot: What the edits speak of.
        kept: The edits.

    Raises:
        RepairError: Without others that were dropped, an edit fits no more.
    """
    if not kept:
        return pivot
    edits = [edit for one in kept for edit in one.edits]
    return edited_pivot(pivot, trace(pivot.model, pivot.folder, edits))


def mendable(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings that a repair may act on: faults of the conversion itself."""
    return tuple(
        finding
        for finding in findings
        if finding.status is Status.FAULT and finding.where in MENDED
    )


def fixes(finding: Finding) -> tuple[Fix, ...]:
    """Return a finding's cures in the order they should be tried."""
    first = () if finding.fix is None else (finding.fix,)
    return (*first, *finding.alternatives)


Refusal = Callable[[Pivot], str]
"""Says why an edited pivot cannot be written in the format of OUT; empty where it can."""


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """A model to edit, and what measures the result.

    Attributes:
        start: The model.
        judge: Measures what no recorded sample can: a model that did not run, an input.
        refusal: Whether the result can be written.
        localised: Finds the faults that are left in an edited pivot.
    """

    start: Pivot
    judge: Judgement
    refusal: Refusal
    localised: Callable[[Pivot], Sequence[Finding]]

    def error(self, kept: Sequence[Kept], edits: Sequence[Edit], fault: Fault) -> float:
        """Return the error left in a fault's region; infinite where an edit cannot be."""
        everything = [*(edit for one in kept for edit in one.edits), *edits]
        try:
            applied = trace(self.start.model, self.start.folder, everything)
        except RepairError:
            return np.inf
        inside = local_error(applied, self.start, fault)
        if inside is not None and not any(isinstance(one, SetType) for one in everything):
            return inside
        return self.judge.error(edited_pivot(self.start, applied))


def attempt(trial: Trial, findings: Sequence[Finding]) -> Round:
    """Return what came of trying every fix, the most damaging fault first.

    Args:
        trial: The target as the findings speak of it.
        findings: Faults with or without fixes, worst first.
    """
    kept: tuple[Kept, ...] = ()
    outcomes: dict[str, Outcome] = {}
    for group in _regions(findings):
        gained, told = _mend(trial, kept, group)
        kept += gained
        outcomes |= told
    kept = _ablated(trial, kept)
    spared = {name for one in kept for name, _ in one.fixes}
    return Round(
        trial.start,
        tuple(findings),
        kept,
        {
            name: outcome
            if name in spared or outcome.verdict is not TryVerdict.KEPT
            else replace(outcome, verdict=TryVerdict.REJECTED, reason=NOT_NEEDED)
            for name, outcome in outcomes.items()
        },
    )


NOT_NEEDED = "without it the error does not come back"

NOT_INSIDE = "no edit reaches into the body of an If, a Loop or a Scan"


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


def _bound(fault: Fault) -> float:
    return ROUNDING * fault.noise_floor


def _breadth(fix: Fix) -> int:
    """Return how many nodes a fix replaces, at most two: where less mends, less is kept."""
    replaced = (one.nodes for one in fix.edits if isinstance(one, ReplaceRegion))
    return min(2, max(map(len, replaced), default=0))


def _mend(
    trial: Trial, kept: tuple[Kept, ...], group: Sequence[Finding]
) -> tuple[tuple[Kept, ...], dict[str, Outcome]]:
    """Return what is kept for one region, and what to say of its findings."""
    fault = group[0].fault.whole
    before = trial.error(kept, (), fault)
    if before <= _bound(fault):
        reason = "an earlier fix mended this region too"
        return (), _told(group, (), Outcome(TryVerdict.UNTRIED, reason, before, before))
    choices = sorted(
        ((finding.id, fix) for finding in group for fix in fixes(finding)),
        key=lambda choice: _breadth(choice[1]),
    )
    if not choices:
        inside = any(finding.fault.inside for finding in group)
        reason = NOT_INSIDE if inside else "no rule knows a cure"
        return (), _told(group, (), Outcome(TryVerdict.UNTRIED, reason, before, before))
    chosen, after, unsaid = _Tried(trial, kept, fault, before).best(choices)
    if not chosen:
        reason = f"the error of its region stays at {after:.3g}"
        if unsaid:
            reason = f"{unsaid}; written to an .onnx file with -o, it can be kept"
        return (), _told(group, (), Outcome(TryVerdict.REJECTED, reason, before, after))
    names = tuple(dict.fromkeys(name for name, _ in chosen))
    reason = "the error of its region is gone"
    if after > _bound(fault):
        reason = f"the error of its region falls to {after:.3g}"
    outcome = Outcome(TryVerdict.KEPT, reason, before, after)
    gained = Kept(tuple(chosen), fault, before, after)
    return (gained,), _told(group, names, outcome)


def _told(
    group: Sequence[Finding], chosen: Sequence[str], outcome: Outcome
) -> dict[str, Outcome]:
    """Return the outcome of each finding of a region; `chosen` empty: the same for all."""
    spared = replace(
        outcome, verdict=TryVerdict.UNTRIED, reason="another fix mended this region"
    )
    return {one.id: outcome if not chosen or one.id in chosen else spared for one in group}


@dataclass(frozen=True, slots=True, eq=False)
class _Tried:
    """A region whose fixes are tried on top of what is kept already."""

    trial: Trial
    kept: tuple[Kept, ...]
    fault: Fault
    before: float

    def left(self, chosen: Sequence[Choice]) -> float:
        """Return the error that some fixes leave together."""
        edits = [edit for _, fix in chosen for edit in fix.edits]
        return self.trial.error(self.kept, edits, self.fault)

    def unsaid(self, chosen: Sequence[Choice]) -> str:
        """Return why the model with these fixes cannot be written, empty where it can."""
        together = Kept(tuple(chosen), self.fault, self.before, self.before)
        return self.trial.refusal(edited(self.trial.start, (*self.kept, together)))

    def relocalised(self, choice: Choice) -> float:
        """Return the error of the region in a new analysis; zero if it is no fault now."""
        one = Kept((choice,), self.fault, self.before, self.before)
        try:
            findings = self.trial.localised(edited(self.trial.start, (*self.kept, one)))
        except RepairError:
            return np.inf
        if any(each.fault_class in STOPPED for each in mendable(findings)):
            return np.inf
        outputs = set(self.fault.target.outputs)
        return max(
            (
                each.local_error
                for each in mendable(findings)
                if outputs.intersection(each.fault.whole.target.outputs)
            ),
            default=0.0,
        )

    def _beside(self, choices: Sequence[Choice], errors: Sequence[float]) -> list[Choice]:
        """Return fixes outside the region, to which its own error is blind."""
        pairs = zip(choices, errors, strict=True)
        return [choice for choice, error in pairs if error == self.before][:RELOCALISED]

    def best(self, choices: Sequence[Choice]) -> tuple[list[Choice], float, str]:
        """Return the fixes that mend the region, the error left, and what is in the way.

        The first that removes the error alone wins, those that replace no node before those
        that do; then one of each cause together; then the best one, and what helps on top
        of it. Fixes that do not clearly help are none, nor those that cannot be written.
        """
        errors = [self.left([choice]) for choice in choices]
        bound, unsaid = _bound(self.fault), ""
        for breadth, group in groupby(
            zip(choices, errors, strict=True), key=lambda pair: _breadth(pair[0][1])
        ):
            tried = tuple(group)
            inside = [pair for pair in tried if pair[1] <= bound]
            outside = () if breadth else self._beside(*zip(*tried, strict=True))
            beside = ((one, 0.0) for one in outside if self.relocalised(one) <= bound)
            for choice, error in chain(inside, beside):
                unsaid = self.unsaid([choice])
                if not unsaid:
                    return [choice], error, ""
        together = list({name: (name, fix) for name, fix in reversed(choices)}.values())
        error = self.left(together) if len(together) > 1 else np.inf
        if error <= _bound(self.fault) and not self.unsaid(together):
            return together, error, ""
        if unsaid:
            return [], min(errors), unsaid
        chosen, error = self._greedy(choices, errors)
        unsaid = self.unsaid(chosen) if chosen else ""
        return ([] if unsaid else chosen), error, unsaid

    def _greedy(
        self, choices: Sequence[Choice], errors: Sequence[float]
    ) -> tuple[list[Choice], float]:
        best = int(np.argmin(errors))
        chosen, error = [choices[best]], errors[best]
        for choice in choices:
            if choice in chosen or error > FEWER * self.before:
                continue
            less = self.left([*chosen, choice])
            if less < FEWER * error:
                chosen, error = [*chosen, choice], less
        helps = error <= _bound(self.fault) or error < CLEARLY * self.before
        return (chosen if helps else []), error


def _ablated(trial: Trial, kept: tuple[Kept, ...]) -> tuple[Kept, ...]:
    """Return the edits without which an error does come back, the last judged first."""
    for one in reversed(kept):
        others = tuple(other for other in kept if other is not one)
        if others and trial.error(others, (), one.fault) <= _bound(one.fault):
            kept = others
    return kept
