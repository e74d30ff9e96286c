"""What was compared is counted, what was not is named."""

from collections.abc import Callable

import pytest

from analyzer.core.report import NotCompared
from analyzer.core.types import TensorPair
from analyzer.coverage import compared_share, coverage, name_of
from analyzer.matching.tensors import Link
from analyzer.view import View

Look = Callable[..., View]
CHAIN = "(float[4] x) => (y) { [first] a = Relu(x) [second] b = Exp(a) y = Neg(b) }"


def links(*names: str) -> dict[str, Link]:
    """Return links between tensors of one name."""
    return {name: Link(TensorPair(name, name), 1.0, ()) for name in names}


def test_everything_paired_is_everything_compared(view: Look) -> None:
    """Three operators on either side, none left over."""
    look = view(CHAIN)
    found = coverage(look, look, links("x", "a", "b", "y"), ())

    assert found.pairs == 3
    assert found.unpaired_source == found.unpaired_target == found.not_compared == ()
    assert compared_share(look, links("x", "a", "b", "y")) == 1.0


def test_unpaired_operator_is_named_but_seen(view: Look) -> None:
    """What reaches a compared tensor is compared through it."""
    look = view(CHAIN)
    found = coverage(look, look, links("x", "a", "y"), ())

    assert found.unpaired_source == found.unpaired_target == ("second",)
    assert found.not_compared == ()
    assert compared_share(look, links("x", "y")) == 1.0


def test_operator_that_nothing_compared_depends_on_is_not_compared(view: Look) -> None:
    """It is named, with the reason, beside what a stage knew already."""
    look = view(CHAIN)
    stopped = NotCompared("z", "the target stops before it")
    found = coverage(look, look, links("x", "a"), (stopped,))

    assert found.not_compared == (
        stopped,
        NotCompared("second", "nothing that was compared depends on it"),
        NotCompared("y", "nothing that was compared depends on it"),
    )
    assert compared_share(look, links("x", "a")) == pytest.approx(1 / 3)


def test_random_operator_says_why(view: Look) -> None:
    """Two draws never agree."""
    look = view(
        "(float[4] x) => (y, r) { y = Relu(x) [dice] r = RandomUniform<shape=[4]>() }"
    )
    found = coverage(look, look, links("x", "y"), ())

    assert found.not_compared == (NotCompared("dice", "it draws random numbers"),)


def test_operator_goes_by_its_first_node(view: Look) -> None:
    """The input, which has none, by its tensor."""
    look = view(CHAIN)

    assert [name_of(operator) for operator in look.operators] == [
        "x",
        "first",
        "second",
        "y",
    ]


def test_model_of_inputs_alone_is_wholly_compared(view: Look) -> None:
    """Nothing is missing where nothing is computed."""
    assert compared_share(view("(float[4] x) => (y) { y = Identity(x) }"), {}) == 1.0
