"""Which operators of a pair belong together, and which stand alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from math import inf

from analyzer.core.settings import setting_slots, settings
from analyzer.core.types import Aspect, AttributeValue, Difference, Node, Pair
from analyzer.differences.padding import pad_before

FAMILIES = (
    ("linear", ("Gemm", "MatMul", "Conv", "ConvInteger", "MatMulInteger", "FusedConv")),
    ("mean", ("GlobalAveragePool", "ReduceMean")),
    ("max", ("GlobalMaxPool", "ReduceMax")),
    ("resize", ("Resize", "Upsample")),
    ("pick", ("Slice", "Gather", "Split")),
    ("sum", ("Add", "Sum")),
    ("rectifier", ("Relu", "Clip", "Max", "Min", "Relu6")),
)
"""Operators that spell the same thing; a difference between them is no difference."""

_FAMILY = {op: family for family, ops in FAMILIES for op in ops}

NEUTRAL = frozenset(
    {
        "Transpose",
        "Reshape",
        "Squeeze",
        "Unsqueeze",
        "Flatten",
        "Cast",
        "Identity",
        "Dropout",
        "Shape",
        "Constant",
        "ConstantOfShape",
        "Expand",
        "CastLike",
    }
)
"""Operators that move or retype values: layout and spelling, seldom a fault."""

CHANNELWISE = frozenset({"BatchNormalization", "Mul", "Add", "Sub", "Div", "Neg"})
"""Operators that, by constants, scale and shift each channel."""


@dataclass(frozen=True, slots=True, eq=False)
class Couple:
    """A source node and the target node of the same work; one side may be missing."""

    source: Node | None
    target: Node | None


def family(node: Node) -> str:
    """Return the name that equivalent operators share."""
    return _FAMILY.get(node.op, node.op)


def is_channelwise(node: Node) -> bool:
    """Return whether a node scales or shifts channels by constants alone."""
    if node.op not in CHANNELWISE or node.domain:
        return False
    computed = [s for s, name in enumerate(node.inputs) if name and s not in node.constants]
    return len(computed) == 1


def couples(pair: Pair) -> tuple[Couple, ...]:
    """Return the pair's nodes side by side, in order.

    Args:
        pair: Nodes of one macro operator on either side, in topological order.

    Returns:
        Couples of the operators that compute; where both sides hold as many neutral or
        channelwise nodes of one operator, those too.
    """
    core = _aligned(_computing(pair.source), _computing(pair.target))
    return (*core, *_counterparts(pair.source, pair.target))


def compare_operators(pair: Pair) -> Iterator[Difference]:
    """Yield the operators that only one side has, or that differ in kind."""
    for couple in couples(pair):
        ours, theirs = couple.source, couple.target
        if ours and theirs and is_spelled_alike(ours, theirs):
            continue
        yield Difference(
            Aspect.OPERATOR,
            "op",
            ours.op if ours else None,
            theirs.op if theirs else None,
            ours,
            theirs,
        )


def is_spelled_alike(one: Node, other: Node) -> bool:
    """Return whether two nodes may compute the same, their settings compared elsewhere."""
    if one.op == other.op or family(one) != family(other):
        return one.op == other.op
    ours, theirs = bounds(one), bounds(other)
    return ours == theirs


def bounds(node: Node) -> tuple[float, float] | None:
    """Return the interval a rectifier limits its input to; None for any other operator."""
    low: AttributeValue | None
    high: AttributeValue | None
    match node.op:
        case "Relu":
            return 0.0, inf
        case "Relu6":
            return 0.0, 6.0
        case "Clip":
            values = settings(node)
            low, high = values.get("min", -inf), values.get("max", inf)
        case "Max":
            low, high = _only_number(node), inf
        case "Min":
            low, high = -inf, _only_number(node)
        case _:
            return None
    numbers = [float(bound) for bound in (low, high) if isinstance(bound, int | float)]
    if len(numbers) < 2:  # noqa: PLR2004 - a bound is computed
        return None
    return max(numbers[0], -inf), inf if numbers[1] >= FLOAT_RANGE else numbers[1]


FLOAT_RANGE = 3.4028234e38
"""A bound this far out bounds nothing in float32; old opsets write it for an absent one."""


def _only_number(node: Node) -> float | None:
    numbers = [value for value in node.constants.values() if value.size == 1]
    return float(numbers[0].ravel()[0]) if len(node.inputs) == 2 and numbers else None  # noqa: PLR2004 - one computed, one constant


def _computing(nodes: Sequence[Node]) -> tuple[Node, ...]:
    padding = {
        id(pad) for pad in (pad_before(nodes, n)[0] for n in nodes if n.op == "Conv")
    }
    return tuple(
        n
        for n in nodes
        if n.op not in NEUTRAL and not is_channelwise(n) and id(n) not in padding
    )


def _aligned(source: Sequence[Node], target: Sequence[Node]) -> Iterator[Couple]:
    names = [family(n) for n in source], [family(n) for n in target]
    for _, s0, s1, t0, t1 in SequenceMatcher(None, *names, autojunk=False).get_opcodes():
        ours, theirs = source[s0:s1], target[t0:t1]
        both = min(len(ours), len(theirs))
        yield from (Couple(a, b) for a, b in zip(ours, theirs, strict=False))
        yield from (Couple(node, None) for node in ours[both:])
        yield from (Couple(None, node) for node in theirs[both:])


def _counterparts(source: Sequence[Node], target: Sequence[Node]) -> Iterator[Couple]:
    """Yield neutral and channelwise nodes that occur equally often on both sides."""
    for op in dict.fromkeys(node.op for node in source):
        ours, theirs = (
            [n for n in nodes if n.op == op and (op in NEUTRAL or is_channelwise(n))]
            for nodes in (source, target)
        )
        if len(ours) == len(theirs):
            yield from (Couple(a, b) for a, b in zip(ours, theirs, strict=True))


def weight_slots(node: Node) -> tuple[int, ...]:
    """Return the input slots that hold constants which are no settings."""
    return tuple(s for s in sorted(node.constants) if s not in setting_slots(node))
