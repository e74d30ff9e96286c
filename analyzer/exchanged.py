"""Outputs that hold another output's values: exchanged, or one of them given twice.

Each of them is right, and stands in the wrong place. Compared place by place, every part of
the model that gives one would look wrong.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analyzer.core.report import InputPair
from analyzer.core.types import Fault, FaultClass, Feeds, Pivot, Region, TensorPair
from analyzer.matching.ends import output_names
from analyzer.matching.tensors import carried_or_none
from analyzer.outputs import NativeRuns, output_layouts
from analyzer.outside import bare_fault
from analyzer.runtime.metrics import relative_error
from analyzer.view import View

HELD = 1e-3
"""Relative error up to which an output holds another's values: what rounding piles up in
deep networks; two outputs of one model lie a thousand times further apart."""

Names = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Exchanged:
    """Target outputs that hold the values of another source output than their own.

    Attributes:
        stated: The outputs that should belong together, source first.
        held: Source output whose values each misplaced target output holds.
        error: Largest relative error that it makes.
        samples: Number of samples it was seen on.
    """

    stated: Names
    held: Mapping[str, str]
    error: float
    samples: int

    @property
    def own(self) -> dict[str, str]:
        """The source output that each misplaced target output should hold."""
        return {right: left for left, right in self.stated if right in self.held}

    @property
    def is_whole(self) -> bool:
        """Whether the misplaced outputs only changed places: none is lost."""
        return sorted(self.held.values()) == sorted(self.own.values())

    @property
    def pairs(self) -> Names:
        """The outputs that hold the same values, source first."""
        return tuple((self.held.get(right, left), right) for left, right in self.stated)


def exchanged(
    source: Pivot, target: Pivot, runs: NativeRuns, inputs: Sequence[InputPair]
) -> Exchanged | None:
    """Return the outputs that hold another output's values, None where none does.

    Args:
        source: The source.
        target: The target.
        runs: What both gave.
        inputs: Which target input takes which source input.
    """
    stated = output_names(source, target)
    if not runs.target or len(stated) < 2:  # noqa: PLR2004 - one has nothing to change with
        return None

    def error(one: str, other: str) -> float:
        return _error(one, other, runs, inputs)

    wrong = {right: gap for left, right in stated if (gap := error(left, right)) > HELD}
    lefts = [left for left, _ in stated]
    near = {t: [left for left in lefts if error(left, t) <= HELD] for t in wrong}
    held = {right: found[0] for right, found in near.items() if len(found) == 1}
    if not held:
        return None
    worst = max(wrong[right] for right in held)
    return Exchanged(stated, held, worst, len(runs.target))


def _error(left: str, right: str, runs: NativeRuns, inputs: Sequence[InputPair]) -> float:
    """Return the largest relative error of one output taken for another."""
    first = output_layouts(((left, right),), runs.source[0], runs.target[0], inputs)
    if (left, right) not in first or not _is_comparable(runs.source[0], left):
        return float("inf")
    both = (
        (carried_or_none(ours[left], first[left, right]), theirs[right])
        for ours, theirs in zip(runs.source, runs.target, strict=False)
    )
    return max(
        np.inf if one is None or one.shape != other.shape else relative_error(other, one)
        for one, other in both
    )


def _is_comparable(outputs: Feeds, name: str) -> bool:
    return outputs[name].dtype.kind in "fiub"


def exchange_fault(found: Exchanged, target: View) -> Fault:
    """Return the fault of outputs that changed places, which no region shows.

    Args:
        found: See `exchanged`.
        target: The target's macro graph.
    """
    names = tuple(found.held)
    nodes = {
        id(node): node for name in names if (node := target.giver.get(name)) is not None
    }
    fault = bare_fault(
        FaultClass.COMPUTATIONAL_GRAPH,
        "",
        guilty=names,
        error=found.error,
        samples=found.samples,
    )
    own = found.own
    return replace(
        fault,
        source=Region((), (), tuple(own[name] for name in names)),
        target=Region(tuple(nodes.values()), (), names),
        results=tuple(TensorPair(left, right) for right, left in found.held.items()),
    )


def repeated(fault: Fault, found: Exchanged) -> Fault:
    """Return a fault with the word that its result is another output's, given again.

    Args:
        fault: A fault of any region.
        found: See `exchanged`.
    """
    given = {left: right for left, right in found.pairs if right not in found.held}
    told = [
        f"{name} holds the source's {found.held[name]}, which {given[found.held[name]]} "
        f"gives already, where the source gives {found.own[name]}"
        for name in fault.target.outputs
        if name in found.held and found.held[name] in given
    ]
    return replace(fault, problem="; ".join(told)) if told else fault
