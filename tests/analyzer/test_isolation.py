"""Fed the source's values, a region is right or wrong on its own account."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from analyzer.core.errors import RunError
from analyzer.core.types import TensorPair
from analyzer.isolation import Isolated, Kind, cuts, feasible, settle
from analyzer.matching.operators import OperatorPair
from analyzer.matching.tensors import Link
from analyzer.sides import isolation_run

Bench = Callable[..., SimpleNamespace]
ROW = np.linspace(-1.0, 1.0, 8, dtype=np.float32).reshape(2, 4)
CHAIN = "(float[2,4] x) => (y) { a = Abs(x) b = Exp(a) c = Tanh(b) y = Neg(c) }"


def settled(one: SimpleNamespace) -> Isolated:
    """Return what the isolation rounds leave of a bench."""
    return settle(
        one.source, one.target, one.given, one.feeds, one.seen, one.operators, one.ends
    )


def test_error_does_not_travel_past_a_cut(bench: Bench) -> None:
    """Behind the broken operator every region is right again."""
    one = bench(CHAIN, CHAIN.replace("Exp", "Sin"), ROW)
    fed = cuts(one.links, one.given, one.target.view, one.known)
    seen = isolation_run(one.target, fed, one.feeds)

    assert not np.allclose(one.seen["c"], one.given["c"])
    assert not np.allclose(seen["b"], one.given["b"])
    assert np.allclose(seen["c"], one.given["c"])
    assert np.allclose(seen["y"], one.given["y"])


def test_cut_is_fed_in_the_targets_layout_and_type(bench: Bench) -> None:
    """A half-precision target that works on the transpose takes the source's values so."""
    one = bench(
        CHAIN,
        "(float[2,4] x) => (y) { h = Cast<to=10>(x) t = Transpose<perm=[1,0]>(h)"
        " a = Abs(t) b = Exp(a) c = Tanh(b) d = Neg(c) e = Transpose<perm=[1,0]>(d)"
        " y = Cast<to=1>(e) }",
        ROW,
    )
    fed = cuts(one.links, one.given, one.target.view, one.known)

    assert fed["a"].dtype == np.float16
    assert np.array_equal(fed["a"], np.abs(ROW).T.astype(np.float16))


def test_value_of_another_rank_is_no_cut(bench: Bench) -> None:
    """A region that expects four axes is not fed two."""
    one = bench(CHAIN, CHAIN, ROW)
    odd = one.known | {"a": Kind("float32", 4)}

    assert "a" not in cuts(one.links, one.given, one.target.view, odd)


def test_right_pairs_settle_in_one_round(bench: Bench) -> None:
    """A fault with right neighbours leaves its pair standing: somebody reads it rightly."""
    found = settled(bench(CHAIN, CHAIN.replace("Exp", "Sin"), ROW))

    assert found.rounds == 1
    assert {name: link.tensors.source for name, link in found.links.items()} == {
        "x": "x",
        "a": "a",
        "b": "b",
        "c": "c",
        "y": "y",
    }


def test_wrong_pairs_are_refuted_and_healed(bench: Bench) -> None:
    """Behind a fault no value agrees at first; isolation shows which pairs were wrong."""
    text = CHAIN.replace("y = Neg(c)", "d = Log(c) e = Exp(d) y = Sin(e)")
    one = bench(text, text.replace("a = Abs(x)", "a = Sin(x)"), ROW)
    one.operators = [
        OperatorPair(source, target, ("structure before",))
        for source, target in {0: 0, 1: 1, 2: 2, 3: 4, 4: 3, 5: 5, 6: 6}.items()
    ]
    found = settled(one)

    assert found.rounds > 1
    assert {name: link.tensors.source for name, link in found.links.items()} == {
        name: name for name in "xabcdey"
    }


def test_refused_cut_is_given_up(bench: Bench) -> None:
    """A value that a node does not take was paired wrongly; the rest is still compared."""
    text = "(float[2,4] x) => (y) { a = Abs(x) b = MatMul(a, w) y = Neg(b) }"
    one = bench(text, text, ROW, {"w": np.ones((4, 3), np.float32)})
    wrong = Link(TensorPair("b", "a", None, None), 0.5, ("structure before",))
    links = {**one.links, "a": wrong}
    left, fed, seen = feasible(one.target, links, one.given, one.feeds, one.known)

    assert "a" not in left
    assert "a" not in fed
    assert np.allclose(seen["y"], one.given["y"])


