"""The numbers of a product, wherever the two models have them."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest

from analyzer.core.types import Difference, Fault

Bench = Callable[..., SimpleNamespace]
Located = Callable[..., tuple[Fault, ...]]
X = np.random.default_rng(7).normal(size=(2, 4)).astype(np.float32)
SOURCE = "(float[2,4] x) => (y) { t = Erf(x) h = Mul(x, c) y = Mul(h, t) }"


@pytest.fixture
def blamed(bench: Bench, located: Located) -> Callable[..., list[Difference]]:
    """The differences that cure the only fault of a target's text and its number."""

    def find(target: str, number: float) -> list[Difference]:
        right, wrong = np.float32(0.5), np.float32(number)
        faults = located(bench(SOURCE, target, X, {"c": right}, {"c": wrong}))
        (fault,) = faults
        return [one for one in fault.differences if fault.is_cured_by(one)]

    return find


@pytest.mark.parametrize(
    ("target", "number", "right"),
    [
        ("t = Erf(x) h = Mul(x, t) y = Mul(h, c)", 0.125, 0.5),
        ("t = Erf(x) h = Mul(t, x) y = Div(h, c)", 0.5, 2.0),
        ("t = Erf(x) h = Mul(x, t) y = Mul(h, c)", 0.0, 0.5),
    ],
)
def test_number_is_blamed_wherever_it_stands(
    blamed: Callable[..., list[Difference]], target: str, number: float, right: float
) -> None:
    """The product of all numbers tells what this one has to be."""
    (found,) = blamed(f"(float[2,4] x) => (y) {{ {target} }}", number)

    assert isinstance(found.source, np.ndarray)
    assert float(found.source) == pytest.approx(right)


def test_product_of_other_tensors_has_no_wrong_number(
    blamed: Callable[..., list[Difference]],
) -> None:
    """Where a factor is missing, no number makes up for it."""
    twice = "(float[2,4] x) => (y) { t = Erf(x) h = Mul(t, t) y = Mul(h, c) }"

    assert not blamed(twice, 0.125)
