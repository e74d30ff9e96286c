"""A program's graph as calls come and go in it: what is read, named, dead, and in order."""

from collections.abc import Collection, Iterator, Mapping
from itertools import pairwise
from typing import Any

from torch.fx.node import map_arg

from analyzer.core.errors import ExportError
from rewriter.export.child.tied import HINT
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


def swept(program: Any, alive: Collection[str]) -> Iterator[str]:
    """Yield the calls that nobody reads any more, after taking them out.

    Args:
        program: The `torch.export.ExportedProgram`; it is changed.
        alive: Names of the calls that were read, or are new.
    """
    for node in reversed(list(program.graph.nodes)):
        if node.op == CALL and not node.users and node.name in alive:
            program.graph.erase_node(node)
            yield node.name


def sort(graph: Any, taking: Mapping[Any, Any]) -> None:
    """Let each call stand behind what it reads, as near to its old place as may be.

    Args:
        graph: The `torch.fx.Graph`; it is changed.
        taking: The call that is to have a call's place, for those that change places.

    Raises:
        ExportError: Calls wait for each other.
    """
    old = list(graph.nodes)
    listed = [taking.get(node, node) for node in old]
    places = order(
        [(node.name,) for node in listed],
        [tuple(one.name for one in node.all_input_nodes) for node in listed],
    )
    if places is None:
        raise ExportError("the repaired calls would wait for each other", hint=HINT)
    wanted = [listed[place] for place in places]
    if wanted == old:
        return
    for anchor, node in pairwise(wanted):
        anchor.append(node)
