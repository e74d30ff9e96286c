"""Evidence from weights: the same in any order, or the same up to a scale a channel."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from analyzer.core.types import Array
from analyzer.view import Operator

SMALLEST_WEIGHT = 8
"""Elements below which a constant (an axis, a scalar) says nothing about its node."""

AT_ONCE = 1 << 20
"""Elements that are hashed together: small weights in bulk, large ones one by one."""

SAME_CHANNEL = 1e-3
"""Deviation up to which a channel's shape statistics are the same; folding a batch norm in
float32 moves them by 1e-6, and two trained channels lie 1e-1 apart."""


@dataclass(frozen=True, slots=True, eq=False)
class Fingerprint:
    """What no layout and no scale a channel changes in a kernel, for one channel axis.

    Attributes:
        channels: Number of channels.
        size: Number of elements.
        shape: Ratio of mean magnitude to root mean square of each channel, [channels].
    """

    channels: int
    size: int
    shape: Array


def bits_hash(array: Array) -> int:
    """Return a hash of an array's elements that no permutation of them changes.

    Source:
        Sum of mixed words, as in incremental multiset hashing (Clarke et al., ASIACRYPT
        2003); splitmix64's finaliser mixes each word.
    """
    return bits_hashes([array])[0]


def bits_hashes(arrays: Sequence[Array]) -> tuple[int, ...]:
    """Return the `bits_hash` of each array; many small ones cost little more than one."""
    alike: dict[tuple[int, int], list[int]] = defaultdict(list)
    for place, array in enumerate(arrays):
        alike[array.size, array.dtype.itemsize].append(place)
    found: dict[int, int] = {}
    for (size, width), places in alike.items():
        step = max(1, AT_ONCE // max(1, size))
        for start in range(0, len(places), step):
            part = places[start : start + step]
            found |= zip(part, _hashes([arrays[k] for k in part], width), strict=True)
    return tuple(found[place] for place in range(len(arrays)))


def _hashes(arrays: Sequence[Array], width: int) -> Sequence[int]:
    """Return the hashes of arrays of one size, whose elements are `width` bytes wide."""
    if width not in {1, 2, 4, 8}:
        return [hash(np.ascontiguousarray(array).tobytes()) for array in arrays]
    rows = [np.ascontiguousarray(array).reshape(-1).view(f"u{width}") for array in arrays]
    step = max(1, AT_ONCE // len(rows))
    sums = np.zeros(len(rows), np.uint64)
    for start in range(0, rows[0].size, step):
        sums += _mixed(np.stack([row[start : start + step] for row in rows]))
    sums ^= np.uint64(rows[0].size)
    return [int(one) for one in sums]


def _mixed(words: Array) -> Array:
    """Return the sum, modulo 2**64, of each row's words, every one of them mixed."""
    wide = words.astype(np.uint64)
    with np.errstate(over="ignore"):
        wide += np.uint64(0x9E3779B97F4A7C15)
        wide *= np.uint64(0xBF58476D1CE4E5B9)
        wide ^= wide >> np.uint64(27)
        wide *= np.uint64(0x94D049BB133111EB)
        return np.asarray(np.sum(wide, axis=1, dtype=np.uint64))


def kernels(operator: Operator) -> tuple[Array, ...]:
    """Return the weights of an operator and of what is folded into it, largest first."""
    found = [
        value
        for node in operator.nodes
        if node.constants
        for value in node.constants.values()
        if value.size >= SMALLEST_WEIGHT and value.dtype.kind in "fiu"
    ]
    if len(found) > 1:
        found.sort(key=lambda value: -value.size)
    return tuple(found)


def kernel_size(operator: Operator) -> int:
    """Return the size of an operator's largest weight of rank two or more, 0 for none."""
    sizes = [
        value.size
        for node in operator.nodes
        for value in node.constants.values()
        if value.ndim > 1 and value.size >= SMALLEST_WEIGHT and value.dtype.kind in "fiu"
    ]
    return max(sizes, default=0)


def weight_keys(operators: Iterable[Operator]) -> dict[int, int]:
    """Return the hash of the largest weight of each operator that has one, by index."""
    largest = {op.index: found[0] for op in operators if (found := kernels(op))}
    return dict(zip(largest, bits_hashes(tuple(largest.values())), strict=True))


def fingerprints(operators: Iterable[Operator]) -> dict[int, tuple[Fingerprint, ...]]:
    """Return a fingerprint for each axis of each operator's largest kernel, by index.

    Which axis holds the output channels differs between frameworks (OIHW, HWIO, OHWI), so
    each is a candidate. An operator without a kernel of rank two or more has none.
    """
    alike: dict[tuple[int, ...], list[tuple[int, Array]]] = defaultdict(list)
    for operator in operators:
        kernel = next((value for value in kernels(operator) if value.ndim > 1), None)
        if kernel is not None and kernel.dtype.kind == "f":
            alike[kernel.shape].append((operator.index, kernel))
    found: dict[int, tuple[Fingerprint, ...]] = {}
    for shape, group in alike.items():
        step = max(1, AT_ONCE // int(np.prod(shape)))
        for start in range(0, len(group), step):
            indexes, part = zip(*group[start : start + step], strict=True)
            found |= zip(indexes, _fingerprints(part), strict=True)
    return found


def _fingerprints(group: Sequence[Array]) -> Iterator[tuple[Fingerprint, ...]]:
    """Yield the fingerprints of kernels of one shape, all computed at once."""
    plain = [kernel.astype(np.float32, copy=False) for kernel in group]
    stack = np.stack(plain) if len(plain) > 1 else plain[0][None]
    axes = [axis for axis in range(1, stack.ndim) if stack.shape[axis] > 1]
    size = stack[0].size
    shapes = [_channel_shapes(np.moveaxis(stack, axis, 1)) for axis in axes]
    for place in range(len(group)):
        yield tuple(Fingerprint(rows.shape[1], size, rows[place]) for rows in shapes)


def _channel_shapes(stack: Array) -> Array:
    """Return the statistics [kernels, channels] of kernels [kernels, channels, ...]."""
    step = max(1, AT_ONCE // max(1, stack.size // stack.shape[1]))
    found = [
        _statistics(stack[:, start : start + step])
        for start in range(0, stack.shape[1], step)
    ]
    return np.concatenate(found, axis=1)


def _statistics(stack: Array) -> Array:
    """Return `_channel_shapes` of some of the channels."""
    rows = stack.reshape(*stack.shape[:2], -1)
    with np.errstate(all="ignore"):
        rms = np.sqrt(np.einsum("kij,kij->ki", rows, rows) / rows.shape[2])
        return np.asarray(np.nan_to_num(np.abs(rows).mean(axis=2) / rms))


def likeness(source: Sequence[Fingerprint], target: Sequence[Fingerprint]) -> float:
    """Return the share of channels that two kernels have in common, best over their axes.

    Args:
        source: Fingerprints of one kernel.
        target: Fingerprints of another.

    Returns:
        A number in [0, 1]; 0 where no axes fit, or where each channel is a single element.
    """
    shares = (
        float(np.mean(np.abs(one.shape - other.shape) <= SAME_CHANNEL))
        for one in source
        for other in target
        if one.channels == other.channels and one.size == other.size > one.channels
    )
    return max(shares, default=0.0)
