"""Weights that are the same byte for byte need no hash."""

from collections.abc import Callable

import numpy as np
import pytest

from analyzer.core.types import Array
from analyzer.matching.twins import same_bytes, twins
from analyzer.view import View

PRODUCTS = "(float[1,16] x) => (y) { a = MatMul(x, k) y = MatMul(a, l) }"
OTHER_ORDER = "(float[1,16] x) => (y) { a = MatMul(x, l) y = MatMul(a, k) }"


@pytest.fixture
def weights() -> dict[str, Array]:
    """Two kernels of one shape."""
    rng = np.random.default_rng(0)
    return {name: rng.standard_normal((16, 16)).astype(np.float32) for name in "kl"}


def test_twins_are_found_wherever_they_stand(
    view: Callable[..., View], weights: dict[str, Array]
) -> None:
    """The bytes say who it is, not the place."""
    one, other = view(PRODUCTS, **weights), view(OTHER_ORDER, **weights)

    assert set(twins(one.operators, other.operators)) == {(1, 2), (2, 1)}


def test_weight_that_stands_twice_has_no_twin(
    view: Callable[..., View], weights: dict[str, Array]
) -> None:
    """Which of two equal ones is meant, bytes cannot say."""
    one = view(PRODUCTS, k=weights["k"], l=weights["k"])

    assert list(twins(one.operators, one.operators)) == []


def test_one_changed_bit_is_another_weight(weights: dict[str, Array]) -> None:
    """A glance at a few elements proves nothing; every byte is compared."""
    kernel = weights["k"]
    changed = kernel.copy()
    changed.view(np.uint32).reshape(-1)[-2] ^= 1

    assert same_bytes(kernel, kernel.copy())
    assert not same_bytes(kernel, changed)
