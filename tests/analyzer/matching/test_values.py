"""Tensors that hold the same numbers are the same tensor, whatever their axes' order."""

import numpy as np
import pytest

from analyzer.core.types import Array
from analyzer.matching.layouts import Layout
from analyzer.matching.values import ValueMatch, is_telling, value_matches


@pytest.fixture
def image(rng: np.random.Generator) -> Array:
    """A float tensor of shape [1, 2, 3, 4]."""
    return rng.normal(size=(1, 2, 3, 4)).astype(np.float32)


def test_tensor_is_found_in_another_layout(image: Array) -> None:
    """Channels last, under another name, among strangers."""
    source = {"a": image, "b": image + 1, "c": image[..., :2]}
    (match,) = value_matches(source, {"z": image.transpose(0, 2, 3, 1)}, "z", source)

    assert match == ValueMatch("a", "z", Layout((0, 2, 3, 1), None), 0.0)


def test_every_holder_of_the_values_is_named(image: Array) -> None:
    """A copy cannot be told from its original by values."""
    source = {"a": image, "copy": image}
    found = value_matches(source, {"z": image}, "z", source)

    assert {match.source for match in found} == {"a", "copy"}


def test_rounding_does_not_hide_a_tensor(image: Array) -> None:
    """A hundred layers of float32 drift are still the same tensor."""
    drifted = image * np.float32(1.002)

    assert len(list(value_matches({"a": image}, {"z": drifted}, "z", "a"))) == 1


def test_same_statistics_are_not_the_same_values(image: Array) -> None:
    """Elements in an order that no permutation of axes gives are other values."""
    shuffled = np.sort(image.ravel()).reshape(image.shape)

    assert list(value_matches({"a": image}, {"z": shuffled}, "z", "a")) == []


@pytest.mark.parametrize(
    ("array", "telling"),
    [
        (np.float32([1, 2, 3, 4]), True),
        (np.float32([1, 1, 1, 1]), False),
        (np.float32([1, 2]), False),
        (np.arange(8), True),
        (np.arange(7), False),
        (np.array([True, False] * 8), False),
        (np.array(["a", "b", "c", "d"]), False),
    ],
)
def test_few_distinct_values_say_nothing(array: Array, telling: bool) -> None:  # noqa: FBT001 - the expected answer
    """Masks, constants and small integers coincide by chance."""
    assert is_telling(array) is telling


def test_tensors_without_numbers_pair_with_each_other(image: Array) -> None:
    """Infinity stands where it stood: the same overflow is the same tensor."""
    overflown = np.where(image > 0, np.inf, image).astype(np.float32)
    source = {"a": image, "b": overflown}

    assert [m.source for m in value_matches(source, {"z": overflown}, "z", source)] == ["b"]
