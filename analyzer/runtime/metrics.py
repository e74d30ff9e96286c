"""How far two arrays are apart, in the measures the reports use."""

from collections.abc import Sequence

import numpy as np

from analyzer.core.fills import MASKING, fills
from analyzer.core.types import Array

FAST_DTYPES = frozenset({np.dtype(np.float32), np.dtype(np.float64)})
"""Floats wide enough to subtract in their own precision; float16 overflows at 65504."""

CLASS_AXIS_MIN = 2
"""Fewest entries of an axis for its arg-max to be a label."""


def relative_error(observed: Array, expected: Array) -> float:
    """Return the largest deviation over the largest expected magnitude.

    Args:
        observed: Array of any shape and dtype.
        expected: Array it should equal, of the same shape; the dtype may differ.

    Returns:
        ``max|o - e| / max|e|`` over the finite values; ``max|o|`` where `expected` is zero
        everywhere; infinite where the shapes, the places of NaN and infinity, or any
        strings differ. What a mask writes, as -1e9, is no scale for what it leaves: a fill
        counts against itself.
    """
    deviation, scale = deviation_and_scale(observed, expected)
    if deviation == 0.0 or scale == 0.0:
        return deviation
    if scale < MASKING or not np.isfinite(deviation):
        return deviation / scale
    return float(_deviations(observed, expected, scale).max(initial=0.0))


def _deviations(observed: Array, expected: Array, scale: float) -> Array:
    """Return each finite value's deviation: a fill's against itself, in its own scale."""
    finite = np.isfinite(expected)
    want = expected[finite]
    with np.errstate(over="ignore"):
        gap = np.abs(observed[finite].astype(np.float64) - want)
    places = fills(want)
    if places is None:
        return gap / scale
    rest = _scale(want[~places]) or 1.0
    return gap / np.where(places, np.abs(want.astype(np.float64)), rest)


def spared_error(observed: Array, expected: Array, share: float) -> float:
    """Return the relative error of all values but a share of them, the worst ones.

    Args:
        observed: Array of any shape and dtype.
        expected: Array it should equal, of the same shape; the dtype may differ.
        share: Share of the values that are not counted, in [0, 1).

    Returns:
        As `relative_error`, which it is for a share below one value and for what is not
        finite.
    """
    whole = relative_error(observed, expected)
    left_out = int(share * observed.size)
    if not left_out or not np.isfinite(whole) or observed.dtype.kind not in "fiu":
        return whole
    scale = _scale(expected)
    if not scale:
        return whole
    gap = _deviations(observed, expected, scale)
    last = gap.size - left_out - 1
    return float(np.partition(gap, last)[last]) if last >= 0 else whole


def max_abs_error(observed: Array, expected: Array) -> float:
    """Return the largest absolute deviation, in the arrays' own unit.

    Args:
        observed: Array of any shape and dtype.
        expected: Array it should equal, of the same shape; the dtype may differ.

    Returns:
        Zero or more; infinite under the conditions of `relative_error`.
    """
    return deviation_and_scale(observed, expected)[0]


def deviation_and_scale(observed: Array, expected: Array) -> tuple[float, float]:
    """Return the largest absolute deviation and the largest expected magnitude.

    Args:
        observed: Array of any shape and dtype.
        expected: Array it should equal, of the same shape; the dtype may differ.

    Returns:
        Both in float64; the deviation is infinite under the conditions of `relative_error`.
    """
    if observed.shape != expected.shape:
        return np.inf, _scale(expected)
    if _is_text(observed) or _is_text(expected):
        return _object_deviation(observed, expected), 0.0
    if not observed.size:
        return 0.0, 0.0
    if observed.dtype == expected.dtype and observed.dtype in FAST_DTYPES:
        deviation, scale = _extremes(observed, expected)
        if np.isfinite(deviation) and np.isfinite(scale):
            return deviation, scale
    return _careful(observed, expected)


def _extremes(observed: Array, expected: Array) -> tuple[float, float]:
    """Return `deviation_and_scale` by one subtraction; not finite where it cannot tell."""
    with np.errstate(invalid="ignore", over="ignore"):
        gap = np.subtract(observed, expected)
    deviation = max(float(gap.max()), -float(gap.min()))
    return deviation, max(float(expected.max()), -float(expected.min()))


def _careful(observed: Array, expected: Array) -> tuple[float, float]:
    """Return `deviation_and_scale` in float64, the places of NaN and infinity compared."""
    if observed.dtype.kind in "iub" and np.array_equal(observed, expected):
        return 0.0, _scale(expected)
    is_complex = "c" in (observed.dtype.kind, expected.dtype.kind)
    wide = np.complex128 if is_complex else np.float64
    got, want = observed.astype(wide), expected.astype(wide)
    finite = np.isfinite(want)
    if not np.array_equal(finite, np.isfinite(got)):
        return np.inf, _scale(expected)
    if not np.array_equal(got[~finite], want[~finite], equal_nan=True):
        return np.inf, _scale(expected)
    with np.errstate(over="ignore"):
        gap = np.abs(got[finite] - want[finite])
    return float(gap.max(initial=0.0)), float(np.abs(want[finite]).max(initial=0.0))


def _scale(array: Array) -> float:
    """Return the largest finite magnitude of an array; zero where it holds no number."""
    if _is_text(array) or not array.size:
        return 0.0
    magnitude = np.abs(array.astype(np.float64 if array.dtype.kind != "c" else array.dtype))
    return float(magnitude.max(initial=0.0, where=np.isfinite(magnitude)))


def _is_text(array: Array) -> bool:
    """Return whether an array holds strings, or the arrays of an ONNX sequence."""
    return array.dtype.kind in "OUS"


def _object_deviation(observed: Array, expected: Array) -> float:
    """Return a sequence's largest `relative_error`; zero or infinite for strings."""
    rows = zip(observed.ravel(), expected.ravel(), strict=True)
    return max((_item_deviation(got, want) for got, want in rows), default=0.0)


def _item_deviation(got: object, want: object) -> float:
    """Return how far one string, or one array of a sequence, is from another."""
    if isinstance(got, np.ndarray) and isinstance(want, np.ndarray):
        return relative_error(got, want)
    if isinstance(got, np.ndarray) or isinstance(want, np.ndarray):
        return np.inf
    return 0.0 if got == want else np.inf


def label_disagreement(outputs: Sequence[tuple[Array, Array]]) -> float | None:
    """Return the share of rows whose arg-max differs.

    Args:
        outputs: Pairs of float arrays ``(rows, classes)`` or ``(classes,)``, one per
            sample, source first, both in one layout.

    Returns:
        A share in [0, 1]; None where the arrays are not scores over classes.
    """
    if not outputs or not all(_is_scores(first, second) for first, second in outputs):
        return None
    unequal = np.concatenate(
        [
            np.atleast_1d(first.argmax(axis=-1) != second.argmax(axis=-1))
            for first, second in outputs
        ]
    )
    return float(unequal.mean()) if unequal.size else None


def _is_scores(first: Array, second: Array) -> bool:
    """Return whether two arrays look like scores over the same classes."""
    return (
        first.shape == second.shape
        and first.dtype.kind == "f"
        and second.dtype.kind == "f"
        and first.ndim in {1, 2}
        and first.shape[-1] >= CLASS_AXIS_MIN
    )
