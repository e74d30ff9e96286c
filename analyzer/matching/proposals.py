"""What paired operators propose: which of their tensors may be the same."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from analyzer.core.types import Node
from analyzer.matching.operators import OperatorPair
from analyzer.matching.rectified import behind_rectifier
from analyzer.view import Operator, View
from analyzer.view.absorb import PAD_OPS


@dataclass(frozen=True, slots=True)
class Proposal:
    """A target tensor, and the source tensors of the paired operator it may be.

    Attributes:
        target: Target tensor name.
        options: Source tensor names, the likeliest first.
        operators: The operator pair behind it.
    """

    target: str
    options: tuple[str, ...]
    operators: OperatorPair


def proposals(
    source: View, target: View, operators: Iterable[OperatorPair]
) -> Iterator[Proposal]:
    """Yield the tensors that paired operators give, output by output.

    Args:
        source: The source's macro graph.
        target: The target's macro graph.
        operators: See `analyzer.matching.operators.operator_pairs`.
    """
    for both in operators:
        one, other = source.operators[both.source], target.operators[both.target]
        slots = _slots(one.nodes, other.nodes)
        if slots:
            yield from (Proposal(right, (left,), both) for left, right in slots)
            continue
        options = tuple(reversed(_before_pads(source, one)))
        for name in _ends(target, other):
            rectified = behind_rectifier(source, one, target, name)
            yield Proposal(name, rectified or options, both)


def operands(
    source: View, target: View, operators: Iterable[OperatorPair]
) -> Iterator[Proposal]:
    """Yield the tensors that paired operators read where each reads a single one.

    One side may fold into the giver what is an operator of its own on the other: what it
    hands on is then no tensor of the paired giver, but the paired reader reads it.

    Args:
        source: The source's macro graph.
        target: The target's macro graph.
        operators: See `analyzer.matching.operators.operator_pairs`.
    """
    for both in operators:
        ours = source.operators[both.source].inputs
        theirs = target.operators[both.target].inputs
        if len(ours) == len(theirs) == 1:
            reader = OperatorPair(both.source, both.target, ("neighbours",))
            yield Proposal(theirs[0], ours, reader)


def _before_pads(view: View, operator: Operator) -> tuple[str, ...]:
    """Return an operator's tensors, padded ones first: they are the last resort."""
    padded = [
        n for n in operator.tensors if n in view.giver and view.giver[n].op in PAD_OPS
    ]
    return (*padded, *(name for name in operator.tensors if name not in padded))


def _ends(view: View, operator: Operator) -> tuple[str, ...]:
    """Return the tensors an operator hands on, and what they were before padding."""
    last = operator.outputs[-1:]
    giver = view.giver.get(last[0]) if last else None
    return (*last, giver.inputs[0]) if giver and giver.op in PAD_OPS else last


def _slots(one: Sequence[Node], other: Sequence[Node]) -> list[tuple[str, str]]:
    """Return the outputs of operators that give several (TopK, Split), slot by slot."""
    if not one or not other or max(len(one[0].outputs), len(other[0].outputs)) == 1:
        return []
    both = zip(one[0].outputs, other[0].outputs, strict=False)
    return [(left, right) for left, right in both if left and right]
