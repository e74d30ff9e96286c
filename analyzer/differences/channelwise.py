"""Scales and shifts that stand in place of others, or one too many, by their operators."""

from collections.abc import Collection, Hashable, Iterator, Sequence
from dataclasses import replace
from difflib import SequenceMatcher

from analyzer.core.types import Aspect, Difference, Node, Pair
from analyzer.differences.effective import Effective, effective
from analyzer.differences.folded import is_same
from analyzer.differences.operators import is_channelwise

NORMALISATION = frozenset({"BatchNormalization"})
"""What the source may have folded away, so that only the target has it."""

BIASES = NORMALISATION | {"Add", "Sub"}
"""The same behind a kernel, whose operator can hold a bias of its own."""


def compare_channelwise(pair: Pair) -> Iterator[Difference]:
    """Yield the scales and shifts whose operator is not the source's.

    Args:
        pair: Nodes of one macro operator on either side.

    Yields:
        Differences of ``op``, where the effective kernel or bias differs at all: another
        operator in the same place, or one that only the target has and no
        folding explains.
    """
    source, target = (
        [node for node in nodes if is_channelwise(node)]
        for nodes in (pair.source, pair.target)
    )
    if not any(_otherwise(source, target, NORMALISATION, None, None)):
        return  # which costs less to see than two effective kernels
    ours, theirs = effective(pair.source), effective(pair.target)
    if ours is not None and theirs is not None and is_same(ours, theirs):
        return
    has_kernel = ours is not None and ours.main is not None
    may_be_folded = BIASES if has_kernel else NORMALISATION
    yield from _otherwise(source, target, may_be_folded, ours, theirs)


def _otherwise(
    source: Sequence[Node],
    target: Sequence[Node],
    may_be_folded: Collection[str],
    ours: Effective | None,
    theirs: Effective | None,
) -> Iterator[Difference]:
    """Yield the scales and shifts that are others, or that only the target has."""
    keys = [_key(node) for node in source], [_key(node) for node in target]
    for tag, s0, s1, t0, t1 in SequenceMatcher(None, *keys, autojunk=False).get_opcodes():
        if tag == "replace" and s1 - s0 == t1 - t0:
            yield from _replaced(source[s0:s1], target[t0:t1])
        elif tag == "insert":
            extra = (n for n in target[t0:t1] if n.op not in may_be_folded)
            yield from (_difference(_bias_for(node, ours, theirs), node) for node in extra)


def _bias_for(node: Node, ours: Effective | None, theirs: Effective | None) -> Node | None:
    """Return the sum that a target's scale stands for, where the source's kernel holds it.

    A bias that one side holds inside its kernel is an operator of its own on the other.
    """
    if ours is None or ours.main is None or theirs is None or theirs.main is None:
        return None
    if 2 not in ours.main.constants or len(theirs.main.inputs) > 2 or not node.constants:  # noqa: PLR2004 - the bias slot
        return None
    slot, value = next(iter(node.constants.items()))
    spatial = theirs.main.constants[1].ndim - 2 if "Conv" in theirs.main.op else 0
    bias = ours.bias.reshape(-1, *(1,) * spatial).astype(value.dtype)
    name = ours.main.name
    return replace(node, name=name, op="Add", attributes={}, constants={slot: bias})


def _key(node: Node) -> Hashable:
    """Return what makes two scales or shifts the same: operator, slots and values."""
    values = (
        (s, node.constants[s].shape, node.constants[s].tobytes()) for s in node.constants
    )
    return node.op, tuple(values)


def _replaced(source: Sequence[Node], target: Sequence[Node]) -> Iterator[Difference]:
    for one, other in zip(source, target, strict=True):
        if one.op != other.op:
            yield _difference(one, other)


def _difference(source: Node | None, target: Node) -> Difference:
    return Difference(
        Aspect.OPERATOR, "op", source.op if source else None, target.op, source, target
    )
