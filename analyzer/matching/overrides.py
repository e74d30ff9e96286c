"""Pairs that the user states: they stand above every kind of evidence."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from analyzer.core.errors import UsageError
from analyzer.core.types import Feeds
from analyzer.matching.layouts import pair
from analyzer.matching.operators import TRUST
from analyzer.matching.tensors import Link, agrees, likeliest_layout
from analyzer.view import Operator, View

SHAPE = '[["source node or tensor", "target node or tensor"], …]'

Named = Sequence[tuple[str, str]]
"""Names that the user pairs, source first."""


def read_pairs(path: Path | None) -> Named:
    """Return the pairs of names in a JSON file, source first; none without a file.

    Args:
        path: A file that holds a list of two-element lists of node or tensor names, or of
            objects with ``source`` and ``target``, as ``pairs.json`` of a report has them.

    Raises:
        UsageError: The file is missing, is no JSON, or holds anything else.
    """
    if path is None:
        return ()
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as surprise:
        raise UsageError(
            f"the pairs file {path} cannot be read ({surprise})",
            hint=f"give a JSON file of the form {SHAPE}",
        ) from surprise
    pairs = [_names(row) for row in rows] if isinstance(rows, list) else [()]
    if not all(pairs):
        raise UsageError(
            f"the pairs file {path} is JSON, but not a list of pairs of names",
            hint=f"write it as {SHAPE}",
        )
    return tuple((pair[0], pair[1]) for pair in pairs)


def _names(row: object) -> tuple[str, ...]:
    """Return the two names of a row; nothing where it is of any other form."""
    match row:
        case [str(source), str(target)] | {"source": str(source), "target": str(target)}:
            return source, target
        case _:
            return ()


def stated(
    source: View, target: View, names: Sequence[tuple[str, str]]
) -> Iterator[tuple[int, int]]:
    """Yield the operators that the user's pairs name, as indexes.

    Args:
        source: The source's macro graph.
        target: The target's macro graph.
        names: Node or tensor names, source first.

    Raises:
        UsageError: A name is in neither form in its model.
    """
    for left, right in names:
        yield _named(source, left, "source").index, _named(target, right, "target").index


def _named(view: View, name: str, side: str) -> Operator:
    """Return the operator that a node or tensor name stands for."""
    if name in view.owner:
        return view.owner[name]
    for operator in view.operators:
        if any(node.name == name for node in operator.nodes):
            return operator
    raise UsageError(
        f"the pairs file names {name}, which is no node or tensor of the {side}",
        hint="`python cli.py inspect MODEL` lists the names pivotfix sees",
    )


def stated_links(target: View, named: Named, given: Feeds, seen: Feeds) -> dict[str, Link]:
    """Return links for the tensors that the user pairs; they hold whatever a run says.

    Args:
        target: The target's macro graph; its inputs are fed, never paired here.
        named: Names, source first; those of nodes pair operators and no tensors.
        given: The source's values of one sample.
        seen: The target's values of the same sample.
    """
    found: dict[str, Link] = {}
    for left, right in named:
        if left in given and right in seen and right in target.giver:
            layout = likeliest_layout(given[left], seen[right])
            exact = agrees(given[left], seen[right], pair(left, right, layout, exact=False))
            tensors = pair(left, right, layout, exact=exact)
            found[right] = Link(tensors, TRUST["user"], ("user",))
    return found
