"""What a fault proves: differences that cure it, and values that fit a hypothesis."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np

from analyzer.core.types import Array, Aspect, Difference, Fault, Sample, Status

UNTESTED = frozenset({Status.LATENT, Status.HARMLESS})
"""What no probe could excite has no cause test to pass."""

SIMPLEST_FIRST = (
    Aspect.GRID,
    Aspect.ATTRIBUTE,
    Aspect.DTYPE,
    Aspect.SHAPE,
    Aspect.CONNECTION,
    Aspect.WEIGHT,
    Aspect.OPERATOR,
)
"""Of two differences that each cure a region alone, the one that changes fewer numbers."""


Hypothesis = Callable[[Array, Sample], Array | None]
"""Takes what the target gave and its sample, gives what would be right."""


def is_cure(difference: Difference, fault: Fault) -> bool:
    """Return whether undoing this difference leaves no more than rounding.

    Args:
        difference: One of the fault's.
        fault: The fault; its noise floor already has the margin of its measurement.
    """
    if fault.status in UNTESTED:
        return True
    return fault.is_cured_by(difference)


def blamed(fault: Fault) -> tuple[Difference, ...]:
    """Return the differences that cure the fault, the simplest change first."""
    cures = [difference for difference in fault.differences if is_cure(difference, fault)]
    return tuple(sorted(cures, key=_rank))


def _rank(difference: Difference) -> tuple[int, int]:
    return SIMPLEST_FIRST.index(difference.aspect), int(
        np.size(np.asarray(_plain(difference)))
    )


def _plain(difference: Difference) -> object:
    return difference.target if isinstance(difference.target, np.ndarray) else 0


def facets(fault: Fault) -> tuple[Fault, ...]:
    """Return the fault once for each node whose differences cure it only with others' help.

    Args:
        fault: A fault, some of whose differences may be marked as joint.

    Returns:
        The fault itself where one cause explains it; else one per guilty node, which sees
        that node's differences alone.
    """
    joint = [d for d in fault.differences if d.jointly and d.target_node is not None]
    names = dict.fromkeys(d.target_node.name for d in joint if d.target_node is not None)
    if len(names) < 2:  # noqa: PLR2004 - one node alone is the whole cause
        return (fault,)
    return tuple(
        replace(fault, differences=tuple(d for d in joint if _of(d) == name))
        for name in names
    )


def _of(difference: Difference) -> str:
    return difference.target_node.name if difference.target_node is not None else ""


def results(fault: Fault) -> Iterator[tuple[str, Array, Array]]:
    """Yield each recorded result: target tensor, what came out, what should have.

    Args:
        fault: The fault.

    Yields:
        Arrays in the target's layout, one pair per sample and result.
    """
    for sample in fault.recorded:
        for name, expected in sample.expected.items():
            if name in sample.observed:
                yield name, sample.observed[name], expected


POSSIBLE = 3.0
"""Limits by which numbers may be apart that a factor or an offset explains: the limit on
either side, and what rounding adds."""


def relation(fault: Fault) -> str:
    """Return in words how what comes out of a region relates to what should.

    Args:
        fault: The fault.

    Returns:
        Empty where nothing was recorded.
    """
    both = [(found, right) for _, found, right in results(fault)]
    if not both or any(
        one.shape != other.shape or {one.dtype.kind, other.dtype.kind} - {*"fiu"}
        for one, other in both
    ):
        return ""
    found, right = (
        np.concatenate([np.asarray(one[side], np.float64).ravel() for one in both])
        for side in (0, 1)
    )
    limit = fault.noise_floor * float(np.max(np.abs(right), initial=0.0))
    with np.errstate(all="ignore"):
        tests = _relations(found, right, limit)
        told = (words for gaps, words in tests if gaps.size and np.max(gaps) <= limit)
        plain = f"it deviates by {fault.local_error:.3g} of its largest value"
        return next(told, plain if np.isfinite(fault.local_error) else "")


def _relations(found: Array, right: Array, limit: float) -> Iterator[tuple[Array, str]]:
    """Yield how far results are from each relation, one that cannot hold left out.

    A factor that holds within the limit is, at the largest number, close to the quotient
    there; an offset that does leaves differences no further apart than twice the limit.
    """
    yield np.abs(found + right), "it comes out negated"
    yield np.abs(found * right - 1), "it comes out as one over what it should be"
    if not right.size:
        return
    largest = np.argmax(np.abs(right))
    quotient = found[largest] / right[largest]
    if not np.max(np.abs(found - quotient * right)) > POSSIBLE * limit:
        times = np.median(found / right)
        gaps = np.abs(found - times * right)
        yield gaps, f"it comes out {times:.4g} times what it should be"
    apart = found - right
    if not np.ptp(apart) > POSSIBLE * limit:
        off = np.median(apart)
        yield np.abs(apart - off), f"it comes out {off:.4g} off throughout"


def fits(fault: Fault, hypothesis: Hypothesis, name: str) -> bool:
    """Return whether a hypothesis turns every recorded wrong result into the right one.

    Args:
        fault: The fault.
        hypothesis: What would mend the result.
        name: The target tensor it is about.

    Returns:
        Whether each sample fits to within the fault's noise floor, and some sample was
        wrong.
    """
    seen = [s for s in fault.recorded if name in s.observed and name in s.expected]
    floor = fault.noise_floor
    return (
        bool(seen)
        and all(
            deviation(hypothesis(one.observed[name], one), one.expected[name]) <= floor
            for one in seen
        )
        and any(deviation(one.observed[name], one.expected[name]) > floor for one in seen)
    )


def deviation(observed: Array | None, expected: Array) -> float:
    """Return the largest absolute deviation over the largest expected magnitude.

    Args:
        observed: Any array, or None.
        expected: What it should be.

    Returns:
        A relative error; infinite where shapes or non-finite values differ.
    """
    if (
        observed is None
        or observed.shape != expected.shape
        or expected.dtype.kind not in "fiub"
    ):
        return float("inf")
    one, other = (np.asarray(a, dtype=np.float64) for a in (observed, expected))
    if not np.array_equal(np.isfinite(one), np.isfinite(other)):
        return float("inf")
    held = np.isfinite(other)
    scale = float(np.max(np.abs(other), initial=0.0, where=held)) or 1.0
    return float(np.max(np.abs(one - other), initial=0.0, where=held)) / scale


def first(
    differences: Iterable[Difference], wanted: Callable[[Difference], bool]
) -> Difference | None:
    """Return the first difference of a kind."""
    return next((difference for difference in differences if wanted(difference)), None)
