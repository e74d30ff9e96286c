"""Which calls of a program stay through a repair, and what their arguments are to say."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from analyzer.core.types import Node
from rewriter.export.changes import same
from rewriter.export.child.fx_arguments import agree, schema, stated
from rewriter.export.child.fx_settings import SETTINGS, described
from rewriter.export.child.fx_work import Work


def is_whole(work: Work, owner: str, group: Sequence[Node]) -> bool:
    """Return whether a call is still what its operators are, up to its arguments.

    Args:
        work: The program.
        owner: The call's name.
        group: Its operators, as they were imported.
    """
    if owner not in work.nodes or any(node.name not in work.now for node in group):
        return False
    inner = {name for node in group for name in node.outputs}
    target = work.nodes[owner].target
    op, known = SETTINGS.get(schema(target), ("", ()))
    settable = {setting.place for setting in known}
    for was in group:
        now = work.now[was.name]
        covered = settable if was.op == op else set()
        if not (_wires_alike(work, was, now, inner) and _alike(was, now, covered)):
            return False
    main = [node for node in group if node.op == op]
    return len(main) == 1 and _is_sayable(work, owner, main[0]) if main else True


def _wires_alike(work: Work, was: Node, now: Node, inner: set[str]) -> bool:
    """Return whether what an operator reads inside its call, and of constants, stays."""
    if len(was.inputs) != len(now.inputs) or was.constants.keys() != now.constants.keys():
        return False
    for slot, (one, other) in enumerate(zip(was.inputs, now.inputs, strict=True)):
        if slot in was.constants or one not in inner:
            continue
        if work.givers[1].get(other) != work.givers[0][one]:
            return False
    return True


def _alike(was: Node, now: Node, settable: set[str | int]) -> bool:
    """Return whether two operators differ in nothing but what arguments and weights say."""
    names = was.attributes.keys() | now.attributes.keys()
    return all(
        name in settable or same(was.attributes.get(name), now.attributes.get(name))
        for name in names
    )


def _is_sayable(work: Work, owner: str, was: Node) -> bool:
    """Return whether the arguments of a call say what changed, and said what it was."""
    node, now = work.nodes[owner], work.now[was.name]
    return all(
        new is not None and agree(stated(node)[argument], old, argument, _rank(node))
        for argument, old, new in settings(node, was, now)
    )


def settings(node: Any, was: Node, now: Node) -> Iterator[tuple[str, Any, Any]]:
    """Yield each argument that is to change, what it was and what it is to be.

    Args:
        node: The call.
        was: Its operator, as it was imported.
        now: The same after the repair.
    """
    op, known = SETTINGS.get(schema(node.target), ("", ()))
    own = stated(node) if op == was.op else {}
    for one in known if op == was.op else ():
        before, after = described(was, one.place), described(now, one.place)
        if same(before, after) or one.argument not in own or _is_tensor(own, one.argument):
            continue
        rank = _rank(node)
        old = None if before is None else one.convert(before, rank)
        new = None if after is None else one.convert(after, rank)
        if old != new or old is None:
            yield one.argument, old, new


def _is_tensor(own: Mapping[str, Any], argument: str) -> bool:
    return hasattr(own[argument], "meta")


def _rank(node: Any) -> int:
    """Return the number of axes of a call's image."""
    image = next((one for one in node.all_input_nodes), None)
    value = None if image is None else image.meta.get("val")
    return len(getattr(value, "shape", ()))
