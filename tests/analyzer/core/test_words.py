"""Every word that a report can hold is explained."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from analyzer.core import words
from analyzer.core.words import WORDS, Word
from rules.catalogue import HEADINGS, explanation

ROOT = Path(words.__file__).parents[1]


def named_in_code() -> Iterator[str]:
    """Yield what the analyzer's findings go by, as the code spells it."""
    for path in ROOT.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match call:
                case ast.Call(func=ast.Name(id="bare_finding"), args=[first, *_]):
                    yield ast.unparse(first)
                case ast.keyword(arg="rule", value=value):
                    yield ast.unparse(value)


def test_no_word_is_left_out() -> None:
    """A finding goes by a word of the list, by a rule's slug, or by what it was given."""
    known = {f"{name}.slug" for name, word in vars(words).items() if word in WORDS}
    rules = {"FROZEN", "rule"}
    used = {name for name in named_in_code() if not name.endswith(".rule")}

    assert known <= used
    assert used - known <= rules


def test_every_word_stands_in_the_list() -> None:
    """One that is defined and not listed could not be looked up."""
    defined = [one for one in vars(words).values() if isinstance(one, Word)]

    assert sorted(one.slug for one in defined) == sorted(one.slug for one in WORDS)


@pytest.mark.parametrize("word", WORDS, ids=[word.slug for word in WORDS])
def test_a_word_is_explained_as_a_rule_is(word: Word) -> None:
    """Cause, evidence and what to do, after one sentence."""
    lines = explanation(word).splitlines()
    places = [lines.index(heading) for heading in HEADINGS]

    assert places == sorted(places)
    assert lines[0].endswith(".")
    assert all(lines[place + 1].startswith("    ") for place in places)
