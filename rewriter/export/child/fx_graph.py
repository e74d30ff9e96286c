"""A program's graph as calls come and go in it: what is read, named, dead, and in order."""

from collections.abc import Collection, Iterator
from typing import Any

from torch.fx.node import map_arg

from analyzer.core.errors import ExportError
from rewriter.export.child.fx_constants import HINT
from rewriter.order import order

CALL = "call_function"


def read(node: Any) -> list[Any]:
    """Return the calls that a call reads, once for each argument, in order.

    Args:
        node: The call.
    """
    found: list[Any] = []

    def seen(one: Any) -> Any:
        found.append(one)
        return one

    map_arg((node.args, node.kwargs), seen)
    return found


def rename(node: Any, name: str) -> None:
    """Give a call a name that no other has.

    Args:
        node: The call; it is changed.
        name: Its new name.
    """
    node.name = name
    node.graph._graph_namespace._rename_object(node, name)  # noqa: SLF001  # there is no other way


def swept(program: Any, alive: Collection[str]) -> Iterator[str]:
    """Yield the calls that nobody reads any more, after taking them out.

    Args:
        program: The `torch.export.ExportedProgram`; it is changed.
        alive: Names of the calls that were read, or are new.
    """
    for node in reversed(list(program.graph.nodes)):
        was_read = node.name in alive or node.name.removesuffix("_before") in alive
        if node.op == CALL and not node.users and was_read:
            program.graph.erase_node(node)
            yield node.name


def sort(graph: Any) -> None:
    """Let each call stand behind what it reads, as near to its old place as may be.

    Args:
        graph: The `torch.fx.Graph`; it is changed.

    Raises:
        ExportError: Calls wait for each other.
    """
    listed = list(graph.nodes)
    places = order(
        [(node.name,) for node in listed],
        [tuple(one.name for one in node.all_input_nodes) for node in listed],
    )
    if places is None:
        raise ExportError("the repaired calls would wait for each other", hint=HINT)
    if places == sorted(places):
        return
    anchor = listed[places[0]]
    for place in places[1:]:
        anchor.append(listed[place])
        anchor = listed[place]
