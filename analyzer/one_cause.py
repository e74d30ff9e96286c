"""Regions that are wrong for one reason: they are one fault, and are mended together."""

from collections.abc import Callable, Sequence

from analyzer.core.places import exchanged
from analyzer.core.types import Difference, Fault
from analyzer.judge import Judged

Part = tuple[Judged, ...]
"""Tensors that deviate together."""

_Group = tuple[Part, list[Fault]]
"""Tensors, and what is wrong with them."""


def one_cause(parts: Sequence[Part], faults: Sequence[Fault]) -> list[Part]:
    """Return the deviating tensors, those together that are wrong for one reason.

    Args:
        parts: The tensors of each fault.
        faults: What is wrong there.

    Returns:
        The same tensors, in fewer parts where faults miss the same node of the source or
        have exchanged their weights.
    """
    each = [(part, [fault]) for part, fault in zip(parts, faults, strict=True)]
    merged = _merged(each, _fork)
    return [part for part, _ in _merged(merged, _exchange)]


def _merged(known: Sequence[_Group], alike: Callable[[Fault, Fault], bool]) -> list[_Group]:
    """Return parts with their faults, those together that are alike."""
    merged: list[_Group] = []
    for part, faults in known:
        same = [
            one
            for one in merged
            if any(alike(ours, theirs) for ours in one[1] for theirs in faults)
        ]
        rest = [one for one in merged if one not in same]
        tensors = (*part, *(name for one in same for name in one[0]))
        every = [*faults, *(fault for one in same for fault in one[1])]
        merged = [*rest, (tensors, every)]
    return merged


def _fork(one: Fault, other: Fault) -> bool:
    """Return whether two faults miss the same node of the source, which forks behind it."""
    lost = {id(node) for node in one.unpaired_source}
    return any(id(node) in lost for node in other.unpaired_source)


def _exchange(one: Fault, other: Fault) -> bool:
    """Return whether each of two faults has the weight of the other."""
    ours, theirs = _misplaced(one), _misplaced(other)
    return any(
        exchanged(left, right) for left in ours for right in theirs if left is not right
    )


def _misplaced(fault: Fault) -> list[Difference]:
    return [one for one in fault.differences if one.home and fault.is_cured_by(one)]
