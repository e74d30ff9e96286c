"""Deviations are relative to the source, and no special value hides one."""

import numpy as np
import pytest

from analyzer.runtime.metrics import (
    label_disagreement,
    max_abs_error,
    relative_error,
)


def test_error_is_relative_to_the_largest_expected_magnitude() -> None:
    """An error of 1 in a tensor whose largest magnitude is 4 is 0.25."""
    observed, expected = np.float32([1.0, -4.0]), np.float32([2.0, -4.0])

    assert relative_error(observed, expected) == 0.25


def test_a_zero_reference_makes_the_error_absolute() -> None:
    """Against zeros, the error is the largest magnitude observed."""
    assert relative_error(np.float32([0.0, -3.0]), np.zeros(2, np.float32)) == 3.0


def test_an_observed_nan_is_infinitely_wrong() -> None:
    """A NaN where the source has a number cannot pass a tolerance."""
    assert relative_error(np.float32([np.nan, 1]), np.float32([0, 1])) == np.inf


def test_the_same_infinity_on_both_sides_is_no_error() -> None:
    """Masks of minus infinity compare by their place, the rest by value."""
    mask = np.float32([-np.inf, 2.0])

    assert relative_error(mask.copy(), mask) == 0.0
    assert relative_error(-mask, mask) == np.inf


def test_infinity_beside_an_error_does_not_hide_it() -> None:
    """The finite values keep their own scale."""
    observed, expected = np.float32([-np.inf, 3.0]), np.float32([-np.inf, 2.0])

    assert relative_error(observed, expected) == 0.5


def test_another_shape_is_infinitely_wrong() -> None:
    """A transposed output is no small error, even where it would broadcast."""
    assert relative_error(np.zeros((1, 3)), np.zeros((3, 1))) == np.inf


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64, np.uint8])
def test_every_number_type_is_measured_alike(dtype: type) -> None:
    """Unsigned integers do not wrap, and half precision does not overflow."""
    observed, expected = np.array([1, 200], dtype), np.array([2, 200], dtype)

    assert relative_error(observed, expected) == 0.005


def test_half_precision_does_not_overflow() -> None:
    """60000 against -60000 is a deviation of 120000, which float16 cannot hold."""
    large = np.float16([60000])

    assert relative_error(large, -large) == pytest.approx(2.0)


def test_dtypes_may_differ() -> None:
    """A float output against an integer one is compared by value."""
    assert relative_error(np.float32([1, 2]), np.int64([1, 2])) == 0.0


def test_booleans_differ_by_one() -> None:
    """A flipped flag is an error of 1."""
    assert relative_error(np.array([True, False]), np.array([True, True])) == 1.0


def test_strings_are_equal_or_not() -> None:
    """A label that differs is infinitely wrong."""
    cat, dog = np.array(["cat"], object), np.array(["dog"], object)

    assert relative_error(cat, cat.copy()) == 0.0
    assert relative_error(cat, dog) == np.inf


def test_empty_arrays_are_equal() -> None:
    """No detections against no detections is no error."""
    assert relative_error(np.zeros((0, 4), np.float32), np.zeros((0, 4), np.float32)) == 0.0


def test_absolute_error_keeps_the_unit() -> None:
    """The absolute deviation is not divided by anything."""
    assert max_abs_error(np.float32([10.0]), np.float32([7.0])) == 3.0


def test_labels_that_differ_are_counted() -> None:
    """One of two samples changes its arg-max."""
    first = (np.float32([[0.1, 0.9]]), np.float32([[0.2, 0.8]]))
    second = (np.float32([[0.1, 0.9]]), np.float32([[0.6, 0.4]]))

    assert label_disagreement([first, second]) == 0.5


def test_images_have_no_labels() -> None:
    """A feature map is not a list of scores."""
    image = np.zeros((1, 8, 8, 3), np.float32)

    assert label_disagreement([(image, image)]) is None


@pytest.mark.parametrize("fill", [-1e4, -1e9, float(np.finfo(np.float32).min)])
def test_fill_of_a_mask_is_no_scale(fill: float) -> None:
    """Beside masked places, scores of 2 that are off by 1 are off by a half."""
    expected = np.float32([2.0, -1.0, fill, fill])

    assert relative_error(np.float32([1.0, -1.0, fill, fill]), expected) == 0.5


def test_several_fills_are_no_scale() -> None:
    """A causal and a padding mask write two numbers, and their sum where both apply."""
    fills = [-1e9, -1e9, -1e4, -1e4, -1e9 - 1e4, -1e9 - 1e4]
    expected = np.float32([2.0, *fills])

    assert relative_error(np.float32([1.0, *fills]), expected) == 0.5


def test_fill_counts_against_itself() -> None:
    """A score beside -1e4 moves it by one in ten thousand, not by half a score."""
    expected = np.float32([2.0, -1e4, -1e4])

    assert relative_error(np.float32([2.0, -9999.0, -1e4]), expected) == pytest.approx(1e-4)


def test_large_number_that_stands_alone_is_the_scale() -> None:
    """One activation of a million is no mask: it is a large activation."""
    expected = np.float32([2.0, 1e6])

    assert relative_error(np.float32([1.0, 1e6]), expected) == pytest.approx(1e-6)
