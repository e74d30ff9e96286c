"""Faults, fixes and trials made of words alone, to test how fixes are chosen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from analyzer.core.types import (
    Array,
    Edit,
    Fault,
    Fix,
    Pivot,
    Region,
    Sample,
    SetAttribute,
)
from rewriter.kept import Kept, Measured
from rewriter.limits import Limits

FLOOR = 1e-6
NOTHING: dict[str, Array] = {}


def fault(name: str) -> Fault:
    """Return a fault of the region that gives one tensor, with one recorded sample."""
    region, empty = Region((), (), (name,)), ()
    sample = Sample(NOTHING, NOTHING, NOTHING, NOTHING, NOTHING)
    sizes = (1.0, FLOOR, 1.0, 1, 1)
    return Fault(
        region, region, empty, empty, empty, empty, empty, empty, *sizes, (sample,)
    )


def fix(*words: str) -> Fix:
    """Return a fix with an edit per word: it sets the attribute of that name."""
    title = " and ".join(words)
    return Fix(title, tuple(SetAttribute("node", word, 1) for word in words))


def kept(name: str, *words: str) -> Kept:
    """Return a kept fix for the region of a name, with an edit per word."""
    return Kept(((name, fix(*(words or (name,)))),), fault(name), 1.0, 0.0)


def words(edits: Sequence[Edit]) -> set[str]:
    """Return what some edits set."""
    return {edit.attribute for edit in edits if isinstance(edit, SetAttribute)}


def never(pivot: Pivot) -> tuple[()]:
    """Refuse to analyse anew."""
    raise AssertionError(pivot)


@dataclass
class Told:
    """A trial whose errors are told: what some words leave."""

    errors: Callable[[set[str]], float]
    limits: Limits = field(default_factory=Limits)
    round: int = 1
    localised: Callable[[Pivot], tuple[()]] = never

    def measured(
        self, those: Sequence[Kept], edits: Sequence[Edit], region: Fault
    ) -> Measured:
        """Return the error that all words together leave."""
        del region
        everything = [*edits, *(edit for one in those for edit in one.edits)]
        return Measured(self.errors(words(everything)))
