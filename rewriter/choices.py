"""The fixes of one region: alone, together, in pairs, then one on top of the other."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby, islice, product, takewhile

import numpy as np

from analyzer.core.errors import RepairError
from analyzer.core.types import (
    Attempt,
    Fault,
    Finding,
    ReplaceRegion,
    Status,
    TryVerdict,
)
from analyzer.verdict import is_root
from rewriter.kept import STOPPED, Choice, Kept, Measured, Trial, bound, edited
from rewriter.limits import TimeUpError
from rewriter.parts import clash, spoken_nodes, spoken_tensors

CLEARLY = 0.5
"""Share of a region's error that a fix may leave where none removes it all: of two causes
in one region the larger is mended first, and the next round sees the other by itself."""

FEWER = 0.9
"""Share of a region's error that a step on the way may leave, if several causes add up."""

RELOCALISED = 2
"""Fixes outside their region that are judged by a new analysis each: it takes seconds."""

MOST_PAIRS = 28
"""Pairs of fixes that are tried where none mends alone: all pairs of eight. Each costs one
run of the region."""


def mendable(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings that a repair may act on: faults of the conversion itself."""
    return tuple(filter(is_root, findings))


def breadth(choice: Choice) -> int:
    """Return how many nodes a fix replaces, at most two: where less mends, less is kept."""
    replaced = (one.nodes for one in choice[1].edits if isinstance(one, ReplaceRegion))
    return min(2, max(map(len, replaced), default=0))


@dataclass(frozen=True, slots=True, eq=False)
class Tried:
    """Fixes that were made together, and what came of it.

    Attributes:
        choices: The fixes.
        error: The error they leave in the region.
        why: Why they cannot be made, or must not be written; empty where they may.
        holds: Whether they mend the region, and can be written.
        anew: Whether a new analysis said so, since they lie outside the region.
    """

    choices: tuple[Choice, ...]
    error: float
    why: str = ""
    holds: bool = False
    anew: bool = False

    def attempt(self, before: float, turn: int, *, kept: bool) -> Attempt:
        """Return this try as a report tells it.

        Args:
            before: The region's error without the fixes.
            turn: The round.
            kept: Whether the fixes stay.
        """
        verdict = TryVerdict.KEPT if kept else TryVerdict.REJECTED
        titles = tuple(fix.title for _, fix in self.choices)
        edits = sum(len(fix.edits) for _, fix in self.choices)
        reason = self.reason(before)
        return Attempt(titles, edits, verdict, reason, before, self.error, turn)

    def reason(self, before: float) -> str:
        """Return what the fixes did to their region, in a sentence."""
        if self.why:
            return self.why
        if self.holds:
            found = "a new analysis finds its region mended"
            return found if self.anew else "the error of its region is gone"
        if np.isinf(self.error) and np.isfinite(before):
            return "with it its region does not run, or gives NaN, infinity or other shapes"
        moves = "stays at" if self.error == before else "grows to"
        moves = "falls to" if self.error < before else moves
        return f"the error of its region {moves} {self.error:.3g}"


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What a search came to.

    Attributes:
        chosen: What mends the region, or clearly helps; None: nothing does.
        tried: Everything that was tried, in order.
    """

    chosen: Tried | None
    tried: tuple[Tried, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """A region whose fixes are tried on top of what is kept already.

    Attributes:
        trial: Measures them.
        kept: What is kept of other regions.
        fault: The region.
        before: Its error without any of its own fixes.
    """

    trial: Trial
    kept: tuple[Kept, ...]
    fault: Fault
    before: float

    @property
    def bound(self) -> float:
        """The error up to which a fix mends: rounding, and less than there was."""
        return min(bound(self.fault), FEWER * self.before)

    def found(self, choices: Sequence[Choice]) -> Found:
        """Return what mends the region, and all that was tried on the way.

        The first that removes the error alone wins, those that replace no node before those
        that do; then one of each cause together; then any two; then the best of these, and
        what helps on top of it. What does not clearly help is not chosen, nor what cannot
        be written.

        Args:
            choices: The fixes, those that replace less first, then the most trusted.
        """
        tried: tuple[Tried, ...] = ()
        for phase in (self._alone, self._together, self._in_pairs, self._grown):
            tried += tuple(_until_held(phase(choices, tried)))
            if (tried and tried[-1].holds) or self.trial.limits.is_over:
                break
        holds = bool(tried) and tried[-1].holds
        return Found(tried[-1] if holds else self._best(tried), _once(tried))

    def jointly(self, ones: Sequence[Choice], others: Sequence[Choice]) -> Found:
        """Return the first fix of either of two regions that mend both, and all tried.

        Args:
            ones: The fixes of one, the most trusted first.
            others: The fixes of the other.
        """
        pairs = (two for two in product(ones, others) if not clash(two[0][1], two[1][1]))
        tried = tuple(_until_held(self._in_time(islice(pairs, MOST_PAIRS))))
        return Found(tried[-1] if tried and tried[-1].holds else None, tried)

    def _best(self, tried: Sequence[Tried]) -> Tried | None:
        """Return what clearly helps, if nothing that mends is in the format's way."""
        mends = (one for one in tried if one.error <= self.bound)
        helps = [one for one in tried if one.error < CLEARLY * self.before and not one.why]
        best = min(helps, key=lambda one: one.error, default=None)
        if best is None or any(mends) or self._unsaid(best.choices):
            return None
        return best

    def _tried(self, choices: tuple[Choice, ...]) -> Tried:
        """Return what some fixes leave together."""
        edits = [edit for _, fix in choices for edit in fix.edits]
        measured = self.trial.measured(self.kept, edits, self.fault)
        return self._judged(choices, measured)

    def _judged(self, choices: tuple[Choice, ...], seen: Measured) -> Tried:
        if seen.error > self.bound:
            return Tried(choices, seen.error, seen.why)
        unsaid = self._unsaid(choices)
        return Tried(choices, seen.error, unsaid, holds=not unsaid)

    def _unsaid(self, choices: tuple[Choice, ...]) -> str:
        """Return why the model with these fixes must not be written, empty where it may."""
        together = Kept(choices, self.fault, self.before, self.before)
        mended = edited(self.trial.start, (*self.kept, together))
        return self.trial.refusal(mended, together.edits)

    def _in_time(self, sets: Iterable[tuple[Choice, ...]]) -> Iterator[Tried]:
        late = self.trial.limits
        yield from map(self._tried, takewhile(lambda _: not late.is_over, sets))

    def _alone(self, choices: Sequence[Choice], _: Sequence[Tried]) -> Iterator[Tried]:
        for width, group in groupby(choices, key=breadth):
            alone = []
            for one in self._in_time((choice,) for choice in group):
                alone.append(one)
                yield one
            if not width:
                yield from self._outside(alone)

    def _outside(self, alone: Sequence[Tried]) -> Iterator[Tried]:
        """Yield fixes outside the region, to which its own error is blind, judged anew."""
        blind = (one for one in alone if one.error == self.before and not one.why)
        beside = [one for one in blind if not self._is_inside(one.choices[0])]
        for one in beside[:RELOCALISED]:
            if self.trial.limits.is_over:
                return
            try:
                error = self._relocalised(one.choices[0])
            except TimeUpError:  # what was tried so far stays
                return
            judged = self._judged(one.choices, Measured(error))
            yield Tried(one.choices, error, judged.why, judged.holds, anew=True)

    def _is_inside(self, choice: Choice) -> bool:
        """Return whether a fix speaks of the region's own nodes and tensors alone."""
        region, edits = self.fault.target, choice[1].edits
        nodes = {one.name for one in region.nodes}
        tensors = {*region.inputs, *region.outputs}
        tensors |= {name for one in region.nodes for name in one.outputs}
        return all(
            nodes.issuperset(spoken_nodes(one)) and tensors.issuperset(spoken_tensors(one))
            for one in edits
        )

    def _relocalised(self, choice: Choice) -> float:
        """Return the error of the region in a new analysis; zero if it is no fault now."""
        one = Kept((choice,), self.fault, self.before, self.before)
        try:
            findings = self.trial.localised(edited(self.trial.start, (*self.kept, one)))
        except RepairError:
            return np.inf
        if any(each.fault_class in STOPPED for each in mendable(findings)):
            return np.inf
        if any(map(self._is_hidden, findings)):
            return self.before
        outputs = set(self.fault.target.outputs)
        return max(
            (
                each.local_error
                for each in mendable(findings)
                if outputs.intersection(each.fault.whole.target.outputs)
            ),
            default=0.0,
        )

    def _is_hidden(self, finding: Finding) -> bool:
        """Return whether a drift is the error of the region, unproven but as large."""
        beyond = finding.local_error > finding.noise_floor
        large = finding.local_error > CLEARLY * self.before
        return finding.status is Status.DRIFT and beyond and large

    def _together(self, choices: Sequence[Choice], _: Sequence[Tried]) -> Iterator[Tried]:
        """Yield one fix of each cause, all at once."""
        firsts = {name: (name, fix) for name, fix in reversed(choices)}
        if len(firsts) > 1:
            yield from self._in_time([tuple(firsts.values())])

    def _in_pairs(
        self, choices: Sequence[Choice], tried: Sequence[Tried]
    ) -> Iterator[Tried]:
        """Yield two fixes at once: of two causes first, then of one."""
        if any(one.error <= self.bound for one in tried):
            return
        done = [set(map(id, one.choices)) for one in tried]
        pairs = sorted(combinations(choices, 2), key=lambda two: two[0][0] == two[1][0])
        sound = (two for two in pairs if not clash(two[0][1], two[1][1]))
        new = (two for two in sound if set(map(id, two)) not in done)
        yield from self._in_time(islice(new, MOST_PAIRS))

    def _grown(self, choices: Sequence[Choice], tried: Sequence[Tried]) -> Iterator[Tried]:
        """Yield the best so far with one more fix at a time, as long as it helps."""
        best = min(tried, key=lambda one: one.error, default=None)
        if best is None or not self.bound < best.error <= FEWER * self.before:
            return
        for choice in choices:
            if any(choice is one for one in best.choices):
                continue
            for more in self._in_time([(*best.choices, choice)]):
                yield more
                best = more if more.error < FEWER * best.error else best


def _until_held(those: Iterator[Tried]) -> Iterator[Tried]:
    """Yield what is tried up to the first that holds."""
    for one in those:
        yield one
        if one.holds:
            return


def _once(tried: Sequence[Tried]) -> tuple[Tried, ...]:
    """Return what was tried; of a fix that was judged anew, that judgement alone."""
    anew = {one.choices for one in tried if one.anew}
    return tuple(one for one in tried if one.anew or one.choices not in anew)
