"""The numbers of a product, wherever the two models have them."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from analyzer.core.types import Array, Difference, Fault, Node, Region, TensorPair
from analyzer.factors import factor_differences

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


def right_numbers(ours: Region, theirs: Region) -> list[float]:
    """Return the numbers with which the target's product would be the source's."""
    fault = SimpleNamespace(source=ours, target=theirs, edges=(TensorPair("t0", "t0"),))
    found = [one.source for one in factor_differences(cast("Fault", fault))]
    return [float(np.asarray(one)) for one in found]


def multiplied(*steps: tuple[str, Array | None]) -> Region:
    """Return products, each of what the one before gives; None: of it and itself."""
    nodes = [
        Node(
            f"n{at}", op, "", 18,
            (f"t{at}", f"t{at}" if number is None else f"c{at}"), (f"t{at + 1}",),
            {}, {} if number is None else {1: np.asarray(number)},
        )
        for at, (op, number) in enumerate(steps)
    ]  # fmt: skip
    return Region(tuple(nodes), ("t0",), (f"t{len(nodes)}",))


def test_number_that_is_squared_counts_twice() -> None:
    """Half of the input, squared, is a quarter of the input's square."""
    ours = multiplied(("Mul", None), ("Mul", np.float32(0.25)))
    theirs = multiplied(("Mul", np.float32(3)), ("Mul", None))

    assert right_numbers(ours, theirs) == [0.5]


def test_number_of_a_product_of_integers_is_whole() -> None:
    """In float64, 1 / (1 / 93) is less than 93: cut off, it would be 92."""
    ours = multiplied(("Mul", np.int64(1)))
    theirs = multiplied(("Div", np.int64(93)), ("Mul", np.int64(7)))

    assert right_numbers(ours, theirs) == [93, 7]


def test_long_product_is_read_in_one_pass() -> None:
    """Forty squarings in a row read the input 2**40 times."""
    squares = [("Mul", None)] * 40
    ours = multiplied(*squares, ("Mul", np.float32(2)))

    assert right_numbers(ours, multiplied(*squares, ("Mul", np.float32(3)))) == [2]


def test_number_that_is_no_number_is_no_factor() -> None:
    """A constant that holds several numbers is no factor, nor is one that holds none."""
    ours = multiplied(("Mul", np.float32(2)), ("Mul", None))
    cast_like = Node(
        "k", "CastLike", "", 18, ("c", "t0"), ("k",), {}, {0: np.zeros((1, 0))}
    )
    product = Node("m", "Mul", "", 18, ("t0", "k"), ("t2",), {}, {})
    theirs = Region((cast_like, product), ("t0",), ("t2",))

    assert right_numbers(ours, theirs) == []


def test_product_of_other_tensors_has_no_wrong_number(
    blamed: Callable[..., list[Difference]],
) -> None:
    """Where a factor is missing, no number makes up for it."""
    twice = "(float[2,4] x) => (y) { t = Erf(x) h = Mul(t, t) y = Mul(h, c) }"

    assert not blamed(twice, 0.125)
