"""Tensor pairs: operators propose, values confirm, correct and add."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from analyzer.core.types import Array, TensorPair
from analyzer.matching.layouts import SAME, Layout, pair
from analyzer.matching.operators import OperatorPair, operator_pairs
from analyzer.matching.proposals import proposals
from analyzer.matching.tensors import (
    Link,
    agrees,
    carried_or_none,
    likeliest_layout,
    linked,
    preferred_orders,
)
from analyzer.runtime.dump import dump, instrument
from analyzer.runtime.session import open_session
from analyzer.sides import Side

Make = Callable[..., Side]
ROW = {"x": np.linspace(-1.0, 1.0, 8, dtype=np.float32).reshape(2, 4)}
BOTH_X = {"x": Link(TensorPair("x", "x", exact=True), 1.0, ("name",))}
PLAIN = "(float[2,4] x) => (y) { a = Abs(x) b = Exp(a) y = Tanh(b) }"


def values(side: Side) -> dict[str, Array]:
    """Return every tensor of a model for one input."""
    return dump(open_session(instrument(side.model), Path()), ROW)


def links(
    source: Side, target: Side, **given: frozenset[tuple[str, str]]
) -> dict[str, Link]:
    """Return the tensor pairs of two models that read the same input."""
    operators = operator_pairs(source.view, target.view, {"x": "x"})
    dumps = values(source), values(target)
    return linked(source.view, target.view, *dumps, operators, BOTH_X, **given)


def ends(found: dict[str, Link]) -> dict[str, str]:
    """Return source tensor by target tensor."""
    return {name: link.tensors.source for name, link in found.items()}


def test_same_model_is_paired_exactly(side: Make) -> None:
    """Every proposal is confirmed by its values."""
    found = links(side(PLAIN), side(PLAIN))

    assert ends(found) == {"x": "x", "a": "a", "b": "b", "y": "y"}
    assert all(link.tensors.exact and link.score > 0.9 for link in found.values())


def test_operand_of_a_paired_reader_is_paired(side: Make) -> None:
    """One side folds a sum into its giver; behind a fault only the reader knows it."""
    source = side("(float[2,4] x) => (y) { a = Abs(x) s = Add(a, x) y = Tanh(s) }")
    target = side(
        "(float[2,4] x) => (y) { a = Exp(x) s = Add(a, c) y = Tanh(s) }", c=ROW["x"]
    )
    found = links(source, target, banned=frozenset({("a", "s"), ("x", "s")}))

    assert ends(found) == {"x": "x", "s": "s", "y": "y"}
    assert found["s"].reasons == ("neighbours",)
    assert not found["s"].tensors.exact


def test_layout_is_part_of_the_pair(side: Make) -> None:
    """A target that works on the transposed input is paired through the transpose."""
    turned = side(
        "(float[2,4] x) => (y) { t = Transpose<perm=[1,0]>(x) a = Abs(t) b = Exp(a)"
        " c = Tanh(b) y = Transpose<perm=[1,0]>(c) }"
    )
    found = links(side(PLAIN), turned)

    assert found["a"].tensors == TensorPair("a", "a", (1, 0), None, exact=True)
    assert found["y"].tensors == TensorPair("y", "y", None, None, exact=True)


def test_wrong_values_leave_a_tentative_pair(side: Make) -> None:
    """Where structure speaks and values contradict, the pair is not exact."""
    broken = side("(float[2,4] x) => (y) { a = Abs(x) b = Sin(a) y = Tanh(b) }")
    found = links(side(PLAIN), broken)

    assert found["a"].tensors.exact
    assert found["y"].tensors == TensorPair("y", "y", None, None, exact=False)


def test_values_pair_what_structure_cannot(side: Make) -> None:
    """Another spelling of the same arithmetic ends in the same tensor."""
    spelled = side(
        "(float[2,4] x) => (y) { m = Neg(x) n = Max(x, m) b = Exp(n) y = Tanh(b) }"
    )
    found = links(side(PLAIN), spelled)

    assert found["n"].tensors.source == "a"
    assert found["n"].tensors.exact


def test_tensor_that_merely_resembles_another_is_not_paired(
    side: Make, rng: np.random.Generator
) -> None:
    """What layer normalization centers is within a percent of what it reads."""
    text = "(float[2,4] x) => (y) {{ h = MatMul(x, w) z = Add(h, ten) {} }}"
    wide = {
        "w": rng.normal(size=(4, 4096)).astype(np.float32),
        "ten": np.full(4096, 10, np.float32),
        "one": np.ones(4096, np.float32),
        "axes": np.int64([-1]),
    }
    fused = side(text.format("y = LayerNormalization(z, one)"), **wide)
    spelled = side(
        text.format(
            "m = ReduceMean(z, axes) d = Sub(z, m) q = Mul(d, d) v = ReduceMean(q, axes)"
            " s = Sqrt(v) y = Div(d, s)"
        ),
        **wide,
    )
    given, seen = values(fused), values(spelled)
    first = links(fused, spelled)
    found = linked(fused.view, spelled.view, given, seen, (), first)  # a later round

    assert np.abs(seen["d"] - given["h"]).max() < 0.02 * np.ptp(given["h"])
    assert "d" not in found
    assert found["y"].tensors.exact


def test_loose_pair_gives_way_to_a_closer_one(side: Make) -> None:
    """Sine and tangent of little are both little; each is still found by its own values."""
    text = "(float[2,4] x) => (y) { s = Mul(x, few) a = Sin(s) b = Tanh(s) y = Sub(a, b) }"
    one = side(text, few=np.float32(0.2))
    crossed = [
        OperatorPair(left, right, ("structure before",))
        for left, right in {0: 0, 1: 2, 2: 1, 3: 3}.items()
    ]
    dump = values(one)
    found = linked(one.view, one.view, dump, dump, crossed, BOTH_X)

    assert [one.op for one in one.view.operators] == ["Input", "Sin", "Tanh", "Sub"]
    assert (found["a"].tensors.source, found["b"].tensors.source) == ("a", "b")


def test_refuted_pair_is_not_made_again(side: Make) -> None:
    """What a run has ruled out stays out."""
    found = links(side(PLAIN), side(PLAIN), banned=frozenset({("b", "b")}))

    assert "b" not in found
    assert found["y"].tensors.source == "y"


def test_outputs_of_one_operator_are_paired_slot_by_slot(side: Make) -> None:
    """Values and indices of a TopK are not exchanged."""
    top = side("(float[2,4] x) => (v, i) { a = Exp(x) v, i = TopK(a, k) }", k=np.int64([2]))
    found = {
        proposal.target: proposal.options
        for proposal in proposals(
            top.view, top.view, operator_pairs(top.view, top.view, {"x": "x"})
        )
    }

    assert found["v"] == ("v",)
    assert found["i"] == ("i",)


def test_padding_in_a_node_of_its_own_is_not_mistaken_for_its_operator(side: Make) -> None:
    """What an operator gave before it was padded is paired too."""
    padded = side(
        "(float[2,4] x) => (y) { a = Exp(x) p = Pad(a, pads) y = Tanh(p) }",
        pads=np.int64([0, 1, 0, 1]),
    )
    found = links(padded, padded)

    assert ends(found) == {"x": "x", "a": "a", "p": "p", "y": "y"}


def test_likeliest_layout_prefers_the_usual_one() -> None:
    """Two differing square tensors are paired in the layout of the rest of the models."""
    rng = np.random.default_rng(1)
    source, target = rng.normal(size=(1, 2, 2, 2)), rng.normal(size=(1, 2, 2, 2))
    layout = likeliest_layout(source, target, [(0, 2, 3, 1)])

    assert layout.permutation in {None, (0, 2, 3, 1)}


def test_likeliest_layout_is_the_plainly_closer_one() -> None:
    """A tensor that is wrong in one element still lies as it lies."""
    source = np.arange(16, dtype=np.float32).reshape(4, 4)
    target = source.T.copy()
    target[0, 0] = 5.0

    assert likeliest_layout(source, target) == Layout((1, 0), None)


def test_permutations_are_counted() -> None:
    """The most frequent comes first; no permutation counts for none."""
    seen = [
        Link(pair("a", "b", Layout(order, None), exact=True), 1.0, ())
        for order in [None, (1, 0), (0, 2, 1), (0, 2, 1)]
    ]

    assert preferred_orders(seen) == ((0, 2, 1), (1, 0))


def test_value_that_does_not_take_a_layout_is_none() -> None:
    """Another rank or another size is refused, not forced."""
    array = np.zeros((2, 3))

    assert carried_or_none(array, Layout((0, 2, 1), None)) is None
    assert carried_or_none(array, Layout(None, (5,))) is None
    assert carried_or_none(array, SAME) is array


def test_agreement_is_that_of_the_pairs_layout() -> None:
    """The same numbers on another axis are other numbers."""
    array = np.arange(9, dtype=np.float32).reshape(3, 3)

    assert agrees(array, array.T, TensorPair("a", "b", (1, 0)))
    assert not agrees(array, array.T, TensorPair("a", "b"))


def test_wrong_values_of_equal_sizes_keep_their_axes(side: Make) -> None:
    """Operands in the wrong order make a tensor that looks transposed; it is not."""
    text = (
        "(float[2,4] x) => (y)"
        " {{ s = MatMul(x, w) t = MatMul(q, s) d = Div({}) y = Exp(d) }}"
    )
    weights = {"w": np.eye(4, 2, dtype=np.float32), "q": np.float32([[1, 2], [3, 5]])}
    four = {**weights, "c": np.float32(4.0)}
    found = links(side(text.format("t, c"), **four), side(text.format("c, t"), **four))

    assert found["d"].tensors == TensorPair("d", "d", None, None, exact=False)


def test_operator_that_does_nothing_is_paired_by_its_place(side: Make) -> None:
    """A bias of zeros gives what it reads; it still is the source's sum."""
    text = "(float[2,4] x) => (y) { m = MatMul(x, w) a = Add(m, b) y = Exp(a) }"
    weight = np.arange(12, dtype=np.float32).reshape(4, 3)
    right = side(text, w=weight, b=np.float32([1, 2, 3]))
    found = links(right, side(text, w=weight, b=np.zeros(3, np.float32)))

    assert ends(found)["a"] == "a"
    assert not found["a"].tensors.exact


