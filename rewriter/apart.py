"""Edits that no region but their own can feel, which are therefore judged all at once."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np

from analyzer.core.errors import RepairError
from analyzer.core.types import Edit, Fault, Finding, SetAttribute, SetConstant
from rewriter.choices import Search, Tried
from rewriter.kept import Choice, Kept, Trial, edited, left
from rewriter.surgeon import Applied, trace

FEWEST = 2
"""Regions from which judging them at once saves anything."""

Group = tuple[Finding, ...]
"""The findings of one region."""


@dataclass(frozen=True, slots=True, eq=False)
class Mended:
    """A region that a fix mends, whatever is done elsewhere.

    Attributes:
        group: Its findings.
        kept: The fix.
        tried: The fix as a try.
    """

    group: Group
    kept: Kept
    tried: Tried


def own_nodes(fault: Fault) -> frozenset[str]:
    """Return the names of the target nodes that compute a fault's region."""
    region = fault.target
    return frozenset(node.name for node in (*region.nodes, *region.measuring))


def is_own(edits: Iterable[Edit], fault: Fault) -> bool:
    """Return whether edits change values inside a fault's region, and no wire anywhere."""
    nodes = own_nodes(fault)
    return all(
        isinstance(one, SetAttribute | SetConstant) and one.node in nodes for one in edits
    )


def is_apart(one: Kept, fault: Fault) -> bool:
    """Return whether a region of other nodes cannot feel a kept unit.

    Args:
        one: The unit.
        fault: The region.
    """
    return is_own(one.edits, one.fault) and own_nodes(one.fault).isdisjoint(
        own_nodes(fault)
    )


def mended_at_once(
    trial: Trial, firsts: Sequence[tuple[Group, Choice]]
) -> tuple[Mended, ...]:
    """Return the regions that their first fix mends, judged in one edited model.

    Tried one after the other, each fix takes a new edited model, written to see whether it
    can be; fixes that cannot feel each other need that once.

    Args:
        trial: The target.
        firsts: Each region's findings with the fix that is tried first, worst first.
    """
    apart = list(_apart(firsts))
    if len(apart) < FEWEST or trial.limits.is_over:
        return ()
    try:
        after = trace(trial.start.model, trial.start.folder, _edits(apart))
    except RepairError:  # one of them cannot be made: they are told apart one by one
        return ()
    before = Applied(trial.start.model, {}, {})
    in_time = takewhile(lambda _: not trial.limits.is_over, apart)
    judged = (_judged(trial, one, (before, after)) for one in in_time)
    return _written(trial, [one for one in judged if one is not None])


def _apart(firsts: Iterable[tuple[Group, Choice]]) -> Iterator[tuple[Group, Choice]]:
    """Yield the regions whose fix stays inside, and that share no node with others."""
    taken: set[str] = set()
    for group, choice in firsts:
        fault = group[0].fault.whole
        nodes = own_nodes(fault)
        if not fault.recorded or not is_own(choice[1].edits, fault) or nodes & taken:
            continue
        taken |= nodes
        yield group, choice


def _edits(apart: Iterable[tuple[Group, Choice]]) -> list[Edit]:
    return [edit for _, choice in apart for edit in choice[1].edits]


def _judged(
    trial: Trial, one: tuple[Group, Choice], models: tuple[Applied, Applied]
) -> Mended | None:
    """Return a region as its fix mends it; None: the fix does not, or takes more tries."""
    group, choice = one
    fault = group[0].fault.whole
    before, after = (
        left(trial.judge, trial.start, model, fault, declares=False) for model in models
    )
    if not np.isfinite(before) or after > Search(trial, (), fault, before).bound:
        return None
    kept = Kept((choice,), fault, before, after)
    return Mended(group, kept, Tried((choice,), after, holds=True))


def _written(trial: Trial, mended: Sequence[Mended]) -> tuple[Mended, ...]:
    """Return the regions whose fixes can be written, all together."""
    possible = tuple(_possible(trial, mended))
    if len(possible) == len(mended) or not _unsaid(trial, possible):
        return possible
    return ()


def _possible(trial: Trial, mended: Sequence[Mended]) -> Iterator[Mended]:
    """Yield the fixes that can be written: all, or what is left of either half."""
    if not mended or not _unsaid(trial, mended):
        yield from mended
        return
    if len(mended) == 1:
        return
    middle = len(mended) // 2
    yield from _possible(trial, mended[:middle])
    yield from _possible(trial, mended[middle:])


def _unsaid(trial: Trial, mended: Sequence[Mended]) -> str:
    edits = [edit for one in mended for edit in one.kept.edits]
    model = edited(trial.start, [one.kept for one in mended])
    return trial.refusal(model, edits)
