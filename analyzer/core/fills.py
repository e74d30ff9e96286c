"""The numbers that a mask writes among others, as -1e9 before an attention's Softmax."""

import numpy as np

from analyzer.core.types import Array

MASKING = 1e3
"""Magnitude from which a number may be a mask's: scores and activations are smaller, and
masks write ten thousand or the largest number there is."""

GAP = 7
"""Powers of two that lie empty between the largest other number and the smallest fill:
numbers that are computed alike thin out, they leave no factor of 128 out."""

MOST_FILLS = 8
"""Different fills, to `FILL_BITS`, in one tensor: of several masks, and their sums."""

FILL_BITS = 64
"""Steps of a power of two to which fills are told apart: a score that was added to -1e4
does not make it another one."""


FEWEST = 2
"""Times that a fill stands in a tensor: a mask covers places, a single number is one."""


def fills(array: Array) -> Array | None:
    """Return where an array holds fills: huge, few different ones, far from all others.

    Args:
        array: Finite floats of any shape.

    Returns:
        Booleans of the same shape; None where there are no fills, or nothing else.
    """
    if array.dtype.kind != "f" or array.size <= FEWEST:
        return None
    wide = array if array.dtype != np.float16 else array.astype(np.float32)
    mantissa, exponent = np.frexp(wide)
    exponent = np.maximum(exponent, 0)  # zero is no farther from a fill than one is
    held = np.flatnonzero(np.bincount(exponent.ravel()))
    far = np.flatnonzero((np.diff(held) > GAP) & (held[1:] > np.log2(MASKING)))
    if not far.size:
        return None
    places = exponent >= held[far[0] + 1]
    steps = exponent[places] * FILL_BITS + np.rint(np.abs(mantissa[places]) * FILL_BITS)
    different = np.unique(steps).size
    covers = steps.size >= FEWEST * different
    return places if covers and different <= MOST_FILLS else None
