"""Operators are paired by weights, structure and names together, by none of them alone."""

from collections.abc import Callable

import numpy as np
import pytest

from analyzer.core.types import Array
from analyzer.matching.operators import OperatorPair, fits, operator_pairs
from analyzer.view import View

Look = Callable[..., View]
TWO = "(float[1,4] x) => (y) {{ a = MatMul(x, {0}) b = Relu(a) y = MatMul(b, {1}) }}"
INPUT = {"x": "x"}


@pytest.fixture
def weights(rng: np.random.Generator) -> dict[str, Array]:
    """Two different square matrices."""
    return {name: rng.normal(size=(4, 4)).astype(np.float32) for name in ("w", "v")}


def reasons(pairs: tuple[OperatorPair, ...], source: int) -> set[str]:
    """Return the evidence for a source operator's pair."""
    return next(set(both.reasons) for both in pairs if both.source == source)


def ends(pairs: tuple[OperatorPair, ...]) -> dict[int, int]:
    """Return target operator index by source operator index."""
    return {both.source: both.target for both in pairs}


def test_same_graph_is_paired_by_every_witness(
    view: Look, weights: dict[str, Array]
) -> None:
    """Weights, structure on both sides and place agree on the first product."""
    look = view(TWO.format("w", "v"), **weights)
    found = operator_pairs(look, look, INPUT)

    assert ends(found) == {0: 0, 1: 1, 2: 2, 3: 3}
    assert reasons(found, 1) >= {"weights", "structure before", "structure after"}
    assert found[1].score > 0.95


def test_renamed_shuffled_graph_is_paired(view: Look, weights: dict[str, Array]) -> None:
    """Neither tensor names nor the file's order are needed."""
    look = view(TWO.format("w", "v"), **weights)
    other = view(
        "(float[1,4] in) => (out) { out = MatMul(r, m1) r = Relu(q) q = MatMul(in, m0) }",
        m0=weights["w"],
        m1=weights["v"],
    )

    assert ends(operator_pairs(look, other, {"x": "in"})) == {0: 0, 1: 1, 2: 2, 3: 3}


def test_structure_gives_way_to_weights(view: Look, weights: dict[str, Array]) -> None:
    """One operator missing from a chain shifts every label behind it by one."""
    chain = "(float[1,4] x) => (y) {{ a = MatMul(x, w) {} c = Relu(b) y = MatMul(c, v) }}"
    look = view(chain.format("z = Relu(a) b = Relu(z)"), **weights)
    shorter = view(chain.format("b = Relu(a)"), **weights)
    found = ends(operator_pairs(look, shorter, INPUT))

    assert (found[1], found[5]) == (1, 4)
    assert len(set(found.values())) == len(found) == 5


def test_inserted_operator_stays_alone(view: Look, weights: dict[str, Array]) -> None:
    """What only one side has is paired with nothing; all around it is paired."""
    look = view(TWO.format("w", "v"), **weights)
    longer = view(
        "(float[1,4] x) => (y) {"
        " a = MatMul(x, w) z = Tanh(a) b = Relu(z) y = MatMul(b, v) }",
        **weights,
    )

    assert ends(operator_pairs(look, longer, INPUT)) == {0: 0, 1: 1, 2: 3, 3: 4}


def test_names_alone_pair_nothing(view: Look) -> None:
    """A converter that renames gives one operator's name to another."""
    one = view("(float[4] x) => (y) { a = Relu(x) b = Exp(a) c = Relu(b) y = Exp(c) }")
    other = view("(float[4] x) => (y) { c = Relu(x) d = Exp(c) a = Relu(d) y = Exp(a) }")

    assert ends(operator_pairs(one, other, INPUT)) == {0: 0, 1: 1, 2: 2, 3: 3, 4: 4}


def test_witnesses_are_independent() -> None:
    """Two that err three and four times in ten err together twelve times in a hundred."""
    assert OperatorPair(0, 0, ("weights", "fingerprint")).score == pytest.approx(0.88)


def test_kernels_of_other_sizes_do_not_fit(view: Look, weights: dict[str, Array]) -> None:
    """A layer of another size is another layer."""
    one = view("(float[1,4] x) => (y) { y = MatMul(x, w) }", w=weights["w"])
    other = view("(float[1,4] x) => (y) { y = MatMul(x, w) }", w=weights["w"][:, :2])

    assert fits(one.operators[1], one.operators[1])
    assert not fits(one.operators[1], other.operators[1])
    assert not fits(one.operators[0], one.operators[0])
