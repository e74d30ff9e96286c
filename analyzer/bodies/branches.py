"""An If against its counterpart: which branch belongs to which, and who chooses them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from analyzer.bodies.cases import Around, Case
from analyzer.bodies.entries import Joined, joined
from analyzer.bodies.opened import BRANCHES, Body, outer_values
from analyzer.bodies.turns import Turn, course, turns
from analyzer.core.errors import RunError
from analyzer.core.types import Fault, Feeds

STRAIGHT = (0, 1)
CROSSED = (1, 0)
"""Which of the target's branches each of the source's is: the same, or the other one."""


@dataclass(frozen=True, slots=True, eq=False)
class _Tried:
    """A branch of the source and one of the target, run on every sample's values."""

    bodies: tuple[Body, Body]
    runs: tuple[tuple[Turn, Joined] | None, ...]

    @property
    def error(self) -> float:
        """The error between the two over all samples; 1 for one they do not run on."""
        return sum(1.0 if run is None else sum(run[1].errors) for run in self.runs)


def branch_cases(around: Around) -> Iterator[Case | Fault]:
    """Yield the branches to compare, and the fault of what chooses the wrong one.

    Args:
        around: The two nodes.
    """
    tried = {
        (one, other): _tried(around, BRANCHES[one], BRANCHES[other])
        for one in STRAIGHT
        for other in STRAIGHT
    }
    found = {ends: one for ends, one in tried.items() if one is not None}
    if len(found) < len(tried):
        return
    order = min(
        (STRAIGHT, CROSSED),
        key=lambda order: sum(found[ends].error for ends in enumerate(order)),
    )
    bodies = found[0, 0].bodies
    ours = [_choice(bodies[0], known.ours) for known in around.known]
    theirs = [_choice(bodies[1], known.theirs) for known in around.known]
    wrong = [n for n, one in enumerate(ours) if theirs[n] != order[one]]
    if wrong:
        yield _mischosen(around, wrong, BRANCHES[theirs[wrong[0]]])
    for one, other in enumerate(order):
        taken = [n for n, branch in enumerate(ours) if branch == one]
        case = _case(around, found[one, other], taken or range(len(ours)))
        if case is not None:
            yield case if taken else Case(case.bodies, case.joined, case.shots, latent=True)


def _tried(around: Around, one: str, other: str) -> _Tried | None:
    bodies = around.bodies(one, other)
    if bodies is None:
        return None
    runs: list[tuple[Turn, Joined] | None] = []
    for known in around.known:
        try:
            drives = course(bodies[0], known.ours), course(bodies[1], known.theirs)
            taken = tuple(turns(drives[0]))
            run = joined(*drives, taken)
            runs.append((taken[0], run))
        except RunError:  # the branch is not made for this sample
            runs.append(None)
    return _Tried(bodies, tuple(runs))


def _choice(body: Body, known: Feeds) -> int:
    """Return which branch an If takes on a sample."""
    name = body.node.inputs[0]
    return 0 if bool(outer_values(body, [name], known)[name].ravel()[0]) else 1


def _case(around: Around, tried: _Tried, places: Sequence[int]) -> Case | None:
    """Return two branches to compare on some samples; None where they run on none."""
    runs = [(n, run) for n in places if (run := tried.runs[n]) is not None]
    if not runs:
        return None
    shots = tuple(around.known[n].shot(None, {}, {}) for n, _ in runs)
    return Case(tried.bodies, runs[0][1][1], shots)


def _mischosen(around: Around, wrong: Sequence[int], branch: str) -> Fault:
    """Return the fault of what makes the target's If take the wrong branch."""
    node = around.nodes[1]
    count = len(around.known)
    problem = (
        f"If {node.name} takes its {branch} where the source's takes the other one, "
        f"on {len(wrong)} of {count} samples"
    )
    return around.steered(node.inputs[0], problem)
