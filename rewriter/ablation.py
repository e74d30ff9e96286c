"""What of the kept edits is needed: those without which an error comes back."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analyzer.core.errors import RepairError
from analyzer.core.types import (
    AddOutput,
    Attempt,
    Edit,
    Fault,
    Pivot,
    Restate,
    SetOpset,
    SetType,
    TryVerdict,
)
from rewriter.apart import is_apart, is_own
from rewriter.kept import Chain, Kept, bound, end, left, through
from rewriter.verify import Judgement

SAME = 1.001
"""An error comes back beyond this factor: the same error, summed in another order, moves by
far less."""

MOST_EDITS = 16
"""Edits of one fix that are taken out one by one, at a run of its region each; a fix of
more stays whole."""

ErrorOf = Callable[[Chain, int, Fault], float]
"""The error that a chain leaves in a region of a round, counted from 0."""


@dataclass(frozen=True, slots=True, eq=False)
class Ablated:
    """What is left of a chain, and how needed it is.

    Attributes:
        chain: The edits that are needed.
        taken_out: Those that were taken out again, by finding.
        needed: The error of a finding's region without what is left for it, and with it.
    """

    chain: Chain
    taken_out: Mapping[str, tuple[Attempt, ...]]
    needed: Mapping[str, tuple[float, float]]


def chain_error(
    target: Pivot, judge: Judgement, chain: Chain, turn: int, fault: Fault
) -> float:
    """Return the error that all edits together leave in one region.

    Args:
        target: The model before the first round.
        judge: Measures the model where the region alone says nothing.
        chain: The edits.
        turn: The round whose names the fault speaks in, from 0.
        fault: The region.

    Returns:
        Relative error; infinite where the edits do not fit.
    """
    edits = (edit for kept in chain[turn:] for one in kept for edit in one.edits)
    declares = any(isinstance(one, SetType) for one in edits)
    try:
        start = end(target, chain[:turn])
        return left(judge, start, through(start, chain[turn:]), fault, declares=declares)
    except RepairError:  # a later edit needs the one left out
        return np.inf


def ablated(chain: Chain, error: ErrorOf) -> Ablated:
    """Return the edits without which an error comes back, the last judged first.

    A region that does not show its edits even when all are there (they lie outside of it)
    says nothing about them: they stay.

    Args:
        chain: The kept edits, round by round.
        error: What measures a region with some of them.
    """
    error = _remembered(chain, error)
    taken_out: dict[str, tuple[Attempt, ...]] = {}
    needed: dict[str, tuple[float, float]] = {}
    units = [(turn, one) for turn, kept in enumerate(chain) for one in kept]
    for turn, one in reversed(units):
        present = error(chain, turn, one.fault)
        if not _can_tell(one, present):
            continue
        absent = error(swapped(chain, one, None), turn, one.fault)
        needed |= {name: (absent, present) for name, _ in one.fixes}
        least = _Unit(chain, turn, one, error).least()
        if least is one:
            continue
        chain = swapped(chain, one, least)
        errors = error(chain, turn, one.fault), present
        for name, attempt in _taken_out(one, least, errors, turn):
            taken_out[name] = (*taken_out.get(name, ()), attempt)
    return Ablated(chain, taken_out, needed)


def _remembered(chain: Chain, error: ErrorOf) -> ErrorOf:
    """Return the same measure, each region measured once for the edits that it can feel.

    What its own edits do to a region that feels no others is known from their trial.
    """
    units = [(turn, one) for turn, kept in enumerate(chain) for one in kept]
    known: dict[tuple[int, Fault, tuple[Kept, ...]], float] = {}
    for turn, one in units:
        others = (other for _, other in units if other is not one)
        alone = all(is_apart(other, one.fault) for other in others)
        if alone and is_own(one.edits, one.fault):
            known[turn, one.fault, ()] = one.before
            known[turn, one.fault, (one,)] = one.after

    def remembered(chain: Chain, turn: int, fault: Fault) -> float:
        every = (one for kept in chain for one in kept)
        felt = tuple(one for one in every if not is_apart(one, fault))
        key = turn, fault, felt
        if key not in known:
            known[key] = error(chain, turn, fault)
        return known[key]

    return remembered


def swapped(chain: Chain, one: Kept, instead: Kept | None) -> Chain:
    """Return a chain with something else in the place of a kept unit, or nothing.

    Args:
        chain: The kept edits.
        one: The unit.
        instead: What takes its place; None: nothing.
    """
    new = () if instead is None else (instead,)
    return tuple(
        tuple(each for old in kept for each in (new if old is one else (old,)))
        for kept in chain
    )


def _can_tell(one: Kept, present: float) -> bool:
    """Return whether the region tells if its edits are there; of declarations none does."""
    kinds = SetType | SetOpset | Restate | AddOutput
    declares = any(isinstance(edit, kinds) for edit in one.edits)
    seen = present <= max(bound(one.fault), SAME * one.after)
    return bool(one.fault.recorded) and seen and not declares


@dataclass(frozen=True, slots=True, eq=False)
class _Unit:
    """A kept unit of a chain, and the regions that tell which of its edits they need."""

    chain: Chain
    turn: int
    one: Kept
    error: ErrorOf

    def least(self) -> Kept | None:
        """Return the unit with the edits that are needed alone; None where none is."""
        current = self.one
        for edits in _parts(self.one):
            fewer = _without(current, edits)
            if not self._is_enough(fewer):
                continue
            if fewer is None:
                return None
            current = fewer
        return current

    def _is_enough(self, instead: Kept | None) -> bool:
        chain = swapped(self.chain, self.one, instead)
        others = (
            (turn, other)
            for turn, kept in enumerate(self.chain)
            for other in kept
            if other is not self.one and other.fault.recorded
        )
        return all(
            self._is_as_good(chain, *each) for each in ((self.turn, self.one), *others)
        )

    def _is_as_good(self, chain: Chain, turn: int, one: Kept) -> bool:
        """Return whether a region is as good in another chain as it is in this one."""
        absent = self.error(chain, turn, one.fault)
        if absent <= bound(one.fault):
            return True
        return absent <= SAME * self.error(self.chain, turn, one.fault)


def _parts(one: Kept) -> Iterator[tuple[Edit, ...]]:
    """Yield what may be left out of a unit: all of it, then each fix, then each edit."""
    yield one.edits
    several = [fix for _, fix in one.fixes if len(one.fixes) > 1]
    yield from (fix.edits for fix in reversed(several))
    for _, fix in reversed(one.fixes):
        if 1 < len(fix.edits) <= MOST_EDITS:
            yield from ((edit,) for edit in reversed(fix.edits))


def _without(one: Kept, edits: Sequence[Edit]) -> Kept | None:
    """Return a unit without some edits; None where none is left."""
    gone = set(map(id, edits))
    left_over = (
        (name, replace(fix, edits=tuple(e for e in fix.edits if id(e) not in gone)))
        for name, fix in one.fixes
    )
    fixes = tuple((name, fix) for name, fix in left_over if fix.edits)
    return replace(one, fixes=fixes) if fixes else None


def _taken_out(
    one: Kept, least: Kept | None, errors: tuple[float, float], turn: int
) -> Iterator[tuple[str, Attempt]]:
    """Yield what was taken out of a unit, by the finding it was for."""
    absent, present = errors
    stays = set() if least is None else set(map(id, least.edits))
    reason = f"taken out again: without it the error of its region is {absent:.3g}"
    for name, fix in one.fixes:
        count = sum(id(edit) not in stays for edit in fix.edits)
        if count:
            verdict = TryVerdict.REJECTED
            yield (
                name,
                Attempt((fix.title,), count, verdict, reason, absent, present, turn + 1),
            )
