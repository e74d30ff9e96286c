"""What both models compute alike is known of the target without a run."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest

from analyzer.congruence import Congruence, Sameness, congruence_of
from analyzer.core.types import Array
from analyzer.isolation import cuts
from analyzer.sides import isolation_run

Bench = Callable[..., SimpleNamespace]
ROW = np.linspace(-1.0, 1.0, 4, dtype=np.float32).reshape(1, 4)
KERNEL = np.linspace(-2.0, 1.0, 16, dtype=np.float32).reshape(4, 4)
WEIGHTS = {"k": KERNEL, "m": KERNEL.T.copy()}
CHAIN = "(float[1,4] x) => (y) { a = MatMul(x, k) b = Tanh(a) c = MatMul(b, m) y = Exp(c) }"


def congruence(one: SimpleNamespace) -> Congruence:
    """Return the congruence of a bench."""
    return congruence_of(one.source.view, one.target.view, {"x": "x"})


def flowing(one: SimpleNamespace) -> dict[str, Array]:
    """Return what is known of an ordinary run of the target."""
    return congruence(one).values({}, {}, one.given, one.feeds)


def isolated(one: SimpleNamespace) -> dict[str, Array]:
    """Return what is known of the target's regions, each fed the source's values."""
    fed = cuts(one.links, one.given, one.target.view, one.known)
    return congruence(one).values(one.links, fed, one.given, one.feeds)


def test_everything_is_known_of_a_copy_whatever_its_names(bench: Bench) -> None:
    """Names and their order are no part of what is computed."""
    renamed = (
        "(float[1,4] x) => (y) { p = MatMul(x, r) q = Tanh(p) t = MatMul(q, s) y = Exp(t) }"
    )
    one = bench(CHAIN, renamed, ROW, WEIGHTS, {"r": KERNEL, "s": KERNEL.T.copy()})

    known = flowing(one)
    assert known.keys() == {"p", "q", "t", "y"}
    assert all(np.array_equal(value, one.seen[name]) for name, value in known.items())


def test_nothing_is_known_behind_a_changed_weight(bench: Bench) -> None:
    """What is before it needs no run; what depends on it does."""
    one = bench(CHAIN, CHAIN, ROW, WEIGHTS, {"m": KERNEL})

    assert flowing(one).keys() == {"a", "b"}


def test_fed_the_sources_values_only_the_changed_region_is_unknown(bench: Bench) -> None:
    """The region behind it reads the source's value, and is the source's region."""
    one = bench(CHAIN, CHAIN, ROW, WEIGHTS, {"m": KERNEL})

    assert isolated(one).keys() == {"a", "b", "y"}


def test_run_of_what_is_unknown_gives_what_a_whole_run_gives(bench: Bench) -> None:
    """Left out or not, a node's result is the same, bit by bit."""
    one = bench(CHAIN, CHAIN, ROW, WEIGHTS, {"m": KERNEL})
    fed = cuts(one.links, one.given, one.target.view, one.known)
    whole = isolation_run(one.target, fed, one.feeds)
    part = isolation_run(one.target, fed, one.feeds, isolated(one))

    for name in ("a", "b", "c", "y"):
        assert np.array_equal(whole[name], part[name])


def test_copy_is_not_run_at_all(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where everything is known no session is opened."""
    one = bench(CHAIN, CHAIN, ROW, WEIGHTS)
    monkeypatch.delattr("analyzer.sides.open_dumping")
    seen = isolation_run(one.target, {}, one.feeds, flowing(one))

    assert {name: seen[name].tolist() for name in one.seen} == {
        name: value.tolist() for name, value in one.seen.items()
    }


@pytest.mark.parametrize(
    "target",
    [
        CHAIN.replace("Tanh(a)", "Sin(a)"),
        CHAIN.replace("MatMul(x, k)", "MatMul(x, m)"),
        CHAIN.replace("Tanh(a)", "Tanh(x)"),
    ],
)
def test_another_operator_weight_or_edge_is_not_the_same(bench: Bench, target: str) -> None:
    """Whatever a step reads or is, all of it must be the source's."""
    assert "b" not in flowing(bench(CHAIN, target, ROW, WEIGHTS))


def test_another_setting_is_not_the_same(bench: Bench) -> None:
    """A default that is written out is the same setting."""
    written = "(float[1,4] x) => (y) { y = LeakyRelu<alpha=%s>(x) }"
    plain = "(float[1,4] x) => (y) { y = LeakyRelu(x) }"

    assert flowing(bench(plain, written % "0.01", ROW)).keys() == {"y"}
    assert flowing(bench(plain, written % "0.02", ROW)) == {}


def test_weight_that_differs_in_one_bit_is_not_the_same(bench: Bench) -> None:
    """A table too large to be told by all its bytes is compared by all of them."""
    table = np.ones((4, 1024), np.float32)
    other = table.copy()
    other[3, 777] = np.nextafter(np.float32(1), np.float32(2))
    text = "(float[1,4] x) => (y) { y = MatMul(x, t) }"

    assert flowing(bench(text, text, ROW, {"t": table})).keys() == {"y"}
    assert flowing(bench(text, text, ROW, {"t": table}, {"t": other})) == {}


def test_random_numbers_are_never_known(bench: Bench) -> None:
    """Two runs of the very same node do not agree."""
    text = "(float[1,4] x) => (y) { n = RandomNormalLike(x) y = Add(x, n) }"

    assert flowing(bench(text, text, ROW)) == {}


def test_two_arrays_are_compared_once() -> None:
    """The second answer costs no look at them."""
    same, one = Sameness(), np.arange(4.0)
    other = one.copy()
    before = same(one, other)
    other[0] = 9.0

    assert before
    assert same(one, other)
    assert not same(one, other.copy())
