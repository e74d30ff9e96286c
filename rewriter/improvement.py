"""Is a model that is still not the source's better than it was? Asked on many new probes.

Where a fault remains, an output may be off by anything, and so it is after a repair: on a
few held-out probes chance alone makes it a little better or worse. What is mended wholly
needs no such proof: it is equivalent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb

import numpy as np

from analyzer.core.errors import RunError
from analyzer.core.types import Feeds, Pivot
from analyzer.matching.ends import input_pairs, narrowed
from analyzer.probes import further
from rewriter.case import Case
from rewriter.verify import WORSE, Judgement, judgement

PROBES = 59
"""Where none of as many is worse, it is 95 % certain that fewer than one in twenty is:
0.95 to this power is below 0.05."""

CHANCE = 0.05
"""How rarely chance alone may make as many probes better. With the worse half better rank
by rank, as is asked besides, it does so in 1 of 70 cases (counted on 40,000 draws)."""

Errors = Mapping[str, float]
"""Relative errors of one probe by target output; none where the model does not run."""


@dataclass(frozen=True, slots=True, eq=False)
class Improvement:
    """What a target did on many probes before its repair, each judged by itself.

    Attributes:
        judges: What measures a model on one probe each.
        before: The target's errors on each.
        floors: Relative error that rounding makes, by target output name.
    """

    judges: tuple[Judgement, ...]
    before: tuple[Errors, ...]
    floors: Mapping[str, float]

    def doubt(self, mended: Pivot) -> str:
        """Return why a model is not proven to be better; empty where it is, or none can be.

        Args:
            mended: The edited target.
        """
        after = tuple(errors_of(judge, mended) for judge in self.judges)
        return doubt(self.before, after, self.floors)


def improvement(case: Case) -> Improvement:
    """Return what a repair of a pair has to be better than, on many probes.

    Args:
        case: The pair.
    """
    known = (*case.seen.probes, *case.unseen.judges[0].probes)
    fitted = case.source
    if not case.options.inputs:
        inputs = input_pairs(case.source, case.target)
        fitted = narrowed(case.source, case.target, inputs)
    drawn = further(fitted, case.options, known, PROBES)
    judges = tuple(one for feeds in drawn for one in _judges(case, feeds))
    before = tuple(errors_of(judge, case.target) for judge in judges)
    return Improvement(judges, before, case.unseen.floors)


def _judges(case: Case, feeds: Feeds) -> tuple[Judgement, ...]:
    """Return what measures a model on one probe; nothing where the source refuses it."""
    try:
        return (judgement(case.source, (feeds,), case.options),)
    except RunError:
        return ()


def errors_of(judge: Judgement, target: Pivot) -> dict[str, float]:
    """Return the relative error of each output; none where the target does not run.

    Args:
        judge: What measures it.
        target: The model.
    """
    return {
        pair.target: 0.0 if pair.within else pair.relative_error
        for pair in judge.outputs(target)
    }


def doubt(
    before: Sequence[Errors], after: Sequence[Errors], floors: Mapping[str, float]
) -> str:
    """Return why a repair is not proven to be an improvement; empty where it is.

    The worst of no output may grow, and one output has to be better than chance makes it:
    on most probes, and in the worse half of its errors, one by one in their order.

    Args:
        before: Errors of the target on each probe.
        after: Errors of the repaired model on the same.
        floors: Relative error that rounding makes, by target output name.

    Source: The sign test (Arbuthnot, Philosophical Transactions 27, 1710), and dominance of
    the first order, of the upper half alone, since that is what a verdict goes by.
    """
    names = dict.fromkeys(name for errors in after for name in errors)
    if before and not names:
        return "the model does not run on further probes"
    series = {name: _Series(_of(name, before), _of(name, after)) for name in names}
    worse = [name for name in names if series[name].has_grown(floors.get(name, 0.0))]
    if worse:
        first = series[worse[0]]
        return (
            f"output {worse[0]} is off by {max(first.after):.3g} of its largest value on "
            f"{len(before)} further probes, {max(first.before):.3g} before"
        )
    if not before or any(series[n].is_better(floors.get(n, 0.0)) for n in names):
        return ""
    return f"no output is better on {len(before)} further probes than chance makes it"


def _of(name: str, errors: Sequence[Errors]) -> tuple[float, ...]:
    """Return an output's error on each probe: infinite where it is not given."""
    return tuple(one.get(name, np.inf) for one in errors)


@dataclass(frozen=True, slots=True)
class _Series:
    """One output's errors, probe by probe."""

    before: tuple[float, ...]
    after: tuple[float, ...]

    def has_grown(self, floor: float) -> bool:
        """Return whether the worst of them is worse than it was."""
        return _is_less(max(self.before), max(self.after), floor)

    def is_better(self, floor: float) -> bool:
        """Return whether they are less by more than chance."""
        both = tuple(zip(self.before, self.after, strict=True))
        fewer = sum(_is_less(left, was, floor) for was, left in both)
        more = sum(_is_less(was, left, floor) for was, left in both)
        ranks = zip(sorted(self.before), sorted(self.after), strict=True)
        half = tuple(ranks)[len(both) // 2 :]
        if not fewer or any(_is_less(was, left, floor) for was, left in half):
            return False
        return not more or _heads(fewer, fewer + more) <= CHANCE


def _is_less(one: float, other: float, floor: float) -> bool:
    return other > WORSE * max(one, floor)


def _heads(count: int, tosses: int) -> float:
    """Return how likely a coin shows as many heads, or more."""
    return sum(comb(tosses, one) for one in range(count, tosses + 1)) / 2.0**tosses