def test_bias_in_a_gemm_is_the_sum_behind_the_product(side: Make) -> None:
    """Zeros in the third slot do not make a Gemm the bare product."""
    weight = np.arange(12, dtype=np.float32).reshape(4, 3)
    spelled = "(float[2,4] x) => (y) { m = MatMul(x, w) a = Add(m, b) y = Exp(a) }"
    fused = "(float[2,4] x) => (y) { a = Gemm(x, w, b) y = Exp(a) }"
    right = side(spelled, w=weight, b=np.float32([1, 2, 3]))
    found = links(right, side(fused, w=weight, b=np.zeros(3, np.float32)))

    assert ends(found)["a"] == "a"


def test_bias_in_a_convolution_is_the_sum_behind_its_factor(side: Make) -> None:
    """Zeros in the third slot do not make a convolution the product before the sum."""
    spelled = (
        "(float[1,2,4] x) => (y) { c = Conv(x, k) m = Mul(c, f) a = Add(m, b) y = Exp(a) }"
    )
    fused = "(float[1,2,4] x) => (y) { a = Conv(x, k, b) y = Exp(a) }"
    kernel = np.arange(1, 7, dtype=np.float32).reshape(3, 2, 1)
    factor, bias = (np.float32([one, 2, 3]).reshape(1, 3, 1) for one in (1, 4))
    right = side(spelled, k=kernel, f=factor, b=bias)
    scaled = kernel * factor.reshape(3, 1, 1)
    sample = {"x": ROW["x"].reshape(1, 2, 4)}
    wrong = side(fused, k=scaled, b=np.zeros(3, np.float32))
    operators = operator_pairs(right.view, wrong.view, {"x": "x"})
    given, seen = (
        dump(open_session(instrument(one.model), Path()), sample) for one in (right, wrong)
    )
    found = linked(right.view, wrong.view, given, seen, operators, BOTH_X)

    assert ends(found)["a"] == "a"


