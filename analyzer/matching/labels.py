"""Evidence from structure: Weisfeiler-Lehman labels over the macro graph."""

from collections import Counter
from collections.abc import Mapping, Sequence

from analyzer.view import Operator, View

COMMUTATIVE = frozenset({"Add", "Mul", "Max", "Min", "Sum", "And", "Or", "Xor", "Equal"})
"""Operators whose operands two converters may write in either order."""


def directed_labels(view: View, *, forward: bool) -> Mapping[int, int]:
    """Return a label for each operator that equal surroundings on one side share.

    Args:
        view: The macro graph.
        forward: Whether a label sees what stands before its operator, or what stands after.

    Returns:
        Labels by operator index, equal within and across views of one process.

    Source:
        Shervashidze et al., Weisfeiler-Lehman Graph Kernels, JMLR 12 (2011); one walk in
        topological order sees everything before, and two separate directions let an edit
        spoil only what lies on its other side.
    """
    start = {op.index: hash(op.op) for op in view.operators}
    if forward:
        return _pass(view.operators, start, _givers(view), forward=True)
    return _pass(tuple(reversed(view.operators)), start, _readers(view), forward=False)


def unique(marks: Mapping[int, int]) -> Mapping[int, int]:
    """Return, for each label that only one operator carries, that operator's index."""
    counts = Counter(marks.values())
    return {mark: index for index, mark in marks.items() if counts[mark] == 1}


def _pass(
    operators: Sequence[Operator],
    start: Mapping[int, int],
    neighbours: Mapping[int, Sequence[int]],
    *,
    forward: bool,
) -> dict[int, int]:
    """Return labels after one walk in topological order: each sees all before it."""
    marks: dict[int, int] = {}
    for operator in operators:
        around = [marks[index] for index in neighbours[operator.index] if index in marks]
        if operator.op in COMMUTATIVE or not forward:
            around.sort()  # readers have no order of their own
        marks[operator.index] = hash((start[operator.index], tuple(around)))
    return marks


def _givers(view: View) -> Mapping[int, Sequence[int]]:
    return {
        op.index: [view.owner[name].index for name in op.inputs if name in view.owner]
        for op in view.operators
    }


def _readers(view: View) -> Mapping[int, Sequence[int]]:
    found: dict[int, list[int]] = {op.index: [] for op in view.operators}
    for op in view.operators:
        for name in op.inputs:
            if name in view.owner:
                found[view.owner[name].index].append(op.index)
    return found
