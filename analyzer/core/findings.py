"""A fault, explained: what a report says of it, and what became of its fix."""

from dataclasses import dataclass
from enum import StrEnum

from analyzer.core.edits import Fix
from analyzer.core.faults import Fault, FaultClass, Status, Where


class TryVerdict(StrEnum):
    """What became of a fix that was tried."""

    KEPT = "kept"
    REJECTED = "rejected"
    UNTRIED = "untried"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a fix, or of several together, judged by the error of their region.

    Attributes:
        titles: What was done, in words: one fix, or several at once.
        edits: How many edits were made at once.
        verdict: Whether they stayed.
        reason: Why, in a sentence with this run's numbers.
        error_before: The region's error without them, relative.
        error_after: The region's error with them, relative.
        round: Pass of the repair it was tried in, from 1.
    """

    titles: tuple[str, ...]
    edits: int
    verdict: TryVerdict
    reason: str
    error_before: float
    error_after: float
    round: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened when a finding's fix was tried: local error before and after.

    Attributes:
        verdict: What became of the fix in the end.
        reason: Why, in a sentence.
        error_before: The region's error as it was found, relative.
        error_after: The region's error with what was kept, relative.
        attempts: Every try, in order; empty where nothing was tried.
        ablation: The region's error in the mended model without what was kept for it, and
            with it; None where nothing was kept, or the region cannot tell.
    """

    verdict: TryVerdict
    reason: str
    error_before: float
    error_after: float
    attempts: tuple[Attempt, ...] = ()
    ablation: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """A fault, explained by one rule; `report.json` shows it field by field.

    Attributes:
        id: Stable across runs of the same pair.
        rule: Slug of the rule, or ``unexplained``.
        fault_class: One of the nine.
        status: What it means for the verdict.
        where: Who made it.
        confidence: In [0, 1].
        source_nodes: Guilty nodes of the source's pivot.
        target_nodes: Guilty nodes of the target's pivot.
        source_tensors: Outputs of the source nodes, at most four.
        target_tensors: Outputs of the guilty nodes, at most four, most guilty first; or the
            edge where an operator is missing.
        native_source: The user's layer in the source, if known.
        native_target: The user's layer in the target, if known.
        location: File and line of the source's layer, if recorded.
        local_error: See `Fault`.
        noise_floor: See `Fault`.
        output_error: See `Fault`.
        affected: Samples on which it shows.
        samples: Samples it was looked for on.
        message: What is wrong, in a sentence with this run's names and numbers.
        fix: The most trusted cure, or None.
        alternatives: Other cures, in the order they should be tried.
        outcome: What became of the fix; None after `diff`.
        fault: The evidence behind it.
    """

    id: str
    rule: str
    fault_class: FaultClass
    status: Status
    where: Where
    confidence: float
    source_nodes: tuple[str, ...]
    target_nodes: tuple[str, ...]
    source_tensors: tuple[str, ...]
    target_tensors: tuple[str, ...]
    native_source: str | None
    native_target: str | None
    location: str | None
    local_error: float
    noise_floor: float
    output_error: float
    affected: int
    samples: int
    message: str
    fix: Fix | None
    alternatives: tuple[Fix, ...]
    outcome: Outcome | None
    fault: Fault
