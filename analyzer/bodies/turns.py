"""The turns of a body: what it is given at each, and what it gives."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np

from analyzer.bodies.opened import Body, outer_values, scalar
from analyzer.core.types import Array, Feeds
from analyzer.runtime.session import Session, open_session

MOST_TURNS = 1000
"""Turns that are followed: what a loop does later than that, it has done before."""


@dataclass(frozen=True, slots=True)
class State:
    """What a turn hands to the next: a body's input, its first value, a body's output."""

    input: str
    first: str
    output: str


@dataclass(frozen=True, slots=True, eq=False)
class Scanned:
    """A tensor of which each turn gets one slice: a body's input, the whole, the axis."""

    input: str
    whole: Array
    axis: int
    backwards: bool

    def at(self, number: int) -> Array:
        """Return the slice of one turn."""
        place = self.whole.shape[self.axis] - 1 - number if self.backwards else number
        return np.asarray(np.take(self.whole, place, axis=self.axis), order="C")


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """How one body is driven on one sample.

    Attributes:
        body: The body.
        known: Values of the tensors around it that are fed.
        states: What each turn hands to the next.
        first: What the first turn is given of them, by body input.
        scanned: What each turn is given a slice of.
        passed: Value of each output that is a tensor around the body.
        limit: Turns there are at most; None: the body alone says when to stop.
        starts: Whether there is a first turn.
    """

    body: Body
    known: Feeds
    states: tuple[State, ...]
    first: Feeds
    scanned: tuple[Scanned, ...]
    passed: Feeds
    limit: int | None
    starts: bool

    @property
    def going(self) -> str | None:
        """The output that says whether another turn follows; None where none does."""
        return self.body.outputs[0] if self.body.node.op == "Loop" else None

    @property
    def clock(self) -> tuple[str, ...]:
        """The inputs that every Loop has: the number of the turn, and that it is taken."""
        return self.body.inputs[:2] if self.body.node.op == "Loop" else ()

    @property
    def collected(self) -> tuple[str, ...]:
        """The outputs that are no state: what the turns give to the outside."""
        kept = {self.going, *(state.output for state in self.states)}
        return tuple(name for name in self.body.outputs if name not in kept)

    def given(self, number: int) -> dict[str, Array]:
        """Return what a turn is given besides its states."""
        ranks = dict(zip(self.body.inputs, self.body.ranks, strict=True))
        values = {one.input: one.at(number) for one in self.scanned}
        for name, value, kind in zip(
            self.clock, (number, True), (np.int64, np.bool_), strict=False
        ):
            values[name] = scalar(value, ranks[name], kind)
        return values

    def session(self) -> Session:
        """Return a session that gives what the body gives at any turn.

        Raises:
            RunError: The runtime does not load the body.
        """
        feeds = {**self.known, **self.first, **self.given(0)}
        return open_session(self.body.part(feeds, self.body.outputs), self.body.folder)

    def run(self, session: Session, inputs: Feeds) -> dict[str, Array]:
        """Return what the body gives at one turn, by output.

        Args:
            session: See `session`.
            inputs: What the turn is given, by body input.

        Raises:
            RunError: A node of the body does not run.
        """
        feeds = {**self.known, **inputs}
        held = {**self.body.fixed, **self.passed, **feeds, **session.run(feeds)}
        return {name: held[name] for name in self.body.outputs if name in held}


@dataclass(frozen=True, slots=True, eq=False)
class Turn:
    """One turn of a body: its number, None for a branch; what goes in, what comes out."""

    number: int | None
    inputs: Feeds
    outputs: Feeds


def course(body: Body, known: Feeds) -> Course:
    """Return how a body is driven on one sample.

    Args:
        body: The body.
        known: Values of the tensors around it that are fed.

    Raises:
        RunError: What computes its first states does not run.
    """
    node = body.node
    own = body.made.union(body.inputs)
    passed = outer_values(body, [n for n in body.outputs if n not in own], known)
    if node.op == "If":
        return Course(body, known, (), {}, (), passed, 1, starts=True)
    outer = outer_values(body, node.inputs, known)
    if node.op == "Scan":
        return _scan(body, known, outer, passed)
    states = _states(body.inputs[2:], node.inputs[2:], body.outputs[1:])
    limit, starts = (outer.get(name) if name else None for name in _padded(node.inputs))
    return Course(
        body,
        known,
        states,
        {state.input: outer[state.first] for state in states},
        (),
        passed,
        None if limit is None else int(limit.ravel()[0]),
        starts=starts is None or bool(starts.ravel()[0]),
    )


def _padded(names: Sequence[str]) -> Sequence[str]:
    return (*names, "", "")[:2]


def _states(
    inputs: Sequence[str], firsts: Sequence[str], outputs: Sequence[str]
) -> tuple[State, ...]:
    return tuple(State(*one) for one in zip(inputs, firsts, outputs, strict=False))


def _scan(body: Body, known: Feeds, outer: Feeds, passed: Feeds) -> Course:
    """Return how a Scan is driven: its last inputs are taken slice by slice."""
    node = body.node
    total = node.attributes["num_scan_inputs"]
    kept = len(node.inputs) - (total if isinstance(total, int) else 0)
    states = _states(body.inputs[:kept], node.inputs[:kept], body.outputs[:kept])
    scanned = tuple(
        Scanned(name, outer[whole], _setting(body, "axes", n), _backwards(body, n))
        for n, (name, whole) in enumerate(
            zip(body.inputs[kept:], node.inputs[kept:], strict=False)
        )
    )
    limit = scanned[0].whole.shape[scanned[0].axis] if scanned else 0
    first = {state.input: outer[state.first] for state in states}
    return Course(body, known, states, first, scanned, passed, limit, starts=limit > 0)


def _setting(body: Body, what: str, place: int) -> int:
    values = body.node.attributes.get(f"scan_input_{what}", ())
    return int(values[place]) if isinstance(values, tuple) and values else 0


def _backwards(body: Body, place: int) -> bool:
    return bool(_setting(body, "directions", place))


def turns(drive: Course) -> Iterator[Turn]:
    """Yield the turns that a body takes, `MOST_TURNS` at most.

    Args:
        drive: How it is driven.

    Raises:
        RunError: The body does not load or run.
    """
    if not drive.starts or drive.limit == 0:
        return
    session = drive.session()
    states = dict(drive.first)
    loops = drive.body.node.op != "If"
    for number in count():
        inputs = {**states, **drive.given(number)}
        outputs = drive.run(session, inputs)
        yield Turn(number if loops else None, inputs, outputs)
        states = {one.input: outputs[one.output] for one in drive.states}
        if not goes_on(drive, number, outputs) or number + 1 == MOST_TURNS:
            return


def goes_on(drive: Course, number: int, outputs: Mapping[str, Array]) -> bool:
    """Return whether another turn follows.

    Args:
        drive: How the body is driven.
        number: The turn that was taken.
        outputs: What it gave.
    """
    if drive.limit is not None and number + 1 >= drive.limit:
        return False
    said = outputs.get(drive.going) if drive.going else None
    return said is None or bool(said.ravel()[0])
