"""What each sample shows, and which samples to look at first."""

import numpy as np

from analyzer.core.types import TensorPair
from analyzer.matching.tensors import Link
from analyzer.samples import gaps_on, largest, ordinary_errors, telling, worst_first

ROW = np.float32([[1.0, 2.0, 4.0]])
ERRORS = [{"a": 0.1, "y": 0.0}, {"a": 0.0, "y": 0.2}, {"a": 0.3, "y": 0.0}]


def test_error_is_that_of_the_pair_in_its_layout() -> None:
    """Carried over, the source's value is compared; another size is infinitely wrong."""
    links = {
        "a": Link(TensorPair("a", "a", (1, 0)), 1.0, ()),
        "b": Link(TensorPair("a", "b"), 1.0, ()),
        "c": Link(TensorPair("absent", "c"), 1.0, ()),
        "d": Link(TensorPair("a", "d", (0, 2, 1)), 1.0, ()),
    }
    seen = {"a": ROW.T, "b": ROW * 1.5, "c": ROW, "d": ROW}

    assert ordinary_errors(links, {"a": ROW}, seen) == {"a": 0.0, "b": 0.5, "d": np.inf}


def test_gap_is_that_of_a_pivot_from_its_own_runtime() -> None:
    """A sample that a native runtime refused has none."""
    native = ({"y": ROW},), ()

    assert gaps_on(0, {"y": ROW * 2}, {"y": ROW}, native) == (1.0, 0.0)
    assert gaps_on(1, {"y": ROW}, {"y": ROW}, native) == (0.0, 0.0)


def test_sample_with_the_worst_output_is_isolated_first() -> None:
    """Then the one that is worst inside."""
    assert worst_first(ERRORS, ("y",)) == (1, 2, 0)


def test_largest_error_is_taken_over_all_samples() -> None:
    """Tensor by tensor."""
    assert largest(ERRORS) == {"a": 0.3, "y": 0.2}


def test_plainest_samples_are_kept_as_evidence() -> None:
    """By the tensors that deviate alone, three at most."""
    assert telling((7, 8, 9), ERRORS, {"a"}) == (9, 7, 8)
    assert len(telling(range(5), [{}] * 5, ())) == 3
