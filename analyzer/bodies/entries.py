"""Which ends of two bodies belong together, whatever their names and order."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from analyzer.bodies.turns import Course, State, Turn
from analyzer.core.errors import RunError
from analyzer.core.types import Array, Feeds
from analyzer.matching.layouts import SAME, Layout, best_layout
from analyzer.matching.tensors import carried_or_none, likeliest_layout
from analyzer.matching.values import SAME_VALUES
from analyzer.runtime.metrics import relative_error
from analyzer.runtime.session import Session

MOST_ORDERS = 64
"""Orders of states that are tried: five of one size have 120, and no body has those."""

TRIED_TURNS = 3
"""Turns on which orders of states are compared: a second one tells states that start
alike, a third those that a fault brings close."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A source tensor that belongs to a target tensor, and how its axes lie in it."""

    source: str
    layout: Layout


Entries = Mapping[str, Entry]
"""Entries by target tensor."""


@dataclass(frozen=True, slots=True, eq=False)
class Joined:
    """Two bodies whose ends are paired, and the target's turns on the source's values.

    Attributes:
        inputs: The body inputs that belong together.
        outputs: The outputs that belong together, the conditions left out.
        turns: What the target's body gives at each of the source's turns.
        errors: The relative errors of the outputs at each of them, 1 at most, added up.
    """

    inputs: Entries
    outputs: tuple[tuple[str, str], ...]
    turns: tuple[Turn, ...]
    errors: tuple[float, ...]


def joined(source: Course, target: Course, taken: Sequence[Turn]) -> Joined:
    """Return two bodies with their ends paired: the way in which they agree best.

    Args:
        source: How the source's body is driven.
        target: How the target's body is driven.
        taken: The source's turns.

    Returns:
        By place, and with turns that give nothing, where the target's body does not run.
    """
    orders = list(islice(_orders(source, target), MOST_ORDERS))
    tried = taken[:TRIED_TURNS] if len(orders) > 1 else ()
    try:
        session = target.session()
        rated = [_joined(source, target, order, tried, session) for order in orders]
        best = min(rated, key=lambda one: sum(one.errors))
        return _joined(source, target, best.inputs, taken, session)
    except RunError:  # the comparison that follows names the node
        return _by_place(source, target, orders[0], taken)


def _by_place(
    source: Course, target: Course, entries: Entries, taken: Sequence[Turn]
) -> Joined:
    """Return two bodies joined without running the target's."""
    pairs = _states(source.states, target.states, entries)
    others = zip(source.collected, target.collected, strict=False)
    fed = []
    for place, turn in enumerate(taken):
        own = {**target.first, **target.given(place)}
        inputs = {**own, **carried_inputs(entries, turn, own)}
        fed.append(Turn(turn.number, inputs, {}))
    ends = ((entry.source, name) for name, entry in pairs)
    return Joined(entries, (*ends, *others), tuple(fed), (1.0,) * len(fed))


def _orders(source: Course, target: Course) -> Iterator[dict[str, Entry]]:
    """Yield the ways in which the target's states can be the source's."""
    fixed = {
        theirs: Entry(ours, SAME)
        for ours, theirs in zip(source.clock, target.clock, strict=True)
    }
    theirs = {one.input: one.at(0) for one in target.scanned}
    ours = {one.input: one.at(0) for one in source.scanned}
    options = [_options(name, value, source.first) for name, value in target.first.items()]
    options += [_options(name, value, ours, exact=True) for name, value in theirs.items()]
    yield from ({**fixed, **order} for order in _chosen(options, frozenset()))


def _options(
    name: str, value: Array, values: Feeds, *, exact: bool = False
) -> list[tuple[str, Entry]]:
    """Return the source tensors that a target tensor may be, those of its values alone."""
    close = (
        (ours, best_layout(array, value, limit=SAME_VALUES))
        for ours, array in values.items()
    )
    found = [(name, Entry(ours, layout[0])) for ours, layout in close if layout]
    if found or exact:
        return found
    fitting = (ours for ours, array in values.items() if array.size == value.size)
    return [(name, Entry(ours, likeliest_layout(values[ours], value))) for ours in fitting]


