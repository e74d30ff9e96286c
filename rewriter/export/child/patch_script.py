"""A repair as a few lines of Python that change a torch module: for people to review."""

import operator
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from torch.fx import Node as Call

from rewriter.export.child.fx_arguments import agree
from rewriter.export.child.fx_work import Mended, Stated
from rewriter.export.child.patch_orders import Ordered

LOCATED = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+)')

LIBRARY = "torch.nn."
"""Where the modules are defined whose settings are attributes of the arguments' names."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a call of a program stands in the user's modules.

    Attributes:
        module: Path of the innermost module around it, empty for the model itself.
        line: Where its code is, as ``file.py:12``, or nothing.
        alone: Whether it is the only call of that module.
        last: Whether it is that module's last call.
    """

    module: str
    line: str
    alone: bool
    last: bool


def places(program: Any) -> dict[str, Place]:
    """Return where each call of a program stands, before anything is changed.

    Args:
        program: The `torch.export.ExportedProgram`.
    """
    calls = [node for node in program.graph.nodes if node.op == "call_function"]
    paths = {node.name: _module(node) for node in calls}
    ends = {path: name for name, path in paths.items()}
    shared = list(paths.values())
    return {
        node.name: Place(
            paths[node.name],
            _line(node),
            shared.count(paths[node.name]) == 1,
            ends[paths[node.name]] == node.name,
        )
        for node in calls
    }


def _module(node: Any) -> str:
    stack = [path for path, _ in (node.meta.get("nn_module_stack") or {}).values()]
    return str(stack[-1]).partition("@")[0] if stack else ""


def _line(node: Any) -> str:
    for frame in LOCATED.finditer(node.meta.get("stack_trace") or ""):
        file = PurePath(frame["file"])
        if "torch" not in file.parts:
            return f"{file.name}:{frame['line']}"
    return ""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A repair in Python, as far as it can be said of a module from outside.

    Attributes:
        lines: Statements that change ``module``, a comment before each.
        unsaid: What cannot be said, each with the line of the user's code if known.
    """

    lines: tuple[str, ...]
    unsaid: tuple[str, ...]


def spoken(
    module: Any,
    program: Any,
    mended: Mended,
    known: Mapping[str, Place],
    orders: Ordered,
) -> Spoken:
    """Return what changes a module as its program was changed, its weights apart.

    Args:
        module: The module as the user's code builds it.
        program: Its program after the repair.
        mended: What was done to that.
        known: Where its calls stood before.
        orders: What of the repair orders axes, which is said already.
    """
    lines: list[str] = list(orders.lines)
    unsaid: list[str] = []
    for one in mended.stated:
        if one.node in orders.calls:
            continue
        _add(_setting(module, known[one.node], one), _told(one.node, known), lines, unsaid)
    for name in mended.gone:
        if name in known and name not in orders.calls:
            _add(_removal(known[name], name), _told(name, known), lines, unsaid)
    calls = {node.name: node for node in program.graph.nodes}
    new = [name for name in mended.made if name not in orders.calls]
    made = [calls[name] for name in new if name in calls]
    now = {mended.renamed.get(name, name): place for name, place in known.items()}
    for last in made:
        if any(user not in made for user in last.users):
            _add(_insertion(last, made, now), str(last.target), lines, unsaid)
    if mended.moved and not (mended.made or mended.gone):
        unsaid += [f"what {_told(name, known)} reads" for name in mended.moved]
    return Spoken(tuple(lines), tuple(dict.fromkeys(unsaid)))


def _add(said: Sequence[str], told: str, lines: list[str], unsaid: list[str]) -> None:
    lines.extend(said)
    if not said:
        unsaid.append(told)


def _told(name: str, known: Mapping[str, Place]) -> str:
    place = known.get(name)
    return f"{name} ({place.line})" if place is not None and place.line else name


def _setting(module: Any, place: Place, one: Stated) -> list[str]:
    """Return the lines that give a module's setting another value; none: it has none."""
    if not place.module or not place.alone:
        return []
    inner = module.get_submodule(place.module)
    own = getattr(inner, one.argument, None)
    of_torch = type(inner).__module__.startswith(LIBRARY)
    if own is None or not of_torch or not agree(own, one.old, one.argument, 0):
        return []
    value = tuple(one.new) if isinstance(one.new, list) else one.new
    return [
        f"# {one.argument} was {own!r}",
        f"module.get_submodule({place.module!r}).{one.argument} = {value!r}",
    ]


def _removal(place: Place, name: str) -> list[str]:
    """Return the lines that take a module out that does nothing but one call."""
    if not place.module or not place.alone:
        return []
    return [
        f"# {name} is taken out",
        f"module.set_submodule({place.module!r}, torch.nn.Identity())",
    ]


def _insertion(last: Any, made: Sequence[Any], known: Mapping[str, Place]) -> list[str]:
    """Return the lines that put calls in behind a module, or before one."""
    chain = list(_chain(last, made))
    first = chain[-1]
    source = next(iter(first.all_input_nodes), None)
    if source is None or any(len(one.all_input_nodes) != 1 for one in chain):
        return []
    code = "value"
    for call in reversed(chain):
        code = _code(call, code)
    if not code:
        return []
    behind, users = known.get(source.name), list(last.users)
    others = [one for one in source.users if one is not first]
    if not others and behind is not None and behind.module and behind.last:
        return [
            f"# {last.name} is put behind it",
            f"module.get_submodule({behind.module!r}).register_forward_hook(",
            f"    lambda _module, _inputs, value: {code}",
            ")",
        ]
    reader = known.get(users[0].name) if len(users) == 1 else None
    if reader is None or not reader.module or not reader.alone:
        return []
    return [
        f"# {last.name} is put before it",
        f"module.get_submodule({reader.module!r}).register_forward_pre_hook(",
        "    lambda _module, inputs: (",
        f"        *map(lambda value: {code}, inputs[:1]),",
        "        *inputs[1:],",
        "    )",
        ")",
    ]


def _chain(last: Any, made: Sequence[Any]) -> Iterator[Any]:
    """Yield a new call and the new ones before it that only it reads."""
    while last is not None:
        yield last
        given = [one for one in last.all_input_nodes if one in made and len(one.users) == 1]
        last = given[0] if given else None


def _code(call: Any, value: str) -> str:
    """Return a call as Python, its one tensor under a name; nothing where it has others."""
    if not value or not hasattr(call.target, "_schema"):
        return ""
    given = [value if isinstance(one, Call) else repr(one) for one in call.args]
    given += [f"{name}={one!r}" for name, one in call.kwargs.items()]
    nested = any(isinstance(one, list | tuple) and _holds_calls(one) for one in call.args)
    return "" if nested else f"torch.ops.{call.target}({', '.join(given)})"


def _holds_calls(value: Any) -> bool:
    return operator.truth([one for one in value if isinstance(one, Call)])
