"""Samples of a second size, where both sides declare the size open.

A size that a converter froze works at the size it was frozen to, which is the one that
every other sample has.
"""

from collections.abc import Callable, Collection, Iterator, Sequence

import numpy as np

from analyzer.core.report import InputPair
from analyzer.core.settings import setting_slot
from analyzer.core.types import Array, Feeds, Node, Pivot, TensorSpec
from analyzer.probes.sizes import SPATIAL_RANK, is_batch
from analyzer.view import View

PICTURE_STEP = 32
"""What a picture's side grows by: networks halve it up to five times."""

SEQUENCE_STEP = 3
"""What a sequence grows by: odd, so that no even split fits by luck."""

SHAPING = {
    "Reshape": ("shape",),
    "Expand": ("shape",),
    "ConstantOfShape": ("shape",),
    "Resize": ("sizes",),
    "Slice": ("ends",),
    "Split": ("split",),
    "Tile": ("repeats",),
}
"""Settings in which a size can be frozen."""

Axis = tuple[str, int]
"""An axis of a source input."""

STATES = {"LSTM": (5, 6), "GRU": (5,), "RNN": (5,)}
"""Input slots of a first state, which has an axis for the batch."""


def second_sizes(
    source: Pivot,
    target: Pivot,
    inputs: Sequence[InputPair],
    sample: Feeds,
    view: View,
    *,
    seed: int,
) -> Iterator[dict[str, Array]]:
    """Yield a sample of another batch and one of other sizes, as far as both are open.

    Args:
        source: The source; a size that it declares fixed stays.
        target: The target; likewise.
        inputs: Which target input takes which source input.
        sample: A sample that both take, by source input name.
        view: The target's macro graph; where it holds no constant that a size could be
            frozen in, there is no such sample.
        seed: Seed of the values, which are of the range and kind of the sample's.
    """
    batches, others = _open_axes(source, target, inputs)
    for axes, grown in ((batches, _one_more), (others, _larger)):
        sizes = {sample[name].shape[axis] for name, axis in axes if name in sample}
        if sizes and is_frozen(view, sizes):
            yield _grown(sample, axes, grown, seed)


def second_batch(
    source: Pivot, target: Pivot, inputs: Sequence[InputPair], sample: Feeds, *, seed: int
) -> dict[str, Array] | None:
    """Return a sample of another batch; None where a side declares the batch fixed.

    Args:
        source: The source.
        target: The target.
        inputs: Which target input takes which source input.
        sample: A sample that both take, by source input name.
        seed: Seed of the values, which are of the range and kind of the sample's.
    """
    axes, _ = _open_axes(source, target, inputs)
    if not any(name in sample for name, _ in axes):
        return None
    return _grown(sample, axes, _one_more, seed)


def _grown(
    sample: Feeds, axes: Collection[Axis], grown: Callable[[int, int], int], seed: int
) -> dict[str, Array]:
    """Return a sample some of whose axes are longer."""
    return {
        name: _resized(
            value,
            tuple(
                grown(size, value.ndim) if (name, axis) in axes else size
                for axis, size in enumerate(value.shape)
            ),
            np.random.default_rng([seed, place]),
        )
        for place, (name, value) in enumerate(sample.items())
    }


def is_frozen(view: View, sizes: Collection[int]) -> bool:
    """Return whether a model holds a constant in which one of some sizes may be frozen.

    Args:
        view: Its macro graph.
        sizes: The sizes that its open axes had so far.
    """
    return any(_may_freeze(node, sizes) for node in view.nodes)


def _may_freeze(node: Node, sizes: Collection[int]) -> bool:
    for field in SHAPING.get(node.op, ()) if not node.domain else ():
        slot = setting_slot(node.op, field, node.opset)
        held = node.constants.get(-1 if slot is None else slot)
        if held is not None and _names_one(held.ravel().tolist(), sizes):
            return True
    if any(slot in node.constants for slot in STATES.get(node.op, ())):
        return True
    if node.op == "Concat" and node.constants:  # it broadcasts nothing, not even a one
        return True
    if node.op == "Squeeze" and 1 in sizes:  # a batch of one is gone, one of two stays
        return True
    longer = {size for size in sizes if size > 1}  # an axis of one is broadcast
    return any(not longer.isdisjoint(held.shape) for held in node.constants.values())


def _names_one(shape: Sequence[int], sizes: Collection[int]) -> bool:
    """Return whether a shape names a size, a product with one, or leaves none open."""
    return min(shape, default=0) > 0 or any(
        one == size or (size > 1 and one > 0 and one % size == 0)
        for one in shape
        for size in sizes
    )


def _open_axes(
    source: Pivot, target: Pivot, inputs: Sequence[InputPair]
) -> tuple[frozenset[Axis], frozenset[Axis]]:
    """Return the batch axes and the other axes that both sides declare open.

    A symbol that stands for a fixed size somewhere is fixed everywhere.
    """
    ours = {spec.name: spec for spec in source.inputs}
    theirs = {spec.name: spec for spec in target.inputs}
    axes = [
        (pair.source, axis, size, is_open)
        for pair in inputs
        for axis, size, is_open in _declared(ours[pair.source], theirs[pair.target], pair)
    ]
    fixed = {size for _, _, size, is_open in axes if size and not is_open}
    free = [one for one in axes if one[3] and one[2] not in fixed]
    batch = {(name, axis) for name, axis, size, _ in free if is_batch(axis, size)}
    return frozenset(batch), frozenset((one[0], one[1]) for one in free) - batch


def _declared(
    source: TensorSpec, target: TensorSpec, pair: InputPair
) -> Iterator[tuple[int, str | None, bool]]:
    """Yield each open axis of a source input: its symbol, and whether the target's is."""
    if source.shape is None or target.shape is None:
        return
    order = pair.permutation or tuple(range(len(source.shape)))
    if len(order) != len(source.shape) or len(target.shape) != len(order):
        return
    for place, axis in enumerate(order):
        size = source.shape[axis]
        if not isinstance(size, int):
            yield axis, size, not isinstance(target.shape[place], int)


def _one_more(size: int, rank: int) -> int:
    del rank
    return size + 1


def _larger(size: int, rank: int) -> int:
    return size + (PICTURE_STEP if rank >= SPATIAL_RANK else SEQUENCE_STEP)


def _resized(value: Array, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Return values of another shape that continue a sample's own, in another order."""
    if shape == value.shape:
        return value
    pool = value.ravel()
    return rng.choice(pool, shape) if pool.size else np.zeros(shape, value.dtype)


def told(sample: Feeds, resized: Feeds) -> str:
    """Return which sizes differ between two samples, for a sentence.

    Args:
        sample: A sample of the first size.
        resized: The same inputs in another size.
    """
    return ", ".join(
        f"{name} of {list(value.shape)}"
        for name, value in resized.items()
        if value.shape != sample[name].shape
    )
