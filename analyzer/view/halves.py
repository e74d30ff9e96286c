"""Which constants were rounded to half precision, and handed on as float32."""

from collections.abc import Iterable

import numpy as np

from analyzer.core.parts import all_parts, takes_more_values
from analyzer.core.types import Array, Node

MANY = 64
"""Numbers in a weight from which all of them being a float16 is no accident: one in 8,192
float32 is."""

FEW = 3
"""Different numbers in a smaller weight from which it is none either, those not counted
that somebody may have chosen: one in five hundred billion."""

CHOSEN_BITS = 6
"""Bits of the mantissa that a chosen number takes at most; a float16 has eleven."""


def are_mostly_half(nodes: Iterable[Node]) -> bool:
    """Return whether most weights of a model were rounded to half precision.

    Then its numbers were, too, of which one alone would prove nothing.

    Args:
        nodes: The model's nodes.
    """
    read = {id(value): value for node in nodes for value in node.constants.values()}
    floats = (value for value in read.values() if value.dtype == np.float32)
    found = [is_half(value) for value in floats if _is_weight(value)]
    return sum(found) * 2 > len(found)


def is_half(value: Array, few: int = FEW) -> bool:
    """Return whether the numbers of a float32 constant were float16 before.

    Args:
        value: Array of any shape and dtype.
        few: How many different numbers a small array must hold, those not counted that
            somebody may have chosen.
    """
    if value.dtype != np.float32 or not all_parts(_survives_half, value):
        return False
    if value.size >= MANY:
        return takes_more_values(value, MANY // 2 - 1)
    return _holds(value, few)


def _is_fine(value: Array) -> Array:
    """Return which numbers take more bits than one that was chosen, as 0.5 or 6, takes."""
    mantissa = np.frexp(value)[0] * (1 << CHOSEN_BITS)
    return np.asarray(np.isfinite(mantissa) & (mantissa != np.round(mantissa)))


def _survives_half(part: Array) -> bool:
    with np.errstate(over="ignore"):
        return np.array_equal(part, part.astype(np.float16).astype(np.float32))


def _is_weight(value: Array) -> bool:
    """Return whether an array holds enough numbers for `is_half` to tell."""
    if value.size >= MANY:
        return takes_more_values(value, MANY // 2 - 1)
    return _holds(value, FEW)


def _holds(value: Array, few: int) -> bool:
    return len(np.unique(value[_is_fine(value)])) >= few
