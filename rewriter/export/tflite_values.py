"""Constants of a pivot in the flatbuffer's own layout, found by their exact old value."""

from collections.abc import Iterator
from itertools import permutations

import numpy as np

from analyzer.core.types import Array, Node, Permutation
from rewriter.export.tflite_owners import inverse

LARGEST_RANK = 5
"""Ranks above have too many axis orders to try, and no TFLite weight has them."""

PREFERRED: dict[tuple[str, int], Permutation] = {
    ("CONV_2D", 4): (0, 3, 1, 2),
    ("DEPTHWISE_CONV_2D", 4): (3, 0, 1, 2),
    ("TRANSPOSE_CONV", 4): (3, 0, 1, 2),
    ("FULLY_CONNECTED", 2): (1, 0),
}
"""How ONNX has the weights of each operator, as axes of TFLite's.

Source: TensorFlow's `reference_ops` take OHWI, 1HWC, OHWI and [out, in]; ONNX's operators
take OIHW, [C, 1, H, W], IOHW and, in Gemm without transB, [in, out]."""

SLOTS = {
    ("CONV_2D", 1): 1,
    ("CONV_2D", 2): 2,
    ("DEPTHWISE_CONV_2D", 1): 1,
    ("DEPTHWISE_CONV_2D", 2): 2,
    ("TRANSPOSE_CONV", 1): 1,
    ("TRANSPOSE_CONV", 2): 3,
    ("FULLY_CONNECTED", 1): 1,
    ("FULLY_CONNECTED", 2): 2,
}
"""Which input of an operator holds what its node has in a slot."""


def relaid(own: Array, old: Array, new: Array, name: str) -> Array | None:
    """Return a pivot constant's new value in the layout the flatbuffer has the old one in.

    Args:
        own: The flatbuffer's value.
        old: The pivot's value before the repair: the same numbers, axes permuted, axes of
            size 1 added or dropped.
        new: The pivot's value after the repair.
        name: The operator's name in the schema, which tells between equal layouts.

    Returns:
        The new value in the flatbuffer's layout and dtype; None where no layout makes the
        old value, or where several do that would lay the new value out differently.
    """
    found = next(_whole(own, old, new, name), None)
    if found is None and old.shape == new.shape:
        found = _unambiguous(list(_squeezed(own, old, new)))
    return None if found is None else np.ascontiguousarray(found).astype(own.dtype)


def _whole(own: Array, old: Array, new: Array, name: str) -> Iterator[Array]:
    """Yield the new value under each layout of the same rank, the usual one first."""
    if own.ndim != old.ndim or new.ndim != old.ndim or own.ndim > LARGEST_RANK:
        return
    usual = PREFERRED.get((name, own.ndim), tuple(range(own.ndim)))
    if _same(own.transpose(usual), old):
        yield new.transpose(inverse(usual))
        return
    others = (axes for axes in permutations(range(own.ndim)) if axes != usual)
    fitting = [axes for axes in others if _same(own.transpose(axes), old)]
    chosen = _unambiguous([new.transpose(inverse(axes)) for axes in fitting])
    if chosen is not None:
        yield chosen


def _squeezed(own: Array, old: Array, new: Array) -> Iterator[Array]:
    """Yield the new value under each layout that differs in axes of size 1 too."""
    bare, known, wanted = own.squeeze(), old.squeeze(), new.squeeze()
    if bare.ndim != known.ndim:
        if own.size == old.size and _same(own.ravel(), old.ravel()):
            yield new.reshape(own.shape)
        return
    for axes in permutations(range(bare.ndim)) if bare.ndim <= LARGEST_RANK else ():
        if new.shape == old.shape and _same(bare.transpose(axes), known):
            moved = wanted.reshape(known.shape).transpose(inverse(axes))
            yield moved.reshape(own.shape)


def _unambiguous(choices: list[Array]) -> Array | None:
    """Return the one value there is to choose from, if all are the same."""
    if not choices or any(not _same(one, choices[0]) for one in choices[1:]):
        return None
    return choices[0]


def _same(first: Array, second: Array) -> bool:
    return first.shape == second.shape and np.array_equal(first, second, equal_nan=True)


def stretched(constant: Array, layout: Permutation) -> Array:
    """Return a constant that broadcasts against a pivot tensor, for the flatbuffer's.

    Args:
        constant: Of the tensor's rank or below.
        layout: The tensor's layout, see `Owners`.
    """
    if constant.ndim == 0 or constant.size == 1:
        return constant.reshape(())
    shape = (1,) * (len(layout) - constant.ndim) + constant.shape
    return np.ascontiguousarray(constant.reshape(shape).transpose(inverse(layout)))


def same_constant(first: Node, second: Node, slot: int) -> bool:
    """Return whether two nodes have the same constant, or none, in a slot."""
    one, other = first.constants.get(slot), second.constants.get(slot)
    if one is None or other is None:
        return one is other
    return one is other or (one.dtype == other.dtype and _same(one, other))