def _chosen(
    options: Sequence[list[tuple[str, Entry]]], taken: frozenset[str]
) -> Iterator[dict[str, Entry]]:
    """Yield each choice of one entry a tensor, no source tensor twice."""
    if not options:
        yield {}
        return
    free = [(name, entry) for name, entry in options[0] if entry.source not in taken]
    for name, entry in free:
        for rest in _chosen(options[1:], taken | {entry.source}):
            yield {name: entry, **rest}
    if not free:
        yield from _chosen(options[1:], taken)


def _joined(
    source: Course,
    target: Course,
    entries: Entries,
    taken: Sequence[Turn],
    session: Session,
) -> Joined:
    """Return two bodies joined in one order of states."""
    found = tuple(_followed(target, entries, taken, session))
    pairs = dict(_states(source.states, target.states, entries))
    pairs |= _collected(source, target, pairs, taken, found)
    errors = tuple(
        sum(_error(one, other, *ends) for ends in pairs.items())
        for one, other in zip(taken, found, strict=True)
    )
    ends = tuple((entry.source, name) for name, entry in pairs.items())
    return Joined(entries, ends, found, errors)


def _followed(
    target: Course, entries: Entries, taken: Sequence[Turn], session: Session
) -> Iterator[Turn]:
    """Yield what the target's body gives when it is given what the source's is."""
    states = dict(target.first)
    for place, turn in enumerate(taken):
        own = {**states, **target.given(place)}
        inputs = {**own, **carried_inputs(entries, turn, own)}
        outputs = target.run(session, inputs)
        yield Turn(turn.number, inputs, outputs)
        states = {one.input: outputs[one.output] for one in target.states}


def carried_inputs(entries: Entries, turn: Turn, kinds: Feeds) -> dict[str, Array]:
    """Return what the source's body is given at a turn, as the target's takes it.

    Args:
        entries: The inputs that belong together.
        turn: The source's turn.
        kinds: An array of the size and dtype of each of the target's inputs.
    """
    found = {}
    for name, entry in entries.items():
        value = carried_or_none(turn.inputs[entry.source], entry.layout)
        kind = kinds[name]
        if value is not None and value.size == kind.size == 1:
            value = value.reshape(kind.shape)
        if value is not None and value.ndim == kind.ndim:
            found[name] = np.require(value, kind.dtype, "C")
    return found


def _states(
    ours: Sequence[State], theirs: Sequence[State], entries: Entries
) -> Iterator[tuple[str, Entry]]:
    given = {state.input: state.output for state in ours}
    for state in theirs:
        entry = entries.get(state.input)
        if entry is not None:
            yield state.output, Entry(given[entry.source], entry.layout)


def _collected(
    source: Course,
    target: Course,
    pairs: Entries,
    taken: Sequence[Turn],
    found: Sequence[Turn],
) -> dict[str, Entry]:
    """Return the other outputs, paired by values, then by place, where sizes fit."""
    held = {entry.source for entry in pairs.values()}
    rated = [
        (_apart(taken, found, theirs, entry), abs(m - n), theirs, entry)
        for m, ours in enumerate(source.collected)
        for n, theirs in enumerate(target.collected)
        if ours not in held and theirs not in pairs
        for entry in _fitting(ours, taken[-1:], found[-1:], theirs)
    ]
    chosen: dict[str, Entry] = {}
    for _, _, theirs, entry in sorted(rated, key=lambda one: one[:2]):
        if theirs not in chosen and entry.source not in held:
            chosen[theirs] = entry
            held.add(entry.source)
    return chosen


def _fitting(
    ours: str, taken: Sequence[Turn], found: Sequence[Turn], theirs: str
) -> Iterator[Entry]:
    """Yield how a source output lies in what the target gives, where sizes fit."""
    for one, other in zip(taken, found, strict=True):
        array, value = one.outputs[ours], other.outputs[theirs]
        if array.size == value.size and array.dtype.kind in "fiub":
            yield Entry(ours, likeliest_layout(array, value))


def _apart(taken: Sequence[Turn], found: Sequence[Turn], name: str, entry: Entry) -> float:
    """Return the error of an output over the first turns, summed."""
    both = list(zip(taken, found, strict=True))[:TRIED_TURNS]
    return sum(_error(one, other, name, entry) for one, other in both)


def _error(one: Turn, other: Turn, name: str, entry: Entry) -> float:
    """Return the relative error of one output at one turn, 1 at most."""
    value = carried_or_none(one.outputs[entry.source], entry.layout)
    if value is None or name not in other.outputs:
        return 1.0
    return min(1.0, relative_error(other.outputs[name], value))
