"""What was compared, and what was not, by name."""

from collections.abc import Iterable, Sequence

from analyzer.core.graph import node_reads
from analyzer.core.report import Coverage, NotCompared
from analyzer.matching.tensors import Links
from analyzer.view import INPUT, Operator, View
from analyzer.view.classes import RANDOM_OPS

ENOUGH = 0.5
"""Share of the target's operators that must have been compared for any verdict at all."""


def coverage(
    source: View, target: View, links: Links, missed: Sequence[NotCompared]
) -> Coverage:
    """Return the coverage statement of a run.

    Args:
        source: The source's macro graph.
        target: The target's macro graph.
        links: Tensor pairs by target tensor.
        missed: What a stage already knows it could not compare.
    """
    ours = frozenset(link.tensors.source for link in links.values())
    theirs = frozenset(links)
    pairs = sum(_is_linked(op, theirs) for op in target.operators if op.op != INPUT)
    unseen = tuple(
        NotCompared(name_of(op), _why(op)) for op in _uncompared(target, links.keys())
    )
    return Coverage(
        pairs,
        _left_over(source, ours),
        _left_over(target, theirs),
        (*missed, *unseen),
    )


def compared_share(target: View, links: Links) -> float:
    """Return the share of the target's operators whose values reach a compared tensor."""
    operators = [op for op in target.operators if op.op != INPUT]
    missing = sum(1 for _ in _uncompared(target, links.keys()))
    return 1.0 - missing / len(operators) if operators else 1.0


def name_of(operator: Operator) -> str:
    """Return the name a macro operator goes by: that of its first node."""
    return operator.nodes[0].name if operator.nodes else operator.tensors[0]


def _is_linked(operator: Operator, linked: frozenset[str]) -> bool:
    return not linked.isdisjoint(operator.tensors)


def _left_over(view: View, linked: frozenset[str]) -> tuple[str, ...]:
    alone = (op for op in view.operators if not _is_linked(op, linked))
    return tuple(name_of(op) for op in alone if op.op != INPUT)


def _uncompared(view: View, linked: Iterable[str]) -> tuple[Operator, ...]:
    """Return the operators that no compared tensor depends on."""
    needed = set(linked)
    for node in reversed(view.nodes):
        if any(name in needed for name in node.outputs):
            needed.update(name for name in node_reads(node))
    return tuple(
        op
        for op in view.operators
        if op.op != INPUT and not any(name in needed for name in op.tensors)
    )


def _why(operator: Operator) -> str:
    if any(node.op in RANDOM_OPS for node in operator.nodes):
        return "it draws random numbers"
    return "nothing that was compared depends on it"
