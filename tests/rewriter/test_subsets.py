"""Where all edits together do harm, most of them are kept, and none that does harm."""

import pytest

from rewriter.kept import Chain
from rewriter.subsets import MOST_SUBSETS, largest_harmless
from tests.rewriter.told import kept, words


class Harm:
    """Counts the subsets it is asked about; some words do harm."""

    def __init__(self, *harmful: set[str]) -> None:
        self.harmful = harmful
        self.asked = 0

    def __call__(self, chain: Chain) -> bool:
        """Return whether a subset holds a harmful set of words."""
        self.asked += 1
        return any(each <= there(chain) for each in self.harmful)


def there(chain: Chain) -> set[str]:
    """Return the words of a chain."""
    return words([edit for each in chain for one in each for edit in one.edits])


def test_two_harmful_edits_of_four_are_left_out() -> None:
    """Leaving out one is not enough, leaving out two is; rounds stay apart."""
    chain = ((kept("a"), kept("b")), (kept("c"), kept("d")))
    chosen = largest_harmless(chain, Harm({"a"}, {"d"}))

    assert there(chosen) == {"b", "c"}
    assert [len(each) for each in chosen] == [1, 1]


@pytest.mark.parametrize("count", [1, 5, 12])
def test_where_every_edit_does_harm_nothing_is_left(count: int) -> None:
    """The search ends, and says that no subset helps."""
    names = [f"e{number}" for number in range(count)]
    harm = Harm(*({name} for name in names))

    assert largest_harmless((tuple(map(kept, names)),), harm) == ()
    assert harm.asked <= MOST_SUBSETS + count


def test_of_many_edits_those_without_harm_are_found() -> None:
    """Three of twelve do harm: too many subsets to try, so that they are grown."""
    names = [f"e{number}" for number in range(12)]
    harm = Harm({"e0"}, {"e5"}, {"e7"})
    chosen = largest_harmless((tuple(map(kept, names)),), harm)

    assert there(chosen) == set(names) - {"e0", "e5", "e7"}
    assert harm.asked <= MOST_SUBSETS + 12
