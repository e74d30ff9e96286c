"""Noise floors of many regions come from one run, and are each region's own."""

from collections.abc import Callable

import numpy as np
import pytest

from analyzer import floors
from analyzer.floors import region_floors
from analyzer.sides import Side

CHAIN = "(float[1,4] x) => (y) { a = Exp(x) b = Mul(a, a) y = Tanh(b) }"


@pytest.fixture
def chain(side: Callable[..., Side]) -> Side:
    """Three operators in a row."""
    return side(CHAIN)


X = np.float32([[0.1, 0.2, 0.3, 0.4]])
A = np.exp(X)
KNOWN = {"x": X, "a": A, "b": A * A, "y": np.tanh(A * A)}


def test_one_run_measures_every_region(
    chain: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session each would make the cost quadratic in the regions."""
    asked: list[list[str]] = []
    real = floors.noise_floor

    def counted(
        model: object, folder: object, samples: object, names: list[str], **rest: object
    ) -> object:
        asked.append(list(names))
        return real(model, folder, samples, names, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(floors, "noise_floor", counted)
    found = region_floors(chain, ["y", "a", "b"], KNOWN, 0)

    assert asked == [["a", "b", "y"]]
    assert found.keys() == {"a", "b", "y"}


def test_floor_is_of_the_region_not_of_what_is_before_it(chain: Side) -> None:
    """Tanh near one flattens the rounding of what it reads."""
    found = region_floors(chain, ["b", "y"], KNOWN, 0)

    assert 0.0 < found["y"] < found["b"] < 1e-6


def test_regions_that_do_not_fit_together_are_measured_apart(
    chain: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With no room at all each is a run of its own, and the floors are there."""
    monkeypatch.setattr(floors, "TOGETHER", 1)

    assert region_floors(chain, ["a", "b"], KNOWN, 0).keys() == {"a", "b"}
