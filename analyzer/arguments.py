"""Words of the command line as values: tolerances, intervals, shapes, counts."""

import math
from argparse import ArgumentTypeError

from analyzer.core.options import EVERY_OUTPUT

UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
"""Letters behind a number of bytes."""


def count(word: str) -> int:
    """Return a whole number above zero.

    Args:
        word: As the user typed it.

    Raises:
        ArgumentTypeError: It is none.
    """
    number = seed(word)
    if number == 0:
        raise ArgumentTypeError(f"{word} is not a whole number above 0")
    return number


def seconds(word: str) -> float:
    """Return a time in seconds.

    Args:
        word: A number above zero, as the user typed it.

    Raises:
        ArgumentTypeError: It is none.
    """
    number = _number(word)
    if not 0 < number < math.inf:
        raise ArgumentTypeError(f"{word} is no number of seconds above 0, as in 90")
    return number


def size(word: str) -> int:
    """Return a number of bytes.

    Args:
        word: A whole number, with K, M or G for powers of 1024.

    Raises:
        ArgumentTypeError: It is none.
    """
    unit = UNITS.get(word[-1:].upper(), 1)
    number = word[:-1] if unit > 1 else word
    if not _is_whole(number) or int(number) == 0:
        raise ArgumentTypeError(f"{word} is no size above 0, as in 500M or 2G")
    return int(number) * unit


def seed(word: str) -> int:
    """Return a whole number from zero on.

    Args:
        word: As the user typed it.

    Raises:
        ArgumentTypeError: It is none.
    """
    if not _is_whole(word):
        raise ArgumentTypeError(f"{word} is not a whole number from 0 on")
    return int(word)


def tolerance(word: str) -> tuple[str, float]:
    """Return the output that a tolerance is for, `EVERY_OUTPUT` for all, and its value.

    Args:
        word: ``VALUE`` or ``TENSOR:VALUE``; the tensor's name may hold colons.

    Raises:
        ArgumentTypeError: The value is no number from zero on.
    """
    tensor, _, value = word.rpartition(":")
    number = _number(value)
    if not 0 <= number < math.inf:
        raise ArgumentTypeError(f"{word} is no VALUE or TENSOR:VALUE, as in probs:1e-3")
    return tensor or EVERY_OUTPUT, number


def interval(word: str) -> tuple[str, tuple[float, float]]:
    """Return an input's name and the interval to draw it from.

    Args:
        word: ``NAME:[lo,hi]``.

    Raises:
        ArgumentTypeError: It is none, or the interval is empty.
    """
    name, values = _bracketed(word)
    match [_number(value) for value in values]:
        case [low, high] if name and -math.inf < low <= high < math.inf:
            return name, (low, high)
    raise ArgumentTypeError(f"{word} is not NAME:[lo,hi], as in image:[0,255]")


def shape(word: str) -> tuple[str, tuple[int, ...]]:
    """Return an input's name and the shape to give it.

    Args:
        word: ``NAME:[1,3,224,224]``.

    Raises:
        ArgumentTypeError: It is none, or a size is not a whole number above zero.
    """
    name, sizes = _bracketed(word)
    if not name or not all(_is_whole(size) and int(size) for size in sizes):
        raise ArgumentTypeError(f"{word} is not NAME:[sizes], as in image:[1,3,224,224]")
    return name, tuple(int(size) for size in sizes)


def _bracketed(word: str) -> tuple[str, list[str]]:
    """Return the name before ``:[`` and the words inside, no name in another form."""
    name, _, rest = word.rpartition(":[")
    if not rest.endswith("]"):
        return "", []
    inside = rest[:-1].strip()
    return name, [part.strip() for part in inside.split(",")] if inside else []


def _is_whole(word: str) -> bool:
    return word.isascii() and word.isdigit()


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return math.nan