def test_node_that_refuses_without_being_fed_is_an_error(bench: Bench) -> None:
    """Nothing is left to give up."""
    text = "(float[2,4] x) => (y) { a = Abs(x) b = MatMul(a, w) y = Neg(b) }"
    one = bench(text, text, ROW, {"w": np.ones((4, 3), np.float32)})
    narrow = {"x": ROW[:, :2]}
    links = {"x": one.links["x"]}

    with pytest.raises(RunError):
        feasible(one.target, links, {"x": ROW[:, :2]}, narrow, one.known)


def test_two_faults_in_a_row_keep_the_pair_their_weights_vouch_for(
    bench: Bench, rng: np.random.Generator
) -> None:
    """Neither region around it is right, but its kernel says who it is."""
    text = "(float[2,4] x) => (y) { a = MatMul(x, w) b = MatMul(a, v) y = Tanh(b) }"
    ours = {name: rng.normal(size=(4, 4)).astype(np.float32) for name in "wv"}
    damaged = {name: array.copy() for name, array in ours.items()}
    damaged["w"][:, 0] *= 5
    damaged["v"][0] *= 5
    found = settled(bench(text, text, ROW, ours, damaged))

    assert found.links["a"].tensors.source == "a"
    assert found.links["b"].tensors.source == "b"


def test_layer_that_computes_in_other_sizes_is_not_put_back(
    bench: Bench, rng: np.random.Generator
) -> None:
    """Its kernel says who it is, and what reads it would come out in other sizes."""
    ours = (
        "(float[1,2,4,4] x) => (y) { r = Reshape(x, s)"
        " t = Transpose<perm=[3,5,0,1,2,4]>(r)"
        " u = Reshape(t, blocks) a = Conv<pads=[1,1,1,1]>(u, w) v = Reshape(a, split)"
        " z = Transpose<perm=[2,3,4,0,5,1]>(v) b = Reshape(z, whole)"
        " d = Slice(b, low, high) c = Add(d, o) y = Tanh(c) }"
    )
    theirs = "(float[1,2,4,4] x) => (y) { a = Conv<pads=[1,1,1,1]>(x, w, o) y = Tanh(a) }"
    sizes = {
        "s": np.int64([1, 2, 2, 2, 2, 2]),
        "blocks": np.int64([4, 2, 2, 2]),
        "split": np.int64([2, 2, 1, 2, 2, 2]),
        "whole": np.int64([1, 2, 4, 4]),
        "low": np.int64([0, 0, 0, 0]),
        "high": np.int64([1, 2, 4, 4]),
    }
    weight = rng.normal(size=(2, 2, 3, 3)).astype(np.float32)
    image = rng.normal(size=(1, 2, 4, 4)).astype(np.float32)
    offset = np.float32([0.5, -2.0])
    known = {**sizes, "w": weight, "o": offset.reshape(1, 2, 1, 1)}
    found = settled(bench(ours, theirs, image, known, {"o": offset})).links

    assert "a" not in found or found["a"].tensors.source != "a"


def test_layout_that_does_not_fit_is_no_cut(bench: Bench) -> None:
    """A pair whose shapes cannot be carried over feeds nothing."""
    one = bench(CHAIN, CHAIN, ROW)
    link = one.links["a"]
    odd = replace(link, tensors=replace(link.tensors, shape=(5,)))

    assert "a" not in cuts({"a": odd}, one.given, one.target.view, one.known)


def test_truth_value_does_not_refute_what_structure_pairs(bench: Bench) -> None:
    """A mean that is too small is still no less than nothing: it is told by its place."""
    text = (
        "(float[2,4] x) => (y) {{ a = Abs(x) {} m = ReduceMean<keepdims = 0>({})"
        " y = Greater(m, zero) }}"
    )
    given = {"zero": np.float32(0.0), "step": np.float32(4e-4), "mid": np.uint8(128)}
    grid = "q = QuantizeLinear(a, step, mid) k = DequantizeLinear(q, step, mid)"
    clipped = text.format(grid, "k")
    found = settled(bench(text.format("", "a"), clipped, ROW, given))

    assert found.links["m"].tensors.source == "m"
