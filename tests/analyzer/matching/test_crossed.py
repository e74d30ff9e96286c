"""Pairs that are right as soon as two of them change places."""

import numpy as np
import pytest

from analyzer.core.types import TensorPair
from analyzer.matching import crossed as module
from analyzer.matching.crossed import crossed
from analyzer.matching.tensors import Link

TWINS = {
    name: np.random.default_rng(at).normal(size=(2, 4)) for at, name in enumerate("abc")
}


def links(**source: str) -> dict[str, Link]:
    """Return a link of each target tensor to the source tensor it is said to hold."""
    return {
        name: Link(TensorPair(held, name), 1.0, ("values",))
        for name, held in source.items()
    }


def test_twins_that_hold_each_other_are_crossed() -> None:
    """The third pair is wrong by no exchange."""
    known = links(p="b", q="a", r="c")
    seen = {"p": TWINS["a"], "q": TWINS["b"], "r": -TWINS["c"]}

    assert crossed(("p", "q", "r"), known, TWINS, seen) == {"p", "q"}


def test_twins_are_found_under_a_layout() -> None:
    """What tells them apart at a glance is the same in every order of the axes."""
    known = {
        name: Link(TensorPair(held, name, (1, 0)), 1.0, ("values",))
        for name, held in (("p", "b"), ("q", "a"))
    }
    seen = {"p": TWINS["a"].T, "q": TWINS["b"].T}

    assert crossed(("p", "q"), known, TWINS, seen) == {"p", "q"}


def test_few_of_many_tensors_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where every weight differs, every pair is wrong: not all of them meet each other."""
    rng = np.random.default_rng(3)
    given = {f"s{at}": rng.normal(size=64) * (at + 1) for at in range(100)}
    seen = {f"t{at}": rng.normal(size=64) * (at + 1) for at in range(100)}
    looks: list[bool] = []
    monkeypatch.setattr(module, "agrees", lambda *_: bool(looks.append(True)))
    known = links(**{f"t{at}": f"s{at}" for at in range(100)})

    assert not crossed(seen, known, given, seen)
    assert len(looks) < 100 * 99 / 10
