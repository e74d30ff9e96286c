"""Inputs and outputs of two models belong together by name, shape, layout or place."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from analyzer.core.report import InputPair
from analyzer.core.types import Pivot
from analyzer.matching.ends import input_pairs, output_names, target_feeds

Make = Callable[..., Pivot]


@pytest.mark.parametrize(
    ("target", "pair"),
    [
        ("float[1,3,8,8] x", InputPair("x", "x", None, "name")),
        ("float[1,3,8,8] z", InputPair("x", "z", None, "shape")),
        ("float[n,3,h,w] z", InputPair("x", "z", None, "shape")),
        ("float16[1,3,8,8] z", InputPair("x", "z", None, "shape")),
        ("float[1,8,8,3] x", InputPair("x", "x", (0, 2, 3, 1), "name")),
        ("float[1,8,8,3] z", InputPair("x", "z", (0, 2, 3, 1), "layout")),
        ("float[7] z", InputPair("x", "z", None, "place")),
    ],
)
def test_input_is_paired_by_its_best_evidence(
    pivot: Make, target: str, pair: InputPair
) -> None:
    """By name, else by shape, else by another order of axes, else by place."""
    source = pivot("(float[1,3,8,8] x) => (y) { y = Identity(x) }", "one")
    other = target[-1]
    found = input_pairs(
        source, pivot(f"({target}) => (y) {{ y = Identity({other}) }}", "two")
    )

    assert found == (pair,)


def test_open_sizes_lie_on_each_other(pivot: Make) -> None:
    """Where each side fixes what the other leaves open, the axes are in another order."""
    source = pivot("(float[6,n,4] x) => (y) { y = Identity(x) }", "one")
    target = pivot("(float[n,6,4] x) => (y) { y = Identity(x) }", "two")

    assert input_pairs(source, target) == (InputPair("x", "x", (1, 0, 2), "name"),)


def test_names_go_before_places(pivot: Make) -> None:
    """Two inputs listed the other way round are not exchanged."""
    one = pivot("(float[2] a, float[2] b) => (y) { y = Sub(a, b) }", "one")
    other = pivot("(float[2] b, float[2] a) => (y) { y = Sub(a, b) }", "two")

    assert [(p.source, p.target) for p in input_pairs(one, other)] == [
        ("a", "a"),
        ("b", "b"),
    ]


def test_input_without_counterpart_is_left(pivot: Make) -> None:
    """Two inputs cannot feed one."""
    one = pivot("(float[2] a, float[2] b) => (y) { y = Sub(a, b) }", "one")
    other = pivot("(float[2] b) => (y) { y = Neg(b) }", "two")

    assert [(p.source, p.target) for p in input_pairs(one, other)] == [("b", "b")]


@pytest.mark.parametrize(
    ("ours", "theirs", "pairs"),
    [
        ("p, q", "q, p", (("p", "p"), ("q", "q"))),
        ("p, q", "m, n", (("p", "m"), ("q", "n"))),
        ("p, q", "n, q", (("p", "n"), ("q", "q"))),
        ("p, q", "q", (("q", "q"),)),
    ],
)
def test_outputs_are_paired_by_name_where_all_agree(
    pivot: Make, ours: str, theirs: str, pairs: tuple[tuple[str, str], ...]
) -> None:
    """Else by place: one common name among renamed ones says nothing."""
    made = []
    for name, outputs in (("one", ours), ("two", theirs)):
        body = " ".join(f"{output} = Neg(x)" for output in outputs.split(", "))
        made.append(pivot(f"(float[2] x) => ({outputs}) {{ {body} }}", name))

    assert output_names(*made) == pairs


def test_outputs_of_torch_are_paired_by_place(pivot: Make) -> None:
    """Their names are those of operators, and go with them where two are exchanged."""
    one, other = (
        pivot(f"(float[2] x) => ({outputs}) {{ tanh = Tanh(x) neg = Neg(x) }}", name)
        for name, outputs in (("one", "tanh, neg"), ("two", "neg, tanh"))
    )

    pairs = output_names(replace(one, framework="torch"), other)
    assert pairs == (("tanh", "neg"), ("neg", "tanh"))


def test_target_is_fed_in_its_own_layout_and_type(pivot: Make) -> None:
    """One sample of the source becomes one sample of the target."""
    one = pivot("(float[1,2,3] x) => (y) { y = Neg(x) }", "one")
    other = pivot("(float16[1,3,2] z) => (y) { y = Neg(z) }", "two")
    sample = {"x": np.arange(6, dtype=np.float32).reshape(1, 2, 3)}
    feeds = target_feeds(sample, input_pairs(one, other), other)

    assert feeds["z"].dtype == np.float16
    assert feeds["z"].tolist() == [[[0, 3], [1, 4], [2, 5]]]
