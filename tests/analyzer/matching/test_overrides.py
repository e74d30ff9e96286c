"""Pairs that the user states stand above every kind of evidence."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from analyzer.core.errors import UsageError
from analyzer.matching.operators import operator_pairs
from analyzer.matching.overrides import read_pairs, stated
from analyzer.view import View

Look = Callable[..., View]
TWINS = "(float[4] x) => (y) { [one] a = Relu(x) [two] b = Relu(x) y = Sub(a, b) }"


def test_no_file_states_nothing() -> None:
    """The option has no default file."""
    assert read_pairs(None) == ()


def test_pairs_are_read(tmp_path: Path) -> None:
    """Source first, target second."""
    path = tmp_path / "pairs.json"
    path.write_text(json.dumps([["a", "b"], ["c", "d"]]))

    assert read_pairs(path) == (("a", "b"), ("c", "d"))


@pytest.mark.parametrize(
    ("text", "surprise"),
    [
        ("[[", "cannot be read"),
        ('{"a": "b"}', "not a list of pairs"),
        ('[["a"]]', "not a list of pairs"),
        ('[["a", 1]]', "not a list of pairs"),
    ],
)
def test_anything_else_is_refused(tmp_path: Path, text: str, surprise: str) -> None:
    """The message says what the file should hold."""
    path = tmp_path / "pairs.json"
    path.write_text(text)

    with pytest.raises(UsageError, match=surprise) as refusal:
        read_pairs(path)
    assert '[["source node or tensor"' in refusal.value.hint


def test_missing_file_is_refused(tmp_path: Path) -> None:
    """No traceback, but its name."""
    with pytest.raises(UsageError, match="cannot be read"):
        read_pairs(tmp_path / "absent.json")


def test_node_and_tensor_names_stand_for_their_operator(view: Look) -> None:
    """Either side may be named either way."""
    look = view(TWINS)

    assert list(stated(look, look, [("one", "b"), ("a", "two")])) == [(1, 2), (1, 2)]


def test_unknown_name_is_refused(view: Look) -> None:
    """The message says on which side it is missing."""
    look = view(TWINS)

    with pytest.raises(
        UsageError, match="nobody, which is no node or tensor of the target"
    ):
        list(stated(look, look, [("one", "nobody")]))


def test_stated_pairs_win(view: Look) -> None:
    """Against structure, names and place."""
    look = view(TWINS)
    crossed = list(stated(look, look, [("one", "two"), ("two", "one")]))
    pairs = operator_pairs(look, look, {"x": "x"}, crossed)

    assert {both.source: both.target for both in pairs} == {0: 0, 1: 2, 2: 1, 3: 3}
