"""The names of the user's own files are understood, however they are analysed."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from analyzer.core.errors import UsageError
from analyzer.core.options import Options
from analyzer.pivot import load
from analyzer.prepared import prepared
from analyzer.stated import stated_pairs

JOINED = """(float[2,4] x) => (y) {
  [product] p = MatMul(x, w) [sum] s = Add(p, b)
  [cut] q, k = Split<axis = -1, num_outputs = 2>(s) y = Mul(q, k) }"""
APART = """(float[2,4] x) => (y) {
  [left] l = MatMul(x, wl) q = Add(l, bl) [right] r = MatMul(x, wr) k = Add(r, br)
  y = Mul(q, k) }"""
FUSED = "(float[2,4] x) => (y) { [norm] g = LayerNormalization(x, bl) y = Relu(g) }"
SPELLED = "(float[2,4] x) => (y) { m = ReduceMean(x) g = Sub(x, m) y = Relu(g) }"
SHAPED = """(float[2,4] x) => (y) {
  [sizes] n = Shape(x) r = Reshape(x, n) [steer] y = If (c)
  <then_branch = g () => (t) { [inside] t = Relu(r) },
   else_branch = h () => (t) { t = Neg(r) }> }"""
State = Callable[..., tuple[tuple[str, str], ...]]


@pytest.fixture
def state(
    net: Callable[..., onnx.ModelProto],
    saved: Callable[[onnx.ModelProto, str], str],
    tmp_path: Path,
) -> State:
    """What the rows of a pairs file stand for, between two models of shared weights."""
    rng = np.random.default_rng(0)
    w, b = (rng.normal(size=s).astype(np.float32) for s in ((4, 8), 8))
    halves = {"wl": w[:, :4], "wr": w[:, 4:], "bl": b[:4], "br": b[4:]}
    weights = {"w": w, "b": b, "c": np.array([True])[0], **halves}

    def run(source: str, target: str, *rows: list[str]) -> tuple[tuple[str, str], ...]:
        path = tmp_path / "pairs.json"
        path.write_text(json.dumps(rows), encoding="utf-8")
        models = [net(text, **weights) for text in (source, target)]
        files = [saved(model, name) for model, name in zip(models, "st", strict=True)]
        pivots = [load(file, trust_code=False) for file in files]
        return tuple(stated_pairs(path, prepared(*pivots, Options(), None)))

    return run


def test_names_that_both_have_stay_as_they_are(state: State) -> None:
    """A node by its name, a tensor by its own."""
    found = state(APART, APART, ["left", "right"], ["q", "k"])

    assert found == (("left", "right"), ("q", "k"))


def test_opened_node_goes_by_what_it_gives(state: State) -> None:
    """The user knows the node of the file, whose parts have names of ours."""
    assert state(FUSED, SPELLED, ["norm", "g"], ["g", "g"]) == (("g", "g"), ("g", "g"))


def test_split_of_a_product_goes_by_its_results(state: State) -> None:
    """The Split is gone where the product is written apart, what it gave is not."""
    with pytest.raises(UsageError, match=r"cut, which is compared as 2 parts .*: q, k"):
        state(JOINED, APART, ["cut", "q"])
    assert state(JOINED, APART, ["q", "q"], ["k", "k"]) == (("q", "q"), ("k", "k"))


@pytest.mark.parametrize("name", ["product", "p"])
def test_product_written_apart_says_its_parts(state: State, name: str) -> None:
    """One name for two products is not one pair, and the message says which there are."""
    with pytest.raises(
        UsageError, match=f"{name}, which .* 2 parts of the source: (.*)"
    ) as no:
        state(JOINED, APART, [name, "left"])
    parts = no.value.problem.split(": ")[1].split(", ")
    rows = [list(row) for row in zip(parts, ("left", "right"), strict=True)]

    assert state(JOINED, APART, *rows) == tuple(map(tuple, rows))


def test_products_apart_on_both_sides_are_paired_part_by_part(state: State) -> None:
    """Two names that stand for as many parts stand for those, in their order."""
    twice = JOINED.replace("y = Mul(q, k) }", "a = MatMul(x, wl) b2 = MatMul(x, wr)"
                           " c2 = Add(a, b2) d = Add(q, c2) y = Mul(d, k) }")  # fmt: skip
    found = state(twice, JOINED, ["s", "s"])

    assert len(found) == len({one for one, _ in found}) == len({one for _, one in found})


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("w", "is a constant of the source"),
        ("sizes", "the source computes without its inputs' values"),
        ("inside", "stands inside If steer of the source"),
        ("nobody", "is no node or tensor of the source"),
    ],
)
def test_name_that_nothing_is_paired_by_says_why(state: State, name: str, why: str) -> None:
    """A weight, a size and a node of a branch are the user's, though no pair has them."""
    with pytest.raises(UsageError, match=f"names {name}, which {why}"):
        state(SHAPED, SHAPED, [name, "y"])
