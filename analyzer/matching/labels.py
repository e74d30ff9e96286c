"""Evidence from structure: Weisfeiler-Lehman labels over the macro graph."""

from collections import Counter
from collections.abc import Mapping, Sequence

from analyzer.view import View

COMMUTATIVE = frozenset({"Add", "Mul", "Max", "Min", "Sum", "And", "Or", "Xor", "Equal"})
"""Operators whose operands two converters may write in either order."""


def directed_labels(view: View, *, forward: bool) -> Sequence[int]:
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
    marks = [0] * len(view.operators)
    near = view.before if forward else view.after
    for operator in view.operators if forward else reversed(view.operators):
        around = [marks[index] for index in near[operator.index]]
        if len(around) > 1 and (not forward or operator.op in COMMUTATIVE):
            around.sort()  # readers have no order of their own
        marks[operator.index] = hash((operator.op, *around))
    return marks


def unique(marks: Sequence[int]) -> Mapping[int, int]:
    """Return, for each label that only one operator carries, that operator's index."""
    counts = Counter(marks)
    return {mark: index for index, mark in enumerate(marks) if counts[mark] == 1}
