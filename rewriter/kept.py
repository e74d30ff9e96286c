"""Edits that stay, and what measures a model with some of them in it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from analyzer.core.errors import RepairError
from analyzer.core.types import Edit, Fault, FaultClass, Finding, Fix, Pivot, SetType
from analyzer.matching.ends import input_pairs, target_feeds
from analyzer.runtime.dump import computed
from analyzer.runtime.prefix import safe_prefix
from rewriter.limits import Limits
from rewriter.surgeon import Applied, trace
from rewriter.verify import Judgement, edited_pivot, local_error

ROUNDING = 2.0
"""Noise floors that a mended region may be off by: its operators may round in another order
than the ones the floor was measured on."""

LESS = 0.5
"""Share of a small fault's error that rounding may leave."""

STOPPED = frozenset({FaultClass.RUNTIME, FaultClass.LOAD_FAILURE})
"""Faults of a model that computes nothing behind them: a fix must not bring one."""

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


Chain = tuple[tuple[Kept, ...], ...]
"""What is kept, round by round: each speaks of the model that the rounds before it left."""


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


def end(pivot: Pivot, chain: Chain) -> Pivot:
    """Return a pivot with the kept edits of all rounds.

    Args:
        pivot: What the edits of the first round speak of.
        chain: The edits.

    Raises:
        RepairError: Without others that were dropped, an edit fits no more.
    """
    for kept in chain:
        pivot = edited(pivot, kept)
    return pivot


def through(start: Pivot, chain: Chain) -> Applied:
    """Return a model after several rounds of edits, and where its tensors went.

    Args:
        start: What the edits of the first of these rounds speak of.
        chain: The edits.

    Raises:
        RepairError: Without others that were dropped, an edit fits no more.
    """
    done = Applied(start.model, {}, {})
    for kept in chain:
        edits = [edit for one in kept for edit in one.edits]
        then = trace(done.model, start.folder, edits)
        produced = _followed(done.produced, then.produced)
        done = Applied(then.model, produced, _followed(done.read, then.read))
    return done


def _followed(first: Mapping[str, str], then: Mapping[str, str]) -> dict[str, str]:
    """Return where each name leads when it is looked up twice."""
    return {**then, **{name: then.get(place, place) for name, place in first.items()}}


def bound(fault: Fault) -> float:
    """Return the local error up to which a fault's region is mended.

    Of a fault that itself stands little above its noise floor, it is the floor.
    """
    clearly = max(fault.noise_floor, LESS * fault.local_error)
    return min(ROUNDING * fault.noise_floor, clearly)


@dataclass(frozen=True, slots=True)
class Measured:
    """The error that edits leave in a region, and why, where they cannot be made."""

    error: float
    why: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """A model to edit, and what measures the result.

    Attributes:
        start: The model.
        judge: Measures what no recorded sample can: a model that did not run, an input.
        refusal: Says why the result of some edits must not be written; empty where it may.
        localised: Finds the faults that are left in an edited pivot.
        limits: When to stop.
        round: The pass it belongs to, from 1.
    """

    start: Pivot
    judge: Judgement
    refusal: Callable[[Pivot, Sequence[Edit]], str]
    localised: Callable[[Pivot], Sequence[Finding]]
    limits: Limits = field(default_factory=Limits)
    round: int = 1

    def measured(
        self, kept: Sequence[Kept], edits: Sequence[Edit], fault: Fault
    ) -> Measured:
        """Return the error left in a fault's region; infinite where an edit cannot be."""
        everything = [*(edit for one in kept for edit in one.edits), *edits]
        try:
            applied = _applied(self.start, everything)
        except RepairError as surprise:
            return Measured(np.inf, surprise.problem)
        declares = any(isinstance(one, SetType) for one in everything)
        return Measured(left(self.judge, self.start, applied, fault, declares=declares))


def _applied(start: Pivot, edits: Sequence[Edit]) -> Applied:
    if not edits:
        return Applied(start.model, {}, {})
    return trace(start.model, start.folder, edits)


def left(
    judge: Judgement, start: Pivot, applied: Applied, fault: Fault, *, declares: bool
) -> float:
    """Return the error that is left in a region of an edited model.

    Args:
        judge: Measures the whole model where the region alone says nothing.
        start: What was edited.
        applied: The result.
        fault: The region, by the names of what was edited.
        declares: Whether an edit changes what the model takes or gives.
    """
    inside = local_error(applied, start, fault)
    if inside is not None and not declares:
        return inside
    after = edited_pivot(start, applied)
    whole = judge.error(after)
    stops = np.isinf(whole) and fault.fault_class in STOPPED
    return 0.0 if stops and _passes(judge, after, fault) else whole


def _passes(judge: Judgement, pivot: Pivot, fault: Fault) -> bool:
    """Return whether a target that stops elsewhere gives what it stopped at before."""
    feeds = target_feeds(judge.probes[0], input_pairs(judge.source, pivot), pivot)
    running, stopped = safe_prefix(pivot.model, pivot.folder, feeds)
    results = fault.target.outputs
    return bool(stopped and results) and set(computed(running.graph)).issuperset(results)
