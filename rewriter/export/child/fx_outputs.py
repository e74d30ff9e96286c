"""What an exported program returns, at which place, and under which name."""

from collections.abc import Sequence
from typing import Any

from analyzer.core.errors import ExportError
from rewriter.export.child.fx_graph import CALL
from rewriter.export.child.tied import HINT

Ends = Sequence[tuple[Any, Any]]
"""What gave each output before, and what gives it now."""


def return_at(program: Any, ends: Ends) -> None:
    """Let a program return other calls, each at the place of the one that it replaces.

    Args:
        program: The `torch.export.ExportedProgram`; it is changed.
        ends: Of each output, in order; what is returned besides stays.

    Raises:
        ExportError: Which of what it returns an output is, is not certain.
    """
    returned = list(_last(program).args[0])
    places = _places(returned, ends)
    for place, (_, new) in zip(places, ends, strict=True):
        returned[place] = new
    _last(program).args = (tuple(returned),)


def _places(returned: Sequence[Any], ends: Ends) -> list[int]:
    """Return where each output is returned: one behind the other, as its form has them."""
    found: list[int] = []
    for old, _ in ends:
        behind = found[-1] + 1 if found else 0
        places = range(behind, len(returned))
        place = next((place for place in places if returned[place] is old), None)
        if place is None:
            raise ExportError(
                f"the program returns {old.name} at another place than its form", hint=HINT
            )
        found.append(place)
    return found


def exchanged(ends: Ends) -> dict[Any, Any]:
    """Return which call takes another's place, where outputs come in another order.

    Names of outputs are numbered as the calls stand, so that these have to move too.

    Args:
        ends: What gave each output, and what gives it now.
    """
    found = {old: new for old, new in ends if old is not new}
    return found if set(found) == set(found.values()) else {}


def bear_names(program: Any, ends: Ends) -> dict[str, str]:
    """Let what a program returns have the name of what it replaces, which users know.

    Args:
        program: The `torch.export.ExportedProgram`; it is changed.
        ends: What gave each output, and what gives it now.

    Returns:
        The new names by the old ones.
    """
    wanted: dict[Any, str] = {}
    for old, new in ends:
        is_other = old is not new and old.op == new.op == CALL
        if is_other and new not in wanted and old.name not in wanted.values():
            wanted[new] = str(old.name)
    freed = set(wanted.values())
    for node in program.graph.nodes:
        if node.name in freed and node not in wanted:
            wanted[node] = f"{node.name}_before"
    renamed = {str(node.name): name for node, name in wanted.items()}
    for node, name in wanted.items():
        node.name = name
        node.graph._graph_namespace._rename_object(node, name)  # noqa: SLF001  # there is no other way
    given = zip(program.graph_signature.output_specs, _last(program).args[0], strict=True)
    for spec, node in given:
        if hasattr(node, "op"):
            spec.arg.name = node.name
    return renamed


def _last(program: Any) -> Any:
    return next(node for node in reversed(program.graph.nodes) if node.op == "output")
