"""Arrays moved by one rounding error, of their own dtype or of an integer grid."""

import numpy as np

from analyzer.core.fills import fills
from analyzer.core.parts import all_parts
from analyzer.core.types import Array

FLOATS = frozenset({np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.float64)})
"""Element types that round and that NumPy and the runtime share."""

ONE_EXPONENT = 1.0
"""Rounding error from which a number is no logit: it would multiply a share by e."""

PERIOD = 65521
"""Length of the random signs, repeated along a tensor: a prime, so that no axis falls in
step with it."""


def gridded(array: Array, levels: int, rng: np.random.Generator) -> Array:
    """Return an array moved as rounding it to an integer grid over its own range would.

    Args:
        array: Array of any shape and dtype; only float16, float32 and float64 move.
        levels: Steps of the grid over the range, zero included.
        rng: Draws the errors, uniform within half a step.
    """
    if array.dtype not in FLOATS or not array.size:
        return array
    low, high = min(float(array.min()), 0.0), max(float(array.max()), 0.0)
    errors = rng.uniform(-0.5, 0.5, min(array.size, PERIOD)) * (high - low) / levels
    moved = array.ravel() + np.resize(errors.astype(array.dtype), array.size)
    return moved.reshape(array.shape)


def perturbed(
    array: Array, unit: float | None, rng: np.random.Generator, *, counts: bool = False
) -> Array:
    """Return an array whose floats are each moved by one rounding error, up or down.

    Args:
        array: Array of any shape and dtype; only float16, float32 and float64 move, of
            the wider two none that holds whole numbers alone: they were counted, compared
            or cast, not rounded, and what decides by them decides alike on both sides.
            Whole numbers of float16 may well be rounded. Zeros and ones alone are a mask,
            which nothing rounds.
        unit: Relative size of the step; None: the machine epsilon of the dtype.
        rng: Draws the signs.
        counts: Whether whole numbers move as well, since nothing decides by them.

    Returns:
        An array of the same shape and dtype.
    """
    if array.dtype not in FLOATS:
        return array
    exact = unit is None and not counts and array.dtype != np.float16
    if (exact and is_whole(array)) or _is_flags(array):
        return array
    step = float(np.finfo(array.dtype).eps) if unit is None else unit
    signs = rng.integers(0, 2, min(array.size, PERIOD), dtype=np.int8) * 2 - 1
    factors = (1.0 + step * signs).astype(array.dtype)
    values, moved = array.ravel(), np.empty(array.size, array.dtype)
    whole = array.size // PERIOD * PERIOD
    rest = factors[: array.size - whole]
    with np.errstate(invalid="ignore", over="ignore"):  # weights may hold NaN or infinity
        blocks = moved[:whole].reshape(-1, PERIOD)
        np.multiply(values[:whole].reshape(-1, PERIOD), factors if whole else 1, out=blocks)
        np.multiply(values[whole:], rest, out=moved[whole:])
    _leave_fills(values, moved, step)
    if array.dtype == np.float16:
        _leave_subnormals(values, moved, factors)
    return moved.reshape(array.shape)


def _leave_fills(values: Array, moved: Array, step: float) -> None:
    """Leave, in our own copy, the numbers that masked places hold, as -1e9 for attention.

    They stand there exactly. Their own rounding error is as large as everything beside
    them, and would move an exponent by one: a Softmax over masked places alone would seem
    to compute nothing but noise.
    """
    places = fills(np.nan_to_num(values, posinf=0.0, neginf=0.0))
    if places is None:
        return
    others = np.abs(values[~places & np.isfinite(values)]).max(initial=0.0)
    swallow = places & (step * np.abs(values) >= max(others, ONE_EXPONENT))
    moved[swallow] = values[swallow]


def _is_flags(array: Array) -> bool:
    """Return whether an array is a mask; ones alone in float16 may be rounded ones."""
    if array.dtype == np.float16 and array.all():
        return False
    return all_parts(lambda part: bool(np.all((part == 0) | (part == 1))), array)


def is_whole(array: Array) -> bool:
    """Return whether a float array holds whole numbers alone, each held exactly.

    Args:
        array: Array of any shape, of float32 or float64.
    """
    largest = 2.0 / float(np.finfo(array.dtype).eps)

    def counts(part: Array) -> bool:
        return bool(np.all((part == np.rint(part)) & (np.abs(part) < largest)))

    return all_parts(counts, array)


def _leave_subnormals(values: Array, moved: Array, factors: Array) -> None:
    """Move, in our own copy, the values too small for a relative step by one spacing."""
    stuck = np.flatnonzero((moved == values) & (values != 0))
    up = np.resize(factors, values.size)[stuck] > 1
    moved[stuck] = np.nextafter(
        values[stuck], np.where(up, np.float16(np.inf), np.float16(-np.inf))
    )
