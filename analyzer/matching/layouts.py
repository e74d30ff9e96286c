"""How one tensor's axes come to lie in another's: permutation first, then a reshape."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from analyzer.core.fills import MASKING, fills
from analyzer.core.types import Array, Permutation, TensorPair

MAX_RANK = 5
"""Above this rank only the given order of axes is tried: 6! is 720 looks at a tensor."""

GLANCE = 61
"""Elements looked at before a whole tensor is; a prime, so that no axis size divides it."""


@dataclass(frozen=True, slots=True)
class Layout:
    """``target == source.transpose(permutation).reshape(shape)``; None: nothing is done."""

    permutation: Permutation | None
    shape: tuple[int, ...] | None


SAME = Layout(None, None)


def pair(source: str, target: str, layout: Layout, *, exact: bool) -> TensorPair:
    """Return a tensor pair under a layout."""
    return TensorPair(source, target, layout.permutation, layout.shape, exact)


def layout_of(tensors: TensorPair) -> Layout:
    """Return the layout of a tensor pair."""
    return Layout(tensors.permutation, tensors.shape)


def carried(array: Array, layout: Layout) -> Array:
    """Return a source array in the target's layout.

    Args:
        array: Of the source's shape.
        layout: As found by `layouts`.
    """
    moved = array if layout.permutation is None else array.transpose(layout.permutation)
    return moved if layout.shape is None else moved.reshape(layout.shape)


def layouts(
    source: Sequence[int],
    target: Sequence[int],
    preferred: Sequence[Permutation] = (),
    *,
    fixed: bool = False,
) -> Iterator[Layout]:
    """Yield every layout that turns the source's shape into the target's, likeliest first.

    Args:
        source: Shape of the source tensor.
        target: Shape of the target tensor.
        preferred: Permutations seen elsewhere in this pair of models, most frequent first.
        fixed: Whether the axes keep their order, and only sizes of one may come and go.
    """
    if int(np.prod(source, dtype=np.int64)) != int(np.prod(target, dtype=np.int64)):
        return
    source, target = tuple(source), tuple(target)
    seen: set[tuple[Permutation, tuple[int, ...]]] = set()
    reshaping = []
    distinct: set[Permutation] = set()
    orders = iter([tuple(range(len(source)))]) if fixed else _orders(len(source), preferred)
    for order in orders:
        moved = tuple(source[axis] for axis in order)
        kept = tuple(axis for axis in order if source[axis] != 1)
        key = (kept, moved)
        if key in seen:
            continue
        seen.add(key)
        permutation = None if order == tuple(range(len(order))) else order
        if moved == target:
            distinct.add(kept)
            yield Layout(permutation, None)
        else:
            reshaping.append(Layout(permutation, target))
    for layout in reshaping:
        order = layout.permutation or tuple(range(len(source)))
        kept = tuple(axis for axis in order if source[axis] != 1)
        if kept in distinct:
            continue
        distinct.add(kept)
        yield layout


def _orders(rank: int, preferred: Sequence[Permutation]) -> Iterator[Permutation]:
    identity = tuple(range(rank))
    yield identity
    yield from (order for order in preferred if len(order) == rank and order != identity)
    if rank <= MAX_RANK:
        yield from permutations(identity)


def spread(array: Array) -> float:
    """Return the distance between the largest and the smallest finite element.

    The numbers of a mask are left out: next to them all other values would look the same.
    """
    finite = array[np.isfinite(array)] if array.dtype.kind == "f" else array
    if not finite.size:
        return 0.0
    low, high = finite.min(), finite.max()
    places = None if float(high) - float(low) < MASKING else fills(finite)
    inner = finite if places is None else finite[~places]
    return float(inner.max()) - float(inner.min()) or float(high) - float(low)


def disagreement(source: Array, target: Array, layout: Layout, scale: float) -> float:
    """Return the largest deviation of two tensors under a layout, in units of `scale`.

    Args:
        source: Of the source's shape.
        target: Of the target's shape.
        layout: How the source's axes lie in the target's.
        scale: Spread of the target's values; both offset and gain of near-constant tensors
            would agree with anything if their size were the unit.
    """
    with np.errstate(all="ignore"):
        difference = np.abs(_wide(carried(source, layout)) - _wide(target))
        worst = float(np.max(difference, initial=0.0))
    if np.isnan(worst):
        return _non_finite_disagreement(carried(source, layout), target, scale)
    return worst / scale if scale else float(worst != 0.0)


def glance(source: Array, target: Array, layout: Layout, scale: float) -> float:
    """Return `disagreement` over a few elements spread through the tensors."""
    places = np.linspace(0, target.size - 1, min(GLANCE, target.size)).astype(np.int64)
    if not source.ndim or not target.size:
        return 0.0
    moved = source if layout.permutation is None else source.transpose(layout.permutation)
    few = _wide(moved[np.unravel_index(places, moved.shape)])
    with np.errstate(all="ignore"):
        worst = float(np.max(np.abs(few - _wide(target.reshape(-1)[places])), initial=0.0))
    if np.isnan(worst):
        return 0.0
    return worst / scale if scale else float(worst != 0.0)


def best_layout(
    source: Array,
    target: Array,
    preferred: Sequence[Permutation] = (),
    *,
    limit: float,
    fixed: bool = False,
) -> tuple[Layout, float] | None:
    """Return the layout under which two tensors agree best, and how much they then differ.

    Args:
        source: Of the source's shape.
        target: Of the target's shape.
        preferred: Permutations seen elsewhere, most frequent first.
        limit: Disagreement (in spreads of the target) above which a layout is no candidate.
        fixed: Whether the axes keep their order.

    Returns:
        None where no layout stays below the limit.
    """
    scale = spread(target)
    found: tuple[Layout, float] | None = None
    for layout in layouts(source.shape, target.shape, preferred, fixed=fixed):
        if glance(source, target, layout, scale) > limit:
            continue
        error = disagreement(source, target, layout, scale)
        if error <= limit and (found is None or error < found[1]):
            found = layout, error
        if error == 0.0:
            break
    return found


def _wide(array: Array) -> Array:
    """Return the array in a type in which a difference cannot wrap or overflow."""
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)


def _non_finite_disagreement(source: Array, target: Array, scale: float) -> float:
    same = (source == target) | (np.isnan(source) & np.isnan(target))
    rest = np.isfinite(source) & np.isfinite(target)
    if not np.all(same | rest):
        return float("inf")
    difference = np.abs(source[rest].astype(np.float64) - target[rest])
    worst = float(np.max(difference, initial=0.0))
    return worst / scale if scale else float(worst != 0.0)
