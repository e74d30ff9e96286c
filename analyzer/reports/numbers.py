"""Numbers as people read them."""

import math


def short(value: float) -> str:
    """Return a number in three significant digits, a non-finite one in words."""
    if math.isnan(value):
        return "not a number"
    if math.isinf(value):
        return "infinite"
    return f"{value:.3g}"


MOST_TIMES = 1e8
"""Times from which only the power of ten is worth reading."""


def _times(count: float) -> str:
    return f"{count:,.0f}" if count < MOST_TIMES else f"{count:.2g}"


def over_floor(error: float, floor: float) -> str:
    """Return an error against its noise floor: how many times over it, or that it is below.

    Args:
        error: Relative deviation.
        floor: The deviation that rounding alone can make, same unit.
    """
    if not math.isfinite(error) or floor <= 0:
        return short(error)
    if error <= floor:
        return f"{short(error)}, below the floor of {short(floor)}"
    return f"{short(error)}, x {_times(error / floor)} over the floor"


def times_floor(error: float, floor: float) -> str:
    """Return how many times an error is over its noise floor, where that is a number.

    Args:
        error: Relative deviation.
        floor: The deviation that rounding alone can make, same unit.
    """
    if not math.isfinite(error) or floor <= 0:
        return "-"
    return _times(error / floor) if error >= floor else "below"


def share(value: float) -> str:
    """Return a share as a percentage with at most one decimal."""
    return f"{100 * value:.1f}".removesuffix(".0") + " %"


def counted(count: int, noun: str) -> str:
    """Return a count with its noun, in the plural where it is not one."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
