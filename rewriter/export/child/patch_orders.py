"""Orders of axes in a module's own code, set right from outside: around the call.

What transposes a tensor in somebody's code stays; the module that reads the result, or the
one that gives the tensor, is hooked so that the result has the order that it should have.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rewriter.export.child.fx_arguments import schema
from rewriter.export.child.fx_work import Mended

Axes = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """A call that orders the axes of a tensor, as the user's code has it.

    Attributes:
        axes: It gives ``tensor.permute(axes)``.
        given: The call whose tensor it reads.
        readers: The calls that read what it gives.
        alone: Whether nothing else reads that tensor.
    """

    axes: Axes
    given: str
    readers: tuple[str, ...]
    alone: bool


def turns(program: Any) -> dict[str, Turn]:
    """Return the calls of a program that order axes, before anything is changed.

    Args:
        program: The `torch.export.ExportedProgram`.
    """
    found = {node: order(node, _rank(node)) for node in program.graph.nodes}
    return {
        node.name: Turn(
            axes,
            given.name,
            tuple(user.name for user in node.users),
            len(given.users) == 1,
        )
        for node, axes in found.items()
        if axes
        for given in node.all_input_nodes
    }


def _rank(node: Any) -> int:
    return len(getattr(node.meta.get("val"), "shape", ()))


def order(node: Any, rank: int) -> Axes:
    """Return the order in which a call gives the axes of its tensor; empty: no such call.

    Args:
        node: The call.
        rank: The number of the tensor's axes.
    """
    name, args = schema(node.target), node.args[1:]
    if name == "aten::permute" and not node.kwargs:
        return tuple(int(one) % rank for one in args[0])
    if name == "aten::transpose" and not node.kwargs:
        one, other = (int(axis) % rank for axis in args)
        axes = list(range(rank))
        axes[one], axes[other] = other, one
        return tuple(axes)
    return ()


@dataclass(frozen=True, slots=True)
class Ordered:
    """What of a repair is an order of axes.

    Attributes:
        lines: Statements that change ``module``, a comment before each.
        calls: Names of the calls that they set right, old and new.
    """

    lines: tuple[str, ...]
    calls: frozenset[str]


def ordered(
    program: Any, mended: Mended, known: Mapping[str, Turn], modules: Mapping[str, str]
) -> Ordered:
    """Return what sets a repaired program's orders of axes right in the user's module.

    Args:
        program: The program after the repair.
        mended: What was done to it.
        known: Its calls that ordered axes before.
        modules: Path of the module that each call is all of, by the call's name.
    """
    calls = {node.name: node for node in program.graph.nodes}
    changed = [*mended.gone, *(one.node for one in mended.stated)]
    lines: list[str] = []
    said: set[str] = set()
    for name in dict.fromkeys(one for one in changed if one in known):
        turn = known[name]
        ways = [_way(calls.get(one), calls.get(turn.given), turn) for one in turn.readers]
        if modules.get(name) and name in mended.gone and not any(way for _, way in ways):
            continue  # the module that is nothing else is taken out
        orders = {axes for axes, _ in ways}
        if len(orders) != 1 or not (axes := orders.pop()):
            continue
        hooks = tuple(_hooks(name, turn, axes, modules))
        lines += hooks
        said |= {name, *(one for _, way in ways for one in way)} if hooks else set()
    return Ordered(tuple(lines), frozenset(said))


def _way(reader: Any, given: Any, turn: Turn) -> tuple[Axes, tuple[str, ...]]:
    """Return the order in which a call reads a tensor now, and the calls on the way."""
    for start in () if reader is None or given is None else reader.all_input_nodes:
        rank, node, way = len(turn.axes), start, []
        axes = tuple(range(rank))
        while node is not given and (own := order(node, rank)):
            axes = tuple(own[one] for one in axes)
            way.append(node.name)
            node = node.all_input_nodes[0]
        if node is given:
            return axes, tuple(way)
    return (), ()


def _hooks(name: str, turn: Turn, axes: Axes, modules: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines that hook the readers of a turned tensor, or else what gives it."""
    readers = [modules.get(one, "") for one in turn.readers]
    if readers and all(readers):
        behind = tuple(turn.axes.index(axis) for axis in axes)
        for module in readers:
            yield f"# the axes that {name} gives it are put in order"
            yield from _before(module, behind)
    elif turn.alone and modules.get(turn.given):
        before = tuple(axes[turn.axes.index(axis)] for axis in range(len(axes)))
        yield f"# the axes that {name} gives are put in order before it"
        yield f"module.get_submodule({modules[turn.given]!r}).register_forward_hook("
        yield f"    lambda _module, _inputs, value: value.permute({_listed(before)})"
        yield ")"


def _before(module: str, axes: Axes) -> Iterator[str]:
    yield f"module.get_submodule({module!r}).register_forward_pre_hook("
    yield "    lambda _module, inputs: ("
    yield f"        *(one.permute({_listed(axes)}) for one in inputs[:1]),"
    yield "        *inputs[1:],"
    yield "    )"
    yield ")"


def _listed(axes: Sequence[int]) -> str:
    return ", ".join(map(str, axes))
