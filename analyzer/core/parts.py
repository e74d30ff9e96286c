"""Arrays looked at part by part, so that what is made of them is never as large as they."""

from collections.abc import Callable, Iterator
from math import prod

import numpy as np

from analyzer.core.models import Array

AT_ONCE = 1 << 18
"""Elements that are looked at together: 2 MiB as float64, which stay in a core's cache."""


def parts(*arrays: Array) -> Iterator[tuple[Array, ...]]:
    """Yield arrays of one shape in like parts, of `AT_ONCE` elements where they allow it.

    Args:
        arrays: Arrays of one shape, of any dtypes.

    Yields:
        One view of each. Where all lie in C order the parts are flat; else they are slabs.
    """
    if all(array.flags.c_contiguous for array in arrays):
        yield from slabs(*(array.reshape(-1) for array in arrays))
    else:
        yield from slabs(*arrays)


def slabs(*arrays: Array) -> Iterator[tuple[Array, ...]]:
    """Yield arrays of one shape in like parts along their first axis; a scalar is one part.

    Args:
        arrays: Arrays of one shape, of any dtypes.

    Yields:
        One view of each, whose other axes are whole; nothing of empty arrays.
    """
    shape = arrays[0].shape
    if not shape:
        yield arrays
        return
    step = max(1, AT_ONCE // max(1, prod(shape[1:])))
    for start in range(0, shape[0] if prod(shape) else 0, step):
        yield tuple(array[start : start + step] for array in arrays)


def all_parts(test: Callable[..., object], *arrays: Array) -> bool:
    """Return whether a test holds of every part; the first that fails ends it.

    Args:
        test: Takes like parts of the arrays.
        arrays: Arrays of one shape, of any dtypes.
    """
    return all(bool(test(*part)) for part in parts(*arrays))


def equal(one: Array, other: Array) -> bool:
    """Return whether two arrays are equal in shape and every element; NaN is not.

    Args:
        one: Array of any shape and dtype.
        other: Likewise.
    """
    return one.shape == other.shape and all_parts(np.array_equal, one, other)


def magnitude(array: Array, *, finite: bool = False) -> float:
    """Return the largest magnitude of any element, 0 for none.

    Args:
        array: Array of real numbers, of any shape.
        finite: Whether infinities and NaN are passed over; else they are the answer.
    """
    return float(np.max([0.0, *(_largest(part, finite) for (part,) in parts(array))]))


def _largest(part: Array, finite: bool) -> float:  # noqa: FBT001 - see `magnitude`
    if part.dtype.kind == "f":
        top = max(float(part.max()), -float(part.min()))  # two looks, and no copy
        if np.isfinite(top):
            return top
    wide = np.abs(part.astype(np.float64))
    return float(np.max(wide, initial=0.0, where=np.isfinite(wide) if finite else True))


def takes_more_values(array: Array, most: int) -> bool:
    """Return whether an array holds more than so many different values.

    Args:
        array: Array of any shape and a dtype that sorts.
        most: The number of values it may hold.
    """
    known = np.empty(0, array.dtype)
    for (part,) in parts(array):
        known = np.union1d(known, part)
        if known.size > most:
            return True
    return False
