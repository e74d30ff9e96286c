"""The example inputs that came with a model, as its first probe."""

import numpy as np

from analyzer.core.options import Options
from analyzer.core.types import Array, Feeds, Pivot


def led(source: Pivot, options: Options, drawn: tuple[Feeds, ...]) -> tuple[Feeds, ...]:
    """Return samples of which the first is the model's own example, where it has one.

    It has the sizes of the others, its rows repeated where the batch is open. One that says
    nothing, such as zeros throughout, is left out, and so is any where the user told a
    range.

    Args:
        source: The model that is right by definition.
        options: Its ranges are heeded.
        drawn: Samples drawn from a seed.
    """
    if not drawn or options.val_range or set(source.example) != set(drawn[0]):
        return drawn
    fitted = {name: _fitted(source.example[name], one) for name, one in drawn[0].items()}
    example = {name: value for name, value in fitted.items() if value is not None}
    if len(example) < len(drawn[0]) or not _tells(example):
        return drawn
    return (example, *drawn[1:])


def _fitted(value: Array, drawn: Array) -> Array | None:
    """Return an example in the sizes of a drawn sample, None where it does not fit."""
    if value.dtype != drawn.dtype or value.shape[1:] != drawn.shape[1:]:
        return None
    if value.ndim != drawn.ndim or not value.size:
        return None
    if not value.ndim:
        return value
    return np.resize(value, drawn.shape)


def _tells(example: Feeds) -> bool:
    """Return whether all floats are finite and vary, and anything varies at all.

    Normalised, what does not vary is rounding, which no two runtimes share.
    """
    floats = [value for value in example.values() if value.dtype.kind == "f"]
    whole = all(_varies(one) and np.isfinite(one).all() for one in floats)
    return whole and any(map(_varies, example.values()))


def _varies(value: Array) -> bool:
    return bool(value.size) and bool(np.any(value != value.reshape(-1)[0]))
