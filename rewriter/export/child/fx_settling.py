"""Calls of a program that stay through a repair, and say, read and hold something else."""

from collections.abc import Sequence
from typing import Any

from torch.fx.node import map_arg

from analyzer.core.errors import ExportError
from analyzer.core.types import Array, Node
from rewriter.export.changes import same
from rewriter.export.child.fx_arguments import schema, state
from rewriter.export.child.fx_caller import ATEN, Caller
from rewriter.export.child.fx_graph import read
from rewriter.export.child.fx_settings import SETTINGS, Uneven
from rewriter.export.child.fx_stays import settings
from rewriter.export.child.fx_work import Stated, Work
from rewriter.export.child.tied import HINT


def settle(work: Work, owner: str, group: Sequence[Node]) -> None:
    """Let a call that stays say, read and hold what its operators do now.

    Args:
        work: The program; it is changed.
        owner: The call's name.
        group: Its operators, as they were imported.

    Raises:
        ExportError: An argument or a weight of it cannot.
    """
    node = work.nodes[owner]
    pairs = [(was, work.now[was.name]) for was in group]
    uneven: list[Uneven] = []
    for was, now in pairs:
        said = set()
        for argument, old, new in settings(node, was, now):
            said.add(argument)
            even = [0] * len(old) if isinstance(new, Uneven) else new
            if isinstance(new, Uneven):
                uneven.append(new)
            state(node, argument, even)
            work.stated.append(Stated(owner, argument, old, even))
        op, known = SETTINGS.get(schema(node.target), ("", ()))
        covered = {one.place for one in known if was.op == op and one.argument in said}
        for slot in sorted(was.constants.keys() - covered):
            if not same(was.constants[slot], now.constants[slot]):
                _give(work, node, (was, now), slot)
    _move(work, node, pairs)
    for one in uneven:
        caller = Caller(work.program, work.constants, work.values, node)
        wider = caller.call(
            ATEN.pad.default, node.args[0], list(one.edges), "constant", 0.0
        )
        node.args = (wider, *node.args[1:])
        work.made.extend(caller.made)


def _give(work: Work, node: Any, pair: tuple[Node, Node], slot: int) -> None:
    """Write one weight of a call, unless other calls read it too and keep it."""
    was, now = pair
    old, new = was.constants[slot], now.constants[slot]
    place = work.constants.place(node, old, new, was.inputs[slot])
    readers = [user for user in work.constants.readers(place) if user is not node]
    if readers and not all(_wants(work, one, old, new) for one in readers):
        raise ExportError(
            f"the weight {work.constants.name(place)} of {node.name} is also read by "
            f"{readers[0].name}, which keeps it as it is",
            hint=HINT,
        )
    work.constants.give(place, old, new)


def _wants(work: Work, node: Any, old: Array, new: Array) -> bool:
    """Return whether a call's operators were given the same new value for the same old."""
    return any(
        same(was.constants[slot], old) and same(work.now[was.name].constants[slot], new)
        for was in work.sides.groups.get(node.name, ())
        if was.name in work.now
        for slot in was.constants.keys() & work.now[was.name].constants.keys()
    )


def _move(work: Work, node: Any, pairs: Sequence[tuple[Node, Node]]) -> None:
    """Let a call read what its operators read now, argument by argument."""
    reads = [
        (work.old.get(one), work.values.get(other), other)
        for was, now in pairs
        for slot, (one, other) in enumerate(zip(was.inputs, now.inputs, strict=True))
        if slot not in was.constants and one in work.old and work.old[one] is not node
    ]
    if all(old is new for old, new, _ in reads):
        return
    missing = next((name for _, new, name in reads if new is None), None)
    if missing is not None:
        raise ExportError(
            f"{node.name} would read {missing}, which no call gives", hint=HINT
        )
    own = [one for one in read(node) if any(one is old for old, _, _ in reads)]
    news: list[Any] = _placed(own, reads)
    if not news:
        raise ExportError(
            f"which argument of {node.name} reads something else is not certain", hint=HINT
        )
    given = iter(news)

    def replaced(one: Any) -> Any:
        return next(given) if any(one is old for old, _, _ in reads) else one

    node.args, node.kwargs = map_arg(node.args, replaced), map_arg(node.kwargs, replaced)
    work.moved.append(node.name)


def _placed(own: Sequence[Any], reads: Sequence[tuple[Any, Any, str]]) -> list[Any]:
    """Return what each argument is to be: by position, or by what it was."""
    if [old for old, _, _ in reads] == list(own):
        return [new for _, new, _ in reads]
    by_old: dict[Any, list[Any]] = {}
    for old, new, _ in reads:
        by_old.setdefault(old, []).append(new)
    if any(any(one is not news[0] for one in news) for news in by_old.values()):
        return []
    return [by_old[one][0] for one in own]
