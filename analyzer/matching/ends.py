"""Which inputs of two models take the same values, and which outputs belong together."""

from collections.abc import Iterator, Sequence

import numpy as np

from analyzer.core.report import InputPair
from analyzer.core.types import Array, Feeds, Permutation, Pivot, TensorSpec
from analyzer.matching.layouts import Layout, layouts

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


def output_names(source: Pivot, target: Pivot) -> tuple[tuple[str, str], ...]:
    """Return the outputs that belong together: by name where all agree, else by place."""
    left = [spec.name for spec in source.outputs]
    right = [spec.name for spec in target.outputs]
    shared = [name for name in left if name in right]
    if len(shared) == min(len(left), len(right)):
        return tuple((name, name) for name in shared)
    return tuple(zip(left, right, strict=False))


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
    if _fits(one.shape, other.shape):
        return ()
    sizes = [size if isinstance(size, int) else -1 for size in one.shape]
    wanted = [size if isinstance(size, int) else -1 for size in other.shape]
    if sizes[:1] != wanted[:1] and -1 in (*sizes[:1], *wanted[:1]):
        sizes[0] = wanted[0] = 1
    return next((lay.permutation for lay in _fixed(sizes, wanted)), None)


def _fixed(sizes: Sequence[int], wanted: Sequence[int]) -> Iterator[Layout]:
    if sorted(sizes) == sorted(wanted):
        yield from (lay for lay in layouts(sizes, wanted) if lay.shape is None)


def _fits(one: Sequence[int | str | None], other: Sequence[int | str | None]) -> bool:
    return all(
        left == right or not isinstance(left, int) or not isinstance(right, int)
        for left, right in zip(one, other, strict=True)
    )
