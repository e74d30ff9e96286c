"""Evidence from values: tensors that hold the same numbers, whatever their axes' order."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analyzer.core.types import Array, Feeds, Permutation
from analyzer.matching.layouts import Layout, best_layout, spread

SAME_VALUES = 2e-2
"""Disagreement, in spreads, up to which two tensors are taken for the same one. It pairs
and never judges: float32 drifts by 2e-3 over a hundred layers, and no two unrelated tensors
of a model come this close in every element."""

FEW = 4
"""Distinct values that a tensor must hold before its values say who it is."""

FEW_INTEGERS = 8
"""The same for integers and booleans, whose values coincide by chance far more often."""


@dataclass(frozen=True, slots=True)
class Sketch:
    """What no permutation of a tensor's elements changes."""

    name: str
    rms: float
    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ValueMatch:
    """A source tensor that agrees with a target tensor: how, and how closely in spreads."""

    source: str
    target: str
    layout: Layout
    error: float


def is_telling(array: Array) -> bool:
    """Return whether a tensor holds enough different values to be known by them."""
    if array.dtype.kind not in "fiub" or array.size < FEW:
        return False
    some = np.unique(array.reshape(-1)[:: max(1, array.size // 256)])
    return some.size >= (FEW if array.dtype.kind == "f" else FEW_INTEGERS)


def sketch(name: str, array: Array) -> Sketch:
    """Return the sketch of a tensor of any shape; a pass a number, no copy for float32."""
    flat = np.ascontiguousarray(array).reshape(-1)
    flat = flat if flat.dtype == np.float32 else flat.astype(np.float32)
    with np.errstate(all="ignore"):
        rms = float(np.sqrt(np.dot(flat, flat) / flat.size))
        return Sketch(name, rms, float(flat.mean()), float(flat.min()), float(flat.max()))


def value_matches(
    source: Feeds,
    target: Feeds,
    names: Iterable[str],
    candidates: Iterable[str],
    preferred: Sequence[Permutation] = (),
    fixed: Callable[[str, str], bool] = lambda _source, _target: False,
) -> Iterator[ValueMatch]:
    """Yield, for each target tensor, every source tensor that holds the same values.

    Args:
        source: Values of one sample by source tensor name.
        target: Values of the same sample by target tensor name.
        names: Target tensors to look for.
        candidates: Source tensors to look among.
        preferred: Permutations seen elsewhere, most frequent first.
        fixed: Whether a source and a target tensor, by name, have their axes in one order.

    Yields:
        Matches below `SAME_VALUES`; several for one target tensor where several agree.

    Source:
        Sort-and-window over permutation-invariant sketches: near-linear in the tensors,
        with the elements compared only for the few candidates in the window.
    """
    groups = _by_size(source, candidates)
    for name in names:
        array = target[name]
        if not is_telling(array):
            continue
        mark = sketch(name, array)
        for other in _window(
            groups.get((array.size, _kind(array)), ()), mark, spread(array)
        ):
            found = best_layout(
                source[other.name],
                array,
                preferred,
                limit=SAME_VALUES,
                fixed=fixed(other.name, name),
            )
            if found is not None:
                yield ValueMatch(other.name, name, *found)


def _kind(array: Array) -> str:
    return "f" if array.dtype.kind == "f" else "i"


def _by_size(
    arrays: Feeds, names: Iterable[str]
) -> Mapping[tuple[int, str], Sequence[Sketch]]:
    groups: dict[tuple[int, str], list[Sketch]] = {}
    for name in names:
        array = arrays[name]
        if is_telling(array):
            groups.setdefault((array.size, _kind(array)), []).append(sketch(name, array))
    return {size: sorted(group, key=lambda one: one.rms) for size, group in groups.items()}


def _window(group: Sequence[Sketch], mark: Sketch, scale: float) -> Iterator[Sketch]:
    """Yield the sketches that a deviation of `SAME_VALUES` spreads could have moved."""
    if not np.isfinite(mark.rms):
        yield from (one for one in group if not np.isfinite(one.rms))
        return
    slack = SAME_VALUES * scale
    first = bisect_left(group, mark.rms - slack, key=lambda one: one.rms)
    last = bisect_right(group, mark.rms + slack, key=lambda one: one.rms)
    for one in group[first:last]:
        gaps = (one.mean - mark.mean, one.low - mark.low, one.high - mark.high)
        if max(map(abs, gaps)) <= slack:
            yield one
