"""A weight is known by its numbers in any order, and by their shape under any scale."""

from collections.abc import Callable

import numpy as np
import pytest

from analyzer.core.types import Array
from analyzer.matching.likeness import SMALLEST_SHARE
from analyzer.matching.weights import (
    Fingerprint,
    bits_hash,
    fingerprints,
    kernels,
    likeness,
    weight_keys,
)
from analyzer.view import Operator, View

Look = Callable[..., View]


@pytest.fixture
def kernel(rng: np.random.Generator) -> Array:
    """A convolution kernel [4, 3, 3, 3]."""
    return rng.normal(size=(4, 3, 3, 3)).astype(np.float32)


def marks(operator: Operator) -> tuple[Fingerprint, ...]:
    """Return the fingerprints of one operator."""
    return fingerprints([operator])[operator.index]


def conv(view: Look, kernel: Array) -> Operator:
    """Return the macro node of a convolution with this kernel."""
    return view("(float[1,3,8,8] x) => (y) { y = Conv(x, k) }", k=kernel).operators[1]


def test_hash_is_the_same_in_every_layout(kernel: Array) -> None:
    """OIHW and HWIO hold the same numbers."""
    assert bits_hash(kernel) == bits_hash(kernel.transpose(2, 3, 1, 0))


def test_hash_sees_one_element(kernel: Array) -> None:
    """A single weight that moved by one bit is another kernel."""
    other = kernel.copy()
    other[0, 0, 0, 0] = np.nextafter(other[0, 0, 0, 0], np.float32(9))

    assert bits_hash(kernel) != bits_hash(other)


def test_hash_takes_every_dtype() -> None:
    """Eight-bit, half and double weights have one each; two sizes of zeros differ."""
    zeros = [np.zeros(8, dtype) for dtype in ("int8", "float16", "float64", "int64")]

    assert all(isinstance(bits_hash(array), int) for array in zeros)
    assert bits_hash(np.zeros(8)) != bits_hash(np.zeros(9))


def test_fingerprint_survives_a_transpose(view: Look, kernel: Array) -> None:
    """Each axis is tried as the channels'."""
    own = marks(conv(view, kernel))
    moved = view(
        "(float[1,12] x) => (y) { y = MatMul(x, k) }", k=kernel.transpose(2, 3, 1, 0)
    ).operators[1]

    assert likeness(own, marks(moved)) == 1.0


def test_fingerprint_survives_a_scale_a_channel(view: Look, kernel: Array) -> None:
    """Folding a batch norm scales each output channel."""
    scale = np.float32([0.5, -2.0, 3.0, 0.01]).reshape(4, 1, 1, 1)
    own, folded = marks(conv(view, kernel)), marks(conv(view, kernel * scale))

    assert likeness(own, folded) == 1.0


def test_damaged_channel_lowers_the_likeness(view: Look, kernel: Array) -> None:
    """One of four channels is other numbers: three quarters are left."""
    damaged = kernel.copy()
    damaged[0] = np.abs(damaged[0]) + 1.0
    own, other = marks(conv(view, kernel)), marks(conv(view, damaged))

    assert likeness(own, other) == 0.75


def test_other_kernel_is_not_like(
    view: Look, kernel: Array, rng: np.random.Generator
) -> None:
    """Channels of two kernels coincide by chance, but not half of them."""
    stranger = rng.normal(size=kernel.shape).astype(np.float32)
    own, other = marks(conv(view, kernel)), marks(conv(view, stranger))

    assert likeness(own, other) < SMALLEST_SHARE


def test_operator_is_known_by_its_largest_weight(view: Look, kernel: Array) -> None:
    """Biases that a converter rewrites do not hide the kernel; a shape is no weight."""
    bare = conv(view, kernel)
    biased = view(
        "(float[1,3,8,8] x) => (y) { y = Conv(x, k, b) }",
        k=kernel,
        b=np.ones(4, np.float32),
    ).operators[1]

    assert weight_keys([bare]) == weight_keys([biased]) == {1: bits_hash(kernel)}


def test_small_constants_are_no_weights(view: Look) -> None:
    """An operator that has only an axis and a scalar is not known by them."""
    operator = view(
        "(float[1,4] x) => (y) { y = ReduceSum(x, axes) }", axes=np.int64([1])
    ).operators[1]

    assert kernels(operator) == ()
    assert weight_keys([operator]) == {}
    assert fingerprints([operator]) == {}
