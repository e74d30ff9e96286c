"""Which inputs of two models take the same values, and which outputs belong together."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from analyzer.core.report import InputPair
from analyzer.core.types import Array, Feeds, Permutation, Pivot, TensorSpec
from analyzer.matching.layouts import Layout, layouts
from analyzer.matching.reach import input_reach

FLOATS = frozenset({"float16", "float32", "float64"})


def input_pairs(source: Pivot, target: Pivot) -> tuple[InputPair, ...]:
    """Return which target input each source input feeds: by name, else shape, else place.

    Sizes that are declared dynamic fit any size. Where only another order of the axes makes
    the shapes fit, the pair carries that permutation.
    """
    left, right = list(source.inputs), list(target.inputs)
    found: list[InputPair] = []
    for why, fits in (
        ("name", lambda one, other: _bare(one.name) == _bare(other.name)),
        ("shape", lambda one, other: _order(one, other) == () and _same_kind(one, other)),
        ("layout", lambda one, other: bool(_order(one, other)) and _same_kind(one, other)),
        ("place", _same_kind),
        ("place", lambda one, other: True),  # noqa: ARG005 - what is left belongs together
    ):
        for one in tuple(left):
            other = next((spec for spec in right if fits(one, spec)), None)
            if other is None:
                continue
            found.append(InputPair(one.name, other.name, _order(one, other) or None, why))
            left.remove(one)
            right.remove(other)
    place = {spec.name: index for index, spec in enumerate(source.inputs)}
    return tuple(sorted(found, key=lambda pair: place[pair.source]))


PLACED = frozenset({"torch"})
"""Frameworks whose outputs are known by their places, and bear no name of the user's."""


def output_names(source: Pivot, target: Pivot) -> tuple[tuple[str, str], ...]:
    """Return the outputs that belong together: by name, else by shape, else by place.

    What torch gives is known by its place: the names are those of the operators, and go
    with them where two outputs are exchanged.
    """
    left, right = list(source.outputs), list(target.outputs)
    names = [[spec.name for spec in side] for side in (left, right)]
    placed = PLACED & {source.framework, target.framework}
    if placed and sorted(names[0]) == sorted(names[1]):
        return tuple(zip(*names, strict=True))
    shared = set(names[0]) & set(names[1])
    if len(shared) == min(len(left), len(right)):
        return tuple((spec.name, spec.name) for spec in left if spec.name in shared)
    found = []
    for one in left[: len(right)] if len(left) >= len(right) else left:
        other = max(right, key=lambda spec: _same_sizes(one, spec), default=None)
        if other is not None:
            right.remove(other)
            found.append((one.name, other.name))
    return tuple(found)


def _same_sizes(one: TensorSpec, other: TensorSpec) -> int:
    """Return how many declared sizes two outputs share; less than none for other ranks."""
    if one.shape is None or other.shape is None:
        return 0
    if len(one.shape) != len(other.shape):
        return -1
    both = zip(one.shape, other.shape, strict=True)
    fixed = [(a, b) for a, b in both if isinstance(a, int) and isinstance(b, int)]
    return sum(a == b for a, b in fixed) - 2 * sum(a != b for a, b in fixed)


def target_feeds(
    feeds: Feeds, inputs: Sequence[InputPair], target: Pivot
) -> dict[str, Array]:
    """Return one sample of the source's inputs as the target's inputs.

    Args:
        feeds: Arrays by source input name.
        inputs: See `input_pairs`.
        target: Declares the dtypes the arrays are cast to.
    """
    specs = {spec.name: spec for spec in target.inputs}
    return {
        pair.target: _declared(
            _moved(feeds[pair.source], pair.permutation), specs[pair.target]
        )
        for pair in inputs
    }


def _moved(array: Array, permutation: Permutation | None) -> Array:
    return (
        array if permutation is None else np.ascontiguousarray(array.transpose(permutation))
    )


def _declared(array: Array, spec: TensorSpec) -> Array:
    if spec.dtype in {"string", "unknown"} or str(array.dtype) == spec.dtype:
        return array
    return array.astype(spec.dtype)


