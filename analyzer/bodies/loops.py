"""A Loop or a Scan against its counterpart: which turns to compare, and who stops them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from analyzer.bodies.cases import Around, Case, Known
from analyzer.bodies.entries import Joined, joined
from analyzer.bodies.inner import Shot
from analyzer.bodies.turns import MOST_TURNS, Course, Turn, course, goes_on, turns
from analyzer.core.types import Fault, Node
from analyzer.judge import NEGLIGIBLE

Drives = tuple[Course, Course]
"""How the source's body is driven, and the target's."""

SAMPLES = 2
"""Samples whose turns are followed: turns of one sample differ as samples do."""


def loop_cases(around: Around) -> Iterator[Case | Fault]:
    """Yield the bodies to compare, or the fault of what counts the target's turns.

    Args:
        around: The two nodes.

    Raises:
        RunError: The source's body does not run.
    """
    bodies = around.bodies("body", "body")
    if bodies is None:
        return
    shots: list[Shot] = []
    first: Joined | None = None
    for known in around.known[:SAMPLES]:
        drives = course(bodies[0], known.ours), course(bodies[1], known.theirs)
        taken = tuple(turns(drives[0]))
        both = joined(*drives, taken)
        stop = _stop(drives, taken, both.turns)
        if stop is not None and not _is_inside(drives, taken, stop):
            yield _miscounted(around, drives, len(taken), stop)
            return
        first = first or _with_condition(both, drives, stop)
        shots += _shots(taken, both, known)
    if first is not None and shots:
        yield Case(bodies, first, tuple(shots))


def _shots(taken: Sequence[Turn], both: Joined, known: Known) -> Iterator[Shot]:
    """Yield the turns to compare: the first and last ones, and where it deviates."""
    places = {0, 1, len(taken) // 2, len(taken) - 2, len(taken) - 1}
    wrong = [place for place, error in enumerate(both.errors) if error > NEGLIGIBLE]
    places |= {*wrong[:1], *([max(wrong, key=both.errors.__getitem__)] if wrong else [])}
    for place in sorted(places & set(range(len(taken)))):
        turn = taken[place]
        yield known.shot(turn.number, turn.inputs, both.turns[place].inputs)


@dataclass(frozen=True, slots=True)
class _Stop:
    """A turn after which one side goes on and the other does not: its place, who does."""

    place: int
    goes: bool


def _stop(drives: Drives, taken: Sequence[Turn], found: Sequence[Turn]) -> _Stop | None:
    """Return where the target stops too early or goes on too long, if it does."""
    theirs = drives[1]
    if bool(taken) != (theirs.starts and theirs.limit != 0):
        return _Stop(-1, goes=bool(taken))
    for place, turn in enumerate(found):
        goes = place + 1 < len(taken)
        if place + 1 == MOST_TURNS or not turn.outputs:
            return None
        if goes_on(theirs, place, turn.outputs) != goes:
            return _Stop(place, goes)
    return None


def _by_count(drive: Course, stop: _Stop) -> bool:
    """Return whether the target's own count of turns is what goes wrong."""
    if stop.place < 0:
        return drive.starts or not stop.goes
    counted = drive.limit is not None and stop.place + 1 >= drive.limit
    asked = drive.going in drive.body.made and not _is_fixed(drive)
    return counted if stop.goes else not asked


def _is_fixed(drive: Course) -> bool:
    """Return whether the body's condition is a constant."""
    return drive.going in drive.body.fixed


def _is_inside(drives: Drives, taken: Sequence[Turn], stop: _Stop) -> bool:
    """Return whether the conditions inside both bodies can be compared for a wrong stop."""
    ours, theirs = drives
    if stop.place < 0 or _by_count(theirs, stop) or ours.going not in ours.body.made:
        return False
    said = taken[stop.place].outputs.get(ours.going)
    return said is not None and bool(said.ravel()[0]) == stop.goes


def _with_condition(both: Joined, drives: Drives, stop: _Stop | None) -> Joined:
    """Return the bodies joined at their conditions too, where the target's is wrong."""
    ours, theirs = (drive.going for drive in drives)
    if stop is None or ours is None or theirs is None:
        return both
    return replace(both, outputs=(*both.outputs, (ours, theirs)))


def _miscounted(around: Around, drives: Drives, count: int, stop: _Stop) -> Fault:
    """Return the fault of what makes the target's loop stop at the wrong turn."""
    theirs = drives[1]
    node = around.nodes[1]
    turns_taken = f"more than the {count}" if not stop.goes else f"{stop.place + 1}"
    problem = (
        f"{node.op} {node.name} takes {turns_taken} turns where the source's takes {count}"
    )
    if _by_count(theirs, stop) or stop.place < 0:
        place = 0 if theirs.starts or stop.place >= 0 else 1
        return around.steered(_given(node, place), problem)
    return around.steered(str(theirs.going), problem)


def _given(node: Node, place: int) -> str:
    return node.inputs[place] if place < len(node.inputs) else ""
