"""A repair of the pivot carried over to the exported program that it was made of."""

from collections.abc import Iterator
from typing import Any

from analyzer.core.errors import ExportError
from analyzer.core.types import Node
from rewriter.export.child.fx_arguments import schema, state, stated
from rewriter.export.child.fx_caller import Caller
from rewriter.export.child.fx_calls import called
from rewriter.export.child.fx_curves import curve, fits
from rewriter.export.child.fx_graph import sort, swept
from rewriter.export.child.fx_outputs import bear_names, exchanged, return_at
from rewriter.export.child.fx_settings import SPELLINGS
from rewriter.export.child.fx_settling import settle
from rewriter.export.child.fx_stays import is_whole
from rewriter.export.child.fx_work import Mended, Stated, Work, start
from rewriter.export.child.sides import Sides
from rewriter.export.child.tied import HINT


def mend(program: Any, sides: Sides) -> Mended:
    """Change a program as its pivot was changed.

    Args:
        program: The `torch.export.ExportedProgram`; it is changed.
        sides: The pivot before and after.

    Raises:
        ExportError: A change cannot be said in the program.
    """
    work = start(program, sides)
    alive = {node.name for node in program.graph.nodes if node.users}
    kept = {owner for owner, group in sides.groups.items() if is_whole(work, owner, group)}
    for node in sides.after:
        owner = sides.owners.get(node.name, "") if node.name in work.was else ""
        if owner in kept:
            _keep(work, work.nodes[owner], work.was[node.name], node)
        else:
            _make(work, owner, node)
    for owner in kept:
        settle(work, owner, sides.groups[owner])
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


def _keep(work: Work, node: Any, was: Node, now: Node) -> None:
    """Let the tensors of an operator that stays be its call's value again."""
    for old, new in zip(was.outputs, now.outputs, strict=False):
        if old in work.old:
            work.values[new] = work.old[old]
    del node


def _make(work: Work, owner: str, node: Node) -> None:
    """Put a call in for an operator that no call stands for any more."""
    near = work.nodes.get(owner) or _near(work, node)
    caller = Caller(work.program, work.constants, work.values, near)
    results = called(caller, node)
    for name, result in zip(node.outputs, results, strict=False):
        work.values[name] = result
    work.made.extend(caller.made)


def _near(work: Work, node: Node) -> Any:
    """Return the call whose place in the user's modules a new one shares."""
    given = (work.values[name] for name in node.inputs if name in work.values)
    return next((one for one in given if hasattr(one, "meta")), None)


def _respell(work: Work) -> None:
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


def _ends(work: Work) -> Iterator[tuple[Any, Any]]:
    """Yield what gave each output of the pivot, and what gives it now."""
    for before, after in zip(*work.sides.outputs, strict=True):
        old, new = work.old.get(before), work.values.get(after)
        if old is None or new is None:
            raise ExportError(f"no call gives the repaired output {after}", hint=HINT)
        yield old, new
