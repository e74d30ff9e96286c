"""From one certain pair, the pairs around it follow."""

from collections.abc import Callable

from analyzer.matching.operators import fits
from analyzer.matching.propagate import propagate
from analyzer.view import View

Look = Callable[..., View]
CHAIN = "(float[4] x) => (y) { a = Relu(x) b = Exp(a) y = Neg(b) }"


def test_pairs_follow_along_a_chain(view: Look) -> None:
    """The seed in the middle reaches both ends."""
    found = propagate(view(CHAIN), view(CHAIN), {2: 2}, fits)

    assert found == {2: 2, 1: 1, 3: 3}


def test_seeds_stay(view: Look) -> None:
    """A certain pair is never given up for what a neighbour suggests."""
    found = propagate(view(CHAIN), view(CHAIN), {2: 2, 3: 1}, fits)

    assert found == {2: 2, 3: 1}


def test_misfit_stops_the_walk(view: Look) -> None:
    """An operator of another kind is not paired, and nothing behind it is."""
    other = view("(float[4] x) => (y) { a = Relu(x) b = Log(a) y = Neg(b) }")

    assert propagate(view(CHAIN), other, {1: 1}, fits) == {1: 1}


def test_operands_are_paired_by_place(view: Look) -> None:
    """Of two rectifiers under a subtraction, the first belongs to the first."""
    text = "(float[4] x, float[4] z) => (y) { a = Relu(x) b = Relu(z) y = Sub(a, b) }"
    found = propagate(view(text), view(text), {4: 4}, fits)

    assert found == {4: 4, 2: 2, 3: 3}


def test_twins_under_a_sum_are_left_open(view: Look) -> None:
    """Operands of a sum have no order, and nothing else tells these apart."""
    text = "(float[4] x, float[4] z) => (y) { a = Relu(x) b = Relu(z) y = Add(a, b) }"

    assert propagate(view(text), view(text), {4: 4}, fits) == {4: 4}


def test_only_one_of_its_kind_is_paired_among_readers(view: Look) -> None:
    """Readers have no order, but an exponential among rectifiers is known."""
    text = "(float[4] x) => (p, q, r) { a = Neg(x) p = Relu(a) q = Relu(a) r = Exp(a) }"

    assert propagate(view(text), view(text), {1: 1}, fits) == {1: 1, 4: 4}
