"""Edits of functions of a SavedModel: of one that is called twice, for both calls alike."""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence

from analyzer.core.errors import ExportError
from analyzer.core.types import Array
from rewriter.export.child.graph_bodies import Body, body_of
from rewriter.export.child.graph_edits import (
    AddNode,
    Drop,
    GraphEdit,
    Rewire,
    SetKind,
    SetOption,
    SetValue,
)

Asked = dict[str, Counter[Hashable]]
"""What each call of a function, by its prefix, is to have changed in it."""


def apply_all(found: Sequence[Body], edits: Iterable[GraphEdit]) -> None:
    """Do what edits say, once where they say it of every call of a function.

    Args:
        found: The functions, one for each call; they are changed.
        edits: In order; their nodes are called as the whole model's graph calls them.

    Raises:
        ExportError: There is no such node, or another call of its function keeps it.
    """
    asked: dict[int, Asked] = {}
    for edit in edits:
        body = body_of(found, edit)
        calls = asked.setdefault(id(body.proto), _calls(found, body))
        said = _within(edit, body.prefix)
        done = max(each[said] for each in calls.values())
        calls[body.prefix][said] += 1
        if calls[body.prefix][said] > done:
            body.apply(edit)
    for body in found:
        _check(body, asked.get(id(body.proto), {}))


def _calls(found: Sequence[Body], body: Body) -> Asked:
    return {one.prefix: Counter() for one in found if one.proto is body.proto}


def _check(body: Body, calls: Asked) -> None:
    """Refuse what is to be changed in some calls of a function, and not in others."""
    if len({frozenset(said.items()) for said in calls.values()}) > 1:
        name = body.proto.signature.name
        raise ExportError(
            f"the function {name} is called {len(calls)} times by the SavedModel, and the "
            "repair is not the same for each call",
            hint="write the repaired model with -o to an .onnx file",
        )


def _within(edit: GraphEdit, prefix: str) -> Hashable:
    """Return what an edit does to a function, whatever its call is named."""

    def own(name: str) -> str:
        return name.removeprefix(prefix)

    match edit:
        case SetValue(name, value):
            return "value", own(name), _bits(value)
        case SetOption(name, option, value):
            return "option", own(name), option, value.SerializeToString()
        case SetKind(name, op):
            return "kind", own(name), op
        case AddNode(name, op, operands, beside, options):
            reads = (own(one) if isinstance(one, str) else _bits(one) for one in operands)
            said = ((key, one.SerializeToString()) for key, one in sorted(options.items()))
            return "add", own(name), op, tuple(reads), own(beside), tuple(said)
        case Rewire(old, new, readers):
            edges = readers and tuple((own(name), slot) for name, slot in readers)
            return "rewire", own(old), own(new), edges
        case Drop(name):
            return "drop", own(name)


def _bits(value: Array) -> Hashable:
    return value.dtype.str, value.shape, value.tobytes()
