"""Causes that are one difference: what most rules detect, say and undo alike."""

from collections.abc import Callable
from dataclasses import dataclass

from analyzer.core.changes import undone
from analyzer.core.types import Difference, Fault, Fix, Node, Safety
from rules.base import Spot
from rules.evidence import blamed, first
from rules.wording import shown


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """A difference that cures its region, and what must be undone with it.

    Attributes:
        difference: The one the rule speaks of.
        together: Everything of the same node that only together cures the region.
        node: The target node it lies in.
        spot: The same with its counterpart.
    """

    difference: Difference
    together: tuple[Difference, ...]
    node: Node
    spot: Spot


def change(fault: Fault, wanted: Callable[[Difference], bool]) -> Change | None:
    """Return the first curing difference of a kind, as a cause.

    Args:
        fault: The fault.
        wanted: Tells the differences that the rule speaks of.
    """
    cures = blamed(fault)
    found = first(cures, lambda difference: difference.target_node is not None and wanted(difference))
    if found is None or found.target_node is None:
        return None
    joint = tuple(d for d in cures if d.jointly and d.target_node is found.target_node)
    source = (found.source_node,) if found.source_node is not None else ()
    spot = Spot(source, (found.target_node,))
    return Change(found, joint if found.jointly else (found,), found.target_node, spot)


def undoing(title: str, cause: Change) -> Fix | None:
    """Return the fix that gives the target the source's values.

    Args:
        title: What the fix does, in the imperative.
        cause: The difference, and those that go with it.
    """
    edits = tuple(edit for difference in cause.together for edit in undone(difference))
    return Fix(title, edits, Safety.SAFE) if edits else None


def beside(cause: Change) -> str:
    """Return, as the end of a sentence, what else must be undone with the difference."""
    others = [one for one in cause.together if one is not cause.difference]
    said = (f"{one.field} {shown(one.target)} for {shown(one.source)}" for one in others)
    return f"; together with {', '.join(said)}" if others else ""
