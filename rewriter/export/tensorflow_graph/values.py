"""A tensor with the order its axes are stored in, so that transposes cost nothing.

A transposition only changes the order; a convolution asks for the channels last and gives
its result as such. Two transpositions that cancel are never written.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from analyzer.core.types import Array
from rewriter.export.tensorflow_graph.weights import Tensor, constant

Order = tuple[int, ...]
"""Which axis stands at each place of what is stored."""

FOLDED_FROM = 5
"""Rank from which a transposition is written with fewer axes: few runtimes have more."""


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """A tensor of the graph.

    Attributes:
        stored: A NumPy array where the value is known, a TensorFlow tensor where not.
        order: Which axis stands at each place of `stored`; always natural for an array.
        sizes: Content of a small integer tensor as far as known, shape as the tensor,
            float64, NaN where unknown; None where nothing is.
    """

    stored: Tensor
    order: Order
    sizes: Array | None = None

    @property
    def array(self) -> Array | None:
        """The value where it is known, in its own axes."""
        return self.stored if isinstance(self.stored, np.ndarray) else None

    @property
    def rank(self) -> int:
        """How many axes it has."""
        return len(self.order)

    @property
    def shape(self) -> tuple[int | None, ...]:
        """The sizes in its own axes; None where known only at run time."""
        sizes = tuple(self.stored.shape)
        return tuple(sizes[self.order.index(axis)] for axis in range(self.rank))

    @property
    def dtype(self) -> Tensor:
        """The TensorFlow dtype."""
        if self.stored.dtype == np.dtype(object):
            return tf.string
        return tf.as_dtype(self.stored.dtype)

    @property
    def tensor(self) -> Tensor:
        """The tensor in its own axes."""
        return self.in_order(natural(self.rank))

    def place(self, axis: int) -> int:
        """Return where an axis is stored.

        Args:
            axis: Counted from the front, or from the back where negative.
        """
        return self.order.index(axis % self.rank)

    def in_order(self, order: Order) -> Tensor:
        """Return the tensor with its axes in another order.

        Args:
            order: Which axis stands at each place.
        """
        permutation = [self.order.index(axis) for axis in order]
        if isinstance(self.stored, np.ndarray):
            return constant(np.transpose(self.stored, permutation))
        return transposed(self.stored, permutation)

    def as_stored(self) -> Tensor:
        """Return the tensor as it lies; `order` tells its axes."""
        return self.in_order(self.order)

    def mapped(self, function: Callable[[Tensor], Tensor]) -> "Value":
        """Return what a function makes of each element, in the same order.

        Args:
            function: From a tensor to one of the same shape.
        """
        return Value(function(self.as_stored()), self.order)

    def moved(self, permutation: Sequence[int]) -> "Value":
        """Return the value with its axes permuted; nothing is computed.

        Args:
            permutation: Which old axis each new axis is.
        """
        if isinstance(self.stored, np.ndarray):
            return Value(np.transpose(self.stored, permutation), self.order)
        return Value(self.stored, tuple(list(permutation).index(a) for a in self.order))


def natural(rank: int) -> Order:
    """Return the order of a tensor that is stored as its axes are numbered."""
    return tuple(range(rank))


def channels_last(rank: int) -> Order:
    """Return the order with axis 1, the channels, at the end."""
    return (0, *range(2, rank), 1)


def valued(given: Value | Tensor | Array) -> Value:
    """Return what an operator gave as a value.

    Args:
        given: A value, or a tensor or array in its own axes.
    """
    if isinstance(given, Value):
        return given
    if isinstance(given, np.generic):
        given = np.asarray(given)
    return Value(given, natural(len(given.shape)))


def transposed(tensor: Tensor, permutation: Sequence[int]) -> Tensor:
    """Return a tensor with its axes permuted, as cheaply as its shape allows.

    Args:
        tensor: Of any shape.
        permutation: Which old axis each new axis is.
    """
    if list(permutation) == sorted(permutation):
        return tensor
    sizes = [tensor.shape[axis] for axis in permutation]
    moving = [axis for axis in permutation if tensor.shape[axis] != 1]
    if moving == sorted(moving) and sizes.count(None) <= 1:
        return tf.reshape(tensor, [-1 if size is None else size for size in sizes])
    groups = _runs(moving)
    small = len(groups) < len(permutation) and sizes.count(None) <= 1
    if len(permutation) < FOLDED_FROM or not small:
        return tf.transpose(tensor, permutation)
    return _folded(tensor, groups, sizes)


def _folded(tensor: Tensor, groups: list[list[int]], sizes: list[int | None]) -> Tensor:
    """Return a transposition of groups of axes that stay together."""
    ordered = sorted(groups)
    merged = [_product([tensor.shape[axis] for axis in group]) for group in ordered]
    flat = tf.reshape(tensor, [-1 if size is None else size for size in merged])
    turned = tf.transpose(flat, [ordered.index(group) for group in groups])
    return tf.reshape(turned, [-1 if size is None else size for size in sizes])


def _runs(axes: list[int]) -> list[list[int]]:
    """Return neighbours that stay neighbours, grouped; axes of size 1 are left out."""
    ranks = {axis: place for place, axis in enumerate(sorted(axes))}
    runs: list[list[int]] = []
    for axis in axes:
        if runs and ranks[axis] == ranks[runs[-1][-1]] + 1:
            runs[-1].append(axis)
        else:
            runs.append([axis])
    return runs


def _product(sizes: Sequence[int | None]) -> int | None:
    known = [size for size in sizes if size is not None]
    return math.prod(known) if len(known) == len(sizes) else None


def aligned(*values: Value) -> tuple[list[Tensor], Order]:
    """Return tensors that broadcast as the values do, and the order of the outcome.

    Args:
        values: Any number, of any ranks.

    Returns:
        One tensor per value, and the order their axes are stored in.
    """
    rank = max(value.rank for value in values)
    order = _agreed([value for value in values if value.rank == rank], rank)
    return [_laid(value, rank, order) for value in values], order


def _agreed(values: Sequence[Value], rank: int) -> Order:
    """Return the order of the largest value, of equals the one not stored naturally."""
    computed = [value for value in values if value.array is None]
    largest = max(
        computed,
        key=lambda value: (
            sum(size != 1 for size in value.shape),
            value.order != natural(rank),
        ),
        default=None,
    )
    return natural(rank) if largest is None else largest.order


def _laid(value: Value, rank: int, order: Order) -> Tensor:
    """Return a tensor that broadcasts where axes of a rank are stored in an order."""
    missing = rank - value.rank
    if value.array is not None:
        wide = value.array.reshape((1,) * missing + value.array.shape)
        turned = np.transpose(wide, order)
        return constant(turned if missing == 0 else _bare(turned, value.rank))
    if missing == 0:
        return value.in_order(order)
    if order == natural(rank):
        return value.tensor
    own = [axis - missing for axis in order if axis >= missing]
    tensor = value.in_order(tuple(own))
    return _with_ones(tensor, [place for place, a in enumerate(order) if a < missing])


def _bare(array: Array, rank: int) -> Array:
    """Return an array without leading axes of size 1 that broadcasting gives back."""
    while array.ndim > max(rank, 0) and array.shape[0] == 1:
        array = array[0]
    return array


def _with_ones(tensor: Tensor, places: Sequence[int]) -> Tensor:
    for place in places:
        tensor = tf.expand_dims(tensor, place)
    return tensor
