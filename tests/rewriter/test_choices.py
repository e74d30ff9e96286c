"""The fixes of one region: the first that mends, or those that mend only together."""

from collections.abc import Sequence
from dataclasses import replace

import onnx
import pytest

from analyzer.core.types import (
    Edit,
    Fix,
    Node,
    Pivot,
    Region,
    ReplaceRegion,
    SetAttribute,
)
from rewriter import choices
from rewriter.choices import Search
from rewriter.kept import Choice, Kept
from tests.rewriter.told import Told, fault, fix


@pytest.fixture(autouse=True)
def _unedited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a model without operators take every edit."""
    monkeypatch.setattr(choices, "edited", lambda start, kept: (start, kept))


class Anything(Told):
    """A trial whose result can always be written."""

    start = None

    def refusal(self, pivot: Pivot, edits: Sequence[Edit]) -> str:
        """Return no reason against any model."""
        del pivot, edits
        return ""


def search(told: Told) -> Search:
    """Return a search among the fixes of a region that is off by 1."""
    kept: tuple[Kept, ...] = ()
    node = Node("r", "Relu", "", 18, ("x",), ("y",), {}, {})
    region = replace(fault("y"), target=Region((node,), ("x",), ("y",)))
    return Search(told, kept, region, 1.0)  # type: ignore[arg-type]


def choice(name: str, *words: str) -> Choice:
    """Return a finding's fix with an edit inside the region."""
    one = fix(*(words or (name,)))
    return name, Fix(one.title, tuple(SetAttribute("r", e.attribute, 1) for e in one.edits))


def mended_by(*needed: str, harmful: str = "") -> Anything:
    """Return a trial that is mended where all needed words are there and no harmful one."""

    def error(done: set[str]) -> float:
        return 0.0 if done >= set(needed) and harmful not in done else 1.0

    return Anything(error)


def test_smaller_fix_is_tried_first() -> None:
    """Where setting an attribute mends too, no region is replaced."""
    whole = "f", Fix("replace", (ReplaceRegion(("node", "r"), onnx.GraphProto(), 18),))
    small = choice("f", "a")

    assert sorted([whole, small], key=choices.breadth) == [small, whole]


def test_first_that_mends_ends_the_search() -> None:
    """What stands behind the fix that mends is not tried."""
    found = search(mended_by("b")).found([choice("a"), choice("b"), choice("c")])

    assert [one.choices[0][0] for one in found.tried] == ["a", "b"]
    assert found.chosen is found.tried[-1]


def test_two_causes_that_mend_only_together_are_found_beside_a_harmful_one() -> None:
    """Neither helps alone, and all three together do harm: two of them mend."""
    told = mended_by("a", "c", harmful="b")
    found = search(told).found([choice("a"), choice("b"), choice("c")])

    assert found.chosen is not None
    assert [name for name, _ in found.chosen.choices] == ["a", "c"]


def test_two_fixes_of_one_finding_that_mend_only_together_are_found() -> None:
    """An alternative may be the other half of a cure."""
    found = search(mended_by("x", "y")).found([choice("a", "x"), choice("a", "y")])

    assert found.chosen is not None
    assert len(found.chosen.choices) == 2


def test_pairs_are_bounded() -> None:
    """Of many fixes that do nothing, no more pairs are tried than the bound says."""
    many = [choice(f"f{number}") for number in range(12)]
    found = search(mended_by("nothing that is there")).found(many)

    assert found.chosen is None
    assert len(found.tried) == len(many) + 1 + choices.MOST_PAIRS


def test_rejected_fix_inside_its_region_costs_no_analysis() -> None:
    """A fix that its region is blind to is judged anew only where it lies outside of it."""
    found = search(mended_by("b")).found([choice("a")])

    assert found.chosen is None
    assert [one.reason(1.0) for one in found.tried] == [
        "the error of its region stays at 1"
    ]


def test_node_that_bears_the_name_of_what_the_region_reads_is_outside_of_it() -> None:
    """A fix of the node before the region is judged anew, whatever that node is called."""
    told = Anything(lambda _: 1.0, localised=lambda _: ())
    found = search(told).found([("f", Fix("before", (SetAttribute("x", "perm", (0,)),)))])

    assert found.chosen is not None
    assert found.chosen.reason(1.0) == "a new analysis finds its region mended"


def test_each_try_is_told_with_before_and_after() -> None:
    """A try that helps a little and does not hold says what it left."""
    told = Anything(lambda done: 1.0 - 0.1 * len(done))
    found = search(told).found([choice("a")])
    (tried,) = found.tried
    attempt = tried.attempt(1.0, 2, kept=False)

    assert (attempt.error_before, attempt.error_after, attempt.round) == (1.0, 0.9, 2)
    assert attempt.reason == "the error of its region falls to 0.9"
