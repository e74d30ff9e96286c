"""What a region does not need is taken out, down to a single edit."""

from analyzer.core.types import Fault
from rewriter.ablation import ablated
from rewriter.kept import Chain
from tests.rewriter.told import kept, words


class Enough:
    """Regions, and the sets of words of which each needs one whole to be mended."""

    def __init__(self, needs: dict[str, list[set[str]]]) -> None:
        self.needs = needs

    def __call__(self, chain: Chain, turn: int, region: Fault) -> float:
        """Return no error where a region has what it needs."""
        del turn
        done = words([edit for each in chain for one in each for edit in one.edits])
        return 0.0 if any(n <= done for n in self.needs[region.target.outputs[0]]) else 1.0


def left(chain: Chain) -> list[set[str]]:
    """Return the words of each unit that is left."""
    return [words(one.edits) for each in chain for one in each]


def test_edit_that_another_makes_superfluous_is_taken_out() -> None:
    """Where the first edit mends both regions, the second leaves again, with a reason."""
    error = Enough({"a": [{"a"}], "b": [{"a"}, {"b"}]})
    done = ablated(((kept("a"), kept("b")),), error)

    assert left(done.chain) == [{"a"}]
    (taken_out,) = done.taken_out["b"]
    assert taken_out.reason == "taken out again: without it the error of its region is 0"


def test_edit_that_a_later_round_makes_superfluous_is_taken_out() -> None:
    """Ablation looks at all rounds together, at the end."""
    error = Enough({"a": [{"a"}, {"b"}], "b": [{"b"}]})
    done = ablated(((kept("a"),), (kept("b"),)), error)

    assert left(done.chain) == [{"b"}]


def test_edits_that_are_needed_stay() -> None:
    """Where each region needs its own edit, both stay."""
    error = Enough({"a": [{"a"}], "b": [{"b"}]})
    chain = ((kept("a"), kept("b")),)

    done = ablated(chain, error)

    assert done.chain == chain
    assert done.needed == {"a": (1.0, 0.0), "b": (1.0, 0.0)}


def test_one_edit_of_a_fix_is_taken_out() -> None:
    """Of a fix with two edits of which one mends, one stays."""
    error = Enough({"a": [{"right"}]})
    done = ablated(((kept("a", "right", "idle"),),), error)

    assert left(done.chain) == [{"right"}]
    assert [one.edits for one in done.taken_out["a"]] == [1]


def test_edit_that_another_region_needs_stays() -> None:
    """An edit that its own region does not need stays where another's error comes back."""
    error = Enough({"a": [set()], "b": [{"a", "b"}]})
    chain = ((kept("a"), kept("b")),)

    assert ablated(chain, error).chain == chain