def test_join_along_another_axis_is_no_reshape(side: Make) -> None:
    """With one sample, joined along the batch looks like joined along the channels."""
    text = (
        "(float[1,2,4] x) => (y)"
        " {{ a = Abs(x) b = Exp(x) c = Concat<axis={}>(a, b) y = Neg(c) }}"
    )
    sample = {"x": ROW["x"].reshape(1, 2, 4)}
    right, wrong = side(text.format(1)), side(text.format(0))
    operators = operator_pairs(right.view, wrong.view, {"x": "x"})
    given, seen = (
        dump(open_session(instrument(one.model), Path()), sample) for one in (right, wrong)
    )
    found = linked(right.view, wrong.view, given, seen, operators, BOTH_X)

    assert found["c"].tensors == TensorPair("c", "c", None, None, exact=False)


def test_scale_that_stands_apart_is_not_taken_for_folded(side: Make) -> None:
    """A divisor that the file computes leaves its product an operator of its own."""
    known = "(float[2,4] x) => (y) { m = MatMul(x, w) d = Div(m, c) y = Exp(d) }"
    computed = (
        "(float[2,4] x) => (y) { s = Shape(x) t = Cast<to=1>(s)"
        " c = ReduceMax<keepdims=0>(t) m = MatMul(x, w) d = Div(m, c) y = Exp(d) }"
    )
    weight = np.arange(16, dtype=np.float32).reshape(4, 4)
    right = side(known, w=weight, c=np.float32(4.0))
    found = links(right, side(computed, w=weight * np.float32(0.9)))

    assert ends(found)["m"] == "m"
