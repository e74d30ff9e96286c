"""Operators with equal surroundings have equal labels, names and order aside."""

from collections.abc import Callable

from analyzer.matching.labels import directed_labels, unique
from analyzer.view import View

Look = Callable[..., View]
CHAIN = "(float[4] x) => (y) { a = Relu(x) b = Exp(a) y = Relu(b) }"


def test_names_and_order_do_not_matter(view: Look) -> None:
    """A renamed and shuffled file has the same labels."""
    other = view("(float[4] in) => (out) { out = Relu(q) p = Relu(in) q = Exp(p) }")
    for forward in (True, False):
        ours = directed_labels(view(CHAIN), forward=forward)
        theirs = directed_labels(other, forward=forward)

        assert ours == theirs


def test_twins_are_told_apart_by_what_surrounds_them(view: Look) -> None:
    """The first rectifier reads the input, the second an exponential."""
    assert len(unique(directed_labels(view(CHAIN), forward=True))) == 4


def test_edit_spoils_only_one_side_of_itself(view: Look) -> None:
    """Before a replaced operator forward labels hold, behind it backward ones do."""
    edited = view("(float[4] x) => (y) { a = Relu(x) b = Neg(a) y = Relu(b) }")
    whole = view(CHAIN)
    before = directed_labels(whole, forward=True), directed_labels(edited, forward=True)
    after = directed_labels(whole, forward=False), directed_labels(edited, forward=False)

    assert [before[0][i] == before[1][i] for i in range(4)] == [True, True, False, False]
    assert [after[0][i] == after[1][i] for i in range(4)] == [False, False, False, True]


def test_order_of_operands_counts_unless_they_commute(view: Look) -> None:
    """A sum is the same from both sides, a difference is not."""
    text = "(float[4] x) => (y) {{ a = Relu(x) b = Exp(x) y = {} }}"
    sums = [view(text.format(f"Add({order})")) for order in ("a, b", "b, a")]
    gaps = [view(text.format(f"Sub({order})")) for order in ("a, b", "b, a")]
    marks = [directed_labels(look, forward=True)[3] for look in (*sums, *gaps)]

    assert marks[0] == marks[1]
    assert marks[2] != marks[3]


def test_label_of_several_operators_names_none(view: Look) -> None:
    """Two branches that are the same are not told apart."""
    look = view("(float[4] x) => (y) { a = Relu(x) b = Relu(x) y = Add(a, b) }")

    assert sorted(unique(directed_labels(look, forward=True)).values()) == [0, 3]
