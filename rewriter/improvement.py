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
"""How rarely chance alone may make as many probes better. Where it makes all the difference,
it does so with the worse half better rank by rank, as is asked besides, in 1 of 70 cases
(both counted on 40,000 draws of 59)."""

Errors = Mapping[str, float]
"""Relative errors of one sample by target output; none where the model does not run."""


@dataclass(frozen=True, slots=True, eq=False)
class Improvement:
    """What the target did on many probes before its repair, each judged by itself.

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

        The worst of no output may grow, and one output has to be better than chance makes
        it: on most probes, and in the worse half of its errors, one by one in their order.

        Args:
            mended: The edited target.
        """
        if not self.judges:
            return ""
        after = tuple(errors_of(judge, mended) for judge in self.judges)
        names = dict.fromkeys(name for errors in after for name in errors)
        if not names:
            return "the model does not run on further probes"
        told = (self._worse(name, after) for name in names)
        worse = next(filter(None, told), "")
        if worse or any(self._is_better(name, after) for name in names):
            return worse
        return (
            f"no output is better on {len(self.judges)} further probes than chance makes it"
        )

    def _worse(self, name: str, after: Sequence[Errors]) -> str:
        """Return how the worst of an output has grown; empty where it has not."""
        was, left = max(_of(name, self.before)), max(_of(name, after))
        if left <= WORSE * max(was, self.floors.get(name, 0.0)):
            return ""
        return (
            f"output {name} is off by {left:.3g} of its largest value on "
            f"{len(self.judges)} further probes, {was:.3g} before"
        )

    def _is_better(self, name: str, after: Sequence[Errors]) -> bool:
        """Return whether an output is better by more than chance."""
        was, left = _of(name, self.before), _of(name, after)
        floor = self.floors.get(name, 0.0)
        fewer = sum(a > WORSE * max(b, floor) for a, b in zip(was, left, strict=True))
        more = sum(b > WORSE * max(a, floor) for a, b in zip(was, left, strict=True))
        ranks = zip(sorted(was), sorted(left), strict=True)
        worse_half = list(ranks)[len(was) // 2 :]
        below = all(b <= WORSE * max(a, floor) for a, b in worse_half)
        by_chance = _heads(fewer, fewer + more) > CHANCE
        return below and fewer > 0 and (more == 0 or not by_chance)


def _heads(count: int, tosses: int) -> float:
    """Return how likely a coin shows as many heads, or more."""
    return sum(comb(tosses, one) for one in range(count, tosses + 1)) / 2.0**tosses


def _of(name: str, errors: Sequence[Errors]) -> list[float]:
    """Return an output's error on each probe: infinite where it is not given."""
    return [one.get(name, np.inf) for one in errors]


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


def improvement(case: Case) -> Improvement:
    """Return what a repair of a pair has to be better than, on many probes.

    Args:
        case: The pair.
    """
    known = (*case.seen.probes, *case.unseen.judges[0].probes)
    inputs = input_pairs(case.source, case.target)
    fitted = case.source
    if not case.options.inputs:
        fitted = narrowed(case.source, case.target, inputs)
    drawn = further(fitted, case.options, known, PROBES)
    judges = tuple(one for feeds in drawn for one in _judges(case, feeds))
    before = tuple(errors_of(judge, case.target) for judge in judges)
    return Improvement(judges, before, case.unseen.floors)


def _judges(case: Case, feeds: Feeds) -> tuple[Judgement, ...]:
    """Return what measures a model on one probe; none where the source refuses it."""
    try:
        return (judgement(case.source, (feeds,), case.options),)
    except RunError:
        return ()