def _bare(name: str) -> str:
    """Return an input's name without the decoration that TensorFlow and exporters add."""
    return name.removeprefix("serving_default_").split(":")[0]


def _same_kind(one: TensorSpec, other: TensorSpec) -> bool:
    return one.dtype == other.dtype or {one.dtype, other.dtype} <= FLOATS


def _order(one: TensorSpec, other: TensorSpec) -> Permutation | None:
    """Return the permutation that makes the shapes fit, () for none; None: none does."""
    if one.shape is None or other.shape is None or len(one.shape) != len(other.shape):
        return None
    sizes = [size if isinstance(size, int) else -1 for size in one.shape]
    wanted = [size if isinstance(size, int) else -1 for size in other.shape]
    if sizes_fit(one.shape, other.shape):
        moved = _fixed(sizes, wanted) if _is_crossed(sizes, wanted) else iter(())
        return next((lay.permutation for lay in moved), None) or ()
    if sizes[:1] != wanted[:1] and -1 in (*sizes[:1], *wanted[:1]):
        sizes[0] = wanted[0] = 1
    return next((lay.permutation for lay in _fixed(sizes, wanted)), None)


def _is_crossed(sizes: Sequence[int], wanted: Sequence[int]) -> bool:
    """Return whether each side leaves a size open, -1, that the other one fixes.

    Read as they stand, both would be of one size only; in another order of the axes the
    batch is open on either side.
    """
    both = list(zip(sizes, wanted, strict=True))
    return any(a < 0 <= b for a, b in both) and any(b < 0 <= a for a, b in both)


def _fixed(sizes: Sequence[int], wanted: Sequence[int]) -> Iterator[Layout]:
    if sorted(sizes) == sorted(wanted):
        yield from (lay for lay in layouts(sizes, wanted) if lay.shape is None)


def sizes_fit(one: Sequence[int | str | None], other: Sequence[int | str | None]) -> bool:
    """Return whether an array can have both declared shapes; open sizes fit any."""
    return len(one) == len(other) and all(
        left == right or not isinstance(left, int) or not isinstance(right, int)
        for left, right in zip(one, other, strict=True)
    )


def narrowed(source: Pivot, target: Pivot, inputs: Sequence[InputPair]) -> Pivot:
    """Return the source with those open sizes fixed that the target fixes, and its reach.

    A conversion with a fixed batch runs on no other; the source does. A quantized one holds
    a range of numbers alone; beyond it only that it saturates would be measured.

    Args:
        source: The source.
        target: The target.
        inputs: Which target input takes which source input.
    """
    wanted = {spec.name: spec.shape for spec in target.inputs}
    by_source = {pair.source: pair for pair in inputs}
    specs = (
        replace(
            _narrowed(one, by_source.get(one.name), wanted),
            reach=_reach((source, one), (target, by_source.get(one.name))),
        )
        for one in source.inputs
    )
    return replace(source, inputs=tuple(specs))


def _reach(
    ours: tuple[Pivot, TensorSpec], theirs: tuple[Pivot, InputPair | None]
) -> tuple[float, float] | None:
    """Return the range of numbers that both models hold at an input."""
    (source, spec), (target, pair) = ours, theirs
    if spec.dtype not in FLOATS or pair is None:
        return None
    both = input_reach(source, spec.name), input_reach(target, pair.target)
    ends = [one for one in both if one is not None]
    low, high = (max((e[0] for e in ends), default=0), min((e[1] for e in ends), default=0))
    return (low, high) if low < high else None


def _narrowed(
    spec: TensorSpec,
    pair: InputPair | None,
    wanted: Mapping[str, tuple[int | str | None, ...] | None],
) -> TensorSpec:
    shape = wanted.get(pair.target) if pair else None
    if spec.shape is None or shape is None or len(shape) != len(spec.shape):
        return spec
    order = (pair.permutation if pair else None) or tuple(range(len(shape)))
    theirs = dict(zip(order, shape, strict=True))
    sizes = tuple(
        theirs[axis]
        if not isinstance(size, int) and isinstance(theirs[axis], int)
        else size
        for axis, size in enumerate(spec.shape)
    )
    return replace(spec, shape=sizes)
