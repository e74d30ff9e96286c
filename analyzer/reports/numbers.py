"""Numbers as people read them."""

import math


def short(value: float) -> str:
    """Return a number in three significant digits, a non-finite one in words."""
    if math.isnan(value):
        return "not a number"
    if math.isinf(value):
        return "infinite"
    return f"{value:.3g}"


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
    return f"{short(error)}, x {error / floor:,.0f} over the floor"


def times_floor(error: float, floor: float) -> str:
    """Return how many times an error is over its noise floor, where that is a number.

    Args:
        error: Relative deviation.
        floor: The deviation that rounding alone can make, same unit.
    """
    if not math.isfinite(error) or floor <= 0:
        return "-"
    return f"{error / floor:,.0f}" if error >= floor else "below"


def share(value: float) -> str:
    """Return a share as a percentage with at most one decimal."""
    return f"{100 * value:.1f}".removesuffix(".0") + " %"


def counted(count: int, noun: str) -> str:
    """Return a count with its noun, in the plural where it is not one."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
