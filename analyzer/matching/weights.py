"""Evidence from weights: the same in any order, or the same up to a scale a channel."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from analyzer.core.types import Array
from analyzer.view import Operator

SMALLEST_WEIGHT = 8
"""Elements below which a constant (an axis, a scalar) says nothing about its node."""

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
    flat = np.ascontiguousarray(array).reshape(-1)
    width = flat.dtype.itemsize
    words = flat.view(f"u{width}").astype(np.uint64) if width in (1, 2, 4, 8) else None
    if words is None:
        return hash(flat.tobytes())
    with np.errstate(over="ignore"):
        words = (words + np.uint64(0x9E3779B97F4A7C15)) * np.uint64(0xBF58476D1CE4E5B9)
        words ^= words >> np.uint64(27)
        words *= np.uint64(0x94D049BB133111EB)
        return int(np.sum(words, dtype=np.uint64)) ^ flat.size


def kernels(operator: Operator) -> Iterator[Array]:
    """Yield the weights of an operator and of what is folded into it, largest first."""
    found = [
        value
        for node in operator.nodes
        for value in node.constants.values()
        if value.size >= SMALLEST_WEIGHT and value.dtype.kind in "fiu"
    ]
    yield from sorted(found, key=lambda value: -value.size)


def weight_key(operator: Operator) -> tuple[int, ...]:
    """Return the hash of the operator's largest weight; empty where it has none."""
    return tuple(bits_hash(value) for value in list(kernels(operator))[:1])


def fingerprints(operator: Operator) -> tuple[Fingerprint, ...]:
    """Return one fingerprint for each axis of the operator's largest kernel (rank >= 2).

    Which axis holds the output channels differs between frameworks (OIHW, HWIO, OHWI), so
    each is a candidate.
    """
    kernel = next((value for value in kernels(operator) if value.ndim > 1), None)
    if kernel is None or kernel.dtype.kind != "f":
        return ()
    return tuple(
        _fingerprint(np.moveaxis(kernel, axis, 0))
        for axis in range(kernel.ndim)
        if kernel.shape[axis] > 1
    )


def _fingerprint(kernel: Array) -> Fingerprint:
    rows = kernel.reshape(len(kernel), -1).astype(np.float32)
    with np.errstate(all="ignore"):
        rms = np.sqrt(np.einsum("ij,ij->i", rows, rows) / rows.shape[1])
        shape = np.abs(rows).mean(axis=1) / rms
    return Fingerprint(len(kernel), kernel.size, np.nan_to_num(shape))


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
