"""A repair of the pivot carried over to the exported program that it was made of."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch.fx.node import map_arg

from analyzer.core.errors import ExportError
from analyzer.core.types import Array, Node
from rewriter.export.changes import same
from rewriter.export.child.fx_caller import ATEN, Caller
from rewriter.export.child.fx_calls import called
from rewriter.export.child.fx_constants import Constants
from rewriter.export.child.fx_curves import curve, fits
from rewriter.export.child.fx_graph import read, sort, swept
from rewriter.export.child.fx_outputs import bear_names, exchanged, return_at
from rewriter.export.child.fx_settings import (
    SETTINGS,
    SPELLINGS,
    Uneven,
    agree,
    described,
    schema,
    state,
    stated,
)
from rewriter.export.child.sides import Sides
from rewriter.export.child.tied import HINT


@dataclass(frozen=True, slots=True)
class Stated:
    """An argument of a call that says something else now.

    Attributes:
        node: The call's name.
        argument: The argument's name in its schema.
        old: What it said.
        new: What it says.
    """

    node: str
    argument: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True, eq=False)
class Mended:
    """What was done to a program.

    Attributes:
        weights: New values by the names of the program's state.
        stated: Arguments that say something else.
        made: Names of the calls that were put in.
        gone: Names of the calls that were taken out.
        moved: Names of the calls that read something else.
        fresh: Names of the constants that were put in.
        renamed: What calls have become the names of, by their own names till then.
    """

    weights: Mapping[str, Array]
    stated: tuple[Stated, ...]
    made: tuple[str, ...]
    gone: tuple[str, ...]
    moved: tuple[str, ...]
    fresh: tuple[str, ...]
    renamed: Mapping[str, str]


@dataclass(slots=True)
class _Work:
    """A program that is being changed, and what is known of it on the way."""

    program: Any
    sides: Sides
    constants: Constants
    nodes: Mapping[str, Any]
    was: Mapping[str, Node]
    now: Mapping[str, Node]
    values: dict[str, Any]
    old: Mapping[str, Any]
    givers: tuple[Mapping[str, str], Mapping[str, str]]
    stated: list[Stated] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)


def mend(program: Any, sides: Sides) -> Mended:
    """Change a program as its pivot was changed.

    Args:
        program: The `torch.export.ExportedProgram`; it is changed.
        sides: The pivot before and after.

    Raises:
        ExportError: A change cannot be said in the program.
    """
    work = _start(program, sides)
    alive = {node.name for node in program.graph.nodes if node.users}
    kept = {owner for owner, group in sides.groups.items() if _is_whole(work, owner, group)}
    for node in sides.after:
        owner = sides.owners.get(node.name, "") if node.name in work.was else ""
        if owner in kept:
            _keep(work, work.nodes[owner], work.was[node.name], node)
        else:
            _make(work, owner, node)
    for owner in kept:
        _settle(work, owner, sides.groups[owner])
    _respell(work)
    work.constants.write()
    ends = tuple(_ends(work))
    return_at(program, ends)
    gone = tuple(swept(program, {*alive, *work.made}))
    renamed = bear_names(program, ends)
    sort(program.graph, exchanged(ends))
    program.graph.lint()
    program.graph_module.recompile()
    return Mended(
        work.constants.changed,
        tuple(work.stated),
        tuple(renamed.get(name, name) for name in work.made if name not in gone),
        tuple(name for name in gone if name not in work.made),
        tuple(dict.fromkeys(work.moved)),
        tuple(work.constants.fresh),
        renamed,
    )


def _start(program: Any, sides: Sides) -> _Work:
    nodes = {node.name: node for node in program.graph.nodes}
    given = {tensor: nodes[name] for tensor, name in sides.values.items() if name in nodes}
    inputs = {
        name: node
        for name, node in nodes.items()
        if node.op == "placeholder" and name not in given
    }
    old = {**inputs, **given}
    return _Work(
        program,
        sides,
        Constants(program),
        nodes,
        {node.name: node for node in sides.before},
        {node.name: node for node in sides.after},
        dict(inputs),
        old,
        (_givers(sides.before), _givers(sides.after)),
    )


def _givers(nodes: Sequence[Node]) -> dict[str, str]:
    return {name: node.name for node in nodes for name in node.outputs}


def _is_whole(work: _Work, owner: str, group: Sequence[Node]) -> bool:
    """Return whether a call is still what its operators are, up to its arguments."""
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


def _wires_alike(work: _Work, was: Node, now: Node, inner: set[str]) -> bool:
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


def _is_sayable(work: _Work, owner: str, was: Node) -> bool:
    """Return whether the arguments of a call say what changed, and said what it was."""
    node, now = work.nodes[owner], work.now[was.name]
    return all(
        new is not None and agree(stated(node)[argument], old, argument, _rank(node))
        for argument, old, new in _settings(node, was, now)
    )


def _settings(node: Any, was: Node, now: Node) -> Iterator[tuple[str, Any, Any]]:
    """Yield each argument that is to change, what it was and what it is to be."""
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


def _keep(work: _Work, node: Any, was: Node, now: Node) -> None:
    """Let the tensors of an operator that stays be its call's value again."""
    for old, new in zip(was.outputs, now.outputs, strict=False):
        if old in work.old:
            work.values[new] = work.old[old]
    del node


