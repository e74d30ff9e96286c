"""The order of axes follows from what two nodes read, where values cannot tell it."""

from collections.abc import Callable

from analyzer.matching.inherited import keeps_order
from analyzer.view import View

Look = Callable[..., View]
PLAIN = "(float[3,3] x) => (y) { a = Abs(x) y = Softmax(a) }"
KNOWN = {"x": "x"}


def test_like_operators_keep_the_order_of_what_they_read(view: Look) -> None:
    """One operator after another that reads the same gives it in the same layout."""
    look = view(PLAIN)

    assert keeps_order(look, look, "y", "y", KNOWN)


def test_another_operator_says_nothing(view: Look) -> None:
    """What a Transpose stands in for may have its axes anywhere."""
    other = view("(float[3,3] x) => (y) { a = Transpose<perm=[1,0]>(x) y = Softmax(a) }")

    assert not keeps_order(view(PLAIN), other, "y", "y", KNOWN)


def test_transposes_keep_the_order_under_one_perm(view: Look) -> None:
    """Two that move axes differently give two layouts."""
    text = "(float[3,3,3] x) => (y) {{ y = Transpose<perm=[{}]>(x) }}"
    one, other = view(text.format("0,2,1")), view(text.format("1,0,2"))

    assert keeps_order(one, one, "y", "y", KNOWN)
    assert not keeps_order(one, other, "y", "y", KNOWN)


def test_unknown_input_says_nothing(view: Look) -> None:
    """The walk ends at an input of which nothing is known."""
    look = view(PLAIN)

    assert not keeps_order(look, look, "y", "y", {})