def _settle(work: _Work, owner: str, group: Sequence[Node]) -> None:
    """Let a call that stays say, read and hold what its operators do now."""
    node = work.nodes[owner]
    pairs = [(was, work.now[was.name]) for was in group]
    uneven: list[Uneven] = []
    for was, now in pairs:
        said = set()
        for argument, old, new in _settings(node, was, now):
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


def _give(work: _Work, node: Any, pair: tuple[Node, Node], slot: int) -> None:
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


def _wants(work: _Work, node: Any, old: Array, new: Array) -> bool:
    """Return whether a call's operators were given the same new value for the same old."""
    return any(
        same(was.constants[slot], old) and same(work.now[was.name].constants[slot], new)
        for was in work.sides.groups.get(node.name, ())
        if was.name in work.now
        for slot in was.constants.keys() & work.now[was.name].constants.keys()
    )


def _move(work: _Work, node: Any, pairs: Sequence[tuple[Node, Node]]) -> None:
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


def _make(work: _Work, owner: str, node: Node) -> None:
    """Put a call in for an operator that no call stands for any more."""
    near = work.nodes.get(owner) or _near(work, node)
    caller = Caller(work.program, work.constants, work.values, near)
    results = called(caller, node)
    for name, result in zip(node.outputs, results, strict=False):
        work.values[name] = result
    work.made.extend(caller.made)


def _near(work: _Work, node: Node) -> Any:
    """Return the call whose place in the user's modules a new one shares."""
    given = (work.values[name] for name in node.inputs if name in work.values)
    return next((one for one in given if hasattr(one, "meta")), None)


def _respell(work: _Work) -> None:
    """Let a call whose operators were made anew compute that itself, where it can."""
    for tensor, node in work.old.items():
        new = work.values.get(tensor)
        argument, choices = SPELLINGS.get(schema(node.target), ("", ()))
        if not argument or new is None or new is node:
            continue
        wanted = curve(new, node.args[0], work.constants)
        found = [one for one in choices if fits(wanted, node.target, {argument: one})]
        if len(found) != 1:
            continue
        old = stated(node)[argument]
        state(node, argument, found[0])
        work.stated.append(Stated(node.name, argument, old, found[0]))
        new.replace_all_uses_with(node)
        for name in [name for name, given in work.values.items() if given is new]:
            work.values[name] = node


def _ends(work: _Work) -> Iterator[tuple[Any, Any]]:
    """Yield what gave each output of the pivot, and what gives it now."""
    for before, after in zip(*work.sides.outputs, strict=True):
        old, new = work.old.get(before), work.values.get(after)
        if old is None or new is None:
            raise ExportError(f"no call gives the repaired output {after}", hint=HINT)
        yield old, new
