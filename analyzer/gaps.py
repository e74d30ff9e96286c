"""Nodes that no run can compare, and what stands in their places in the other model.

A random operator draws anew at each run, and a custom operator's code is not there to be
run. Where the other model has the same operator, the two are a gap; where it spells the
operator out, the gap lies between the tensors that both read and both give.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import onnx

from analyzer.core.graph import node_reads
from analyzer.core.report import InputPair
from analyzer.core.types import Node, Pivot
from analyzer.matching.ends import output_names
from analyzer.matching.operators import operator_pairs
from analyzer.view import INPUT, Operator, View, view_of
from analyzer.view.classes import KNOWN_DOMAINS, RANDOM_OPS

Ends = tuple[tuple[str, str], ...]
"""Tensors of the source and of the target in the same places."""


@dataclass(frozen=True, slots=True, eq=False)
class Gap:
    """A place that no run can compare.

    Attributes:
        node: The source's node.
        twin: The target's node of the same kind; None where it is spelled out there.
        given: What both give, which both are given instead.
        read: What both read.
    """

    node: Node
    twin: Node | None
    given: Ends
    read: Ends


def gaps(left: Pivot, right: Pivot, inputs: Sequence[InputPair]) -> tuple[Gap, ...]:
    """Return the gaps of a pair, in the order in which the source computes.

    Args:
        left: The source, its functions opened.
        right: The target, likewise.
        inputs: Which target input takes which source input.
    """
    names = set(incomparable(left.model))
    if not names:
        return ()
    theirs = set(incomparable(right.model))
    views = view_of(left.model, left.folder), view_of(right.model, right.folder)
    ends = {pair.source: pair.target for pair in inputs}
    partner = {both.source: both.target for both in operator_pairs(*views, ends)}
    last = dict(output_names(left, right))
    found = (
        _twins(node, views, partner, theirs) or _spelled(node, views, partner, last)
        for node in views[0].nodes
        if names & set(node.outputs[:1])
    )
    return tuple(gap for gap in found if gap is not None)


def incomparable(model: onnx.ModelProto) -> Iterator[str]:
    """Yield the first output of each node that no run can compare.

    Args:
        model: A model, its functions opened.
    """
    own = {(one.domain, one.name) for one in model.functions}
    for node in model.graph.node:
        known = node.domain in KNOWN_DOMAINS or (node.domain, node.op_type) in own
        if not known or (node.op_type in RANDOM_OPS and not node.domain):
            yield from filter(None, node.output[:1])


def is_random(node: Node) -> bool:
    """Return whether a node draws anew at each run."""
    return node.op in RANDOM_OPS and not node.domain


def _twins(
    node: Node, views: tuple[View, View], partner: Mapping[int, int], theirs: set[str]
) -> Gap | None:
    """Return the gap of a node whose counterpart is of its own kind."""
    left, right = views
    own = left.owner[node.outputs[0]]
    other = partner.get(own.index)
    if other is None or own.nodes[0] is not node:
        return None
    twin = right.operators[other].nodes[0]
    if (node.op, node.domain) != (twin.op, twin.domain) or twin.outputs[0] not in theirs:
        return None
    given = tuple(zip(node.outputs, twin.outputs, strict=False))
    return Gap(node, twin, given, tuple(zip(node.inputs, twin.inputs, strict=False)))


def _spelled(
    node: Node,
    views: tuple[View, View],
    partner: Mapping[int, int],
    last: Mapping[str, str],
) -> Gap | None:
    """Return the gap of a custom operator that the target spells out.

    What the target gives in its place is what the counterparts of its readers read, or the
    output of the whole model that belongs to its own.
    """
    left, right = views
    own = left.owner[node.outputs[0]]
    if is_random(node) or own.nodes[0] is not node:
        return None
    found = [
        (name, _read_instead(name, own, views, partner) or last.get(name, ""))
        for name in own.outputs
    ]
    given = tuple((name, other) for name, other in found if other)
    if not given or len(given) < len(found):
        return None
    read = tuple(_read(own, views, partner))
    reached = _ancestors(right, [other for _, other in given])
    if any(other not in reached for _, other in read):
        return None
    return Gap(node, None, given, read)


def _read_instead(
    name: str, own: Operator, views: tuple[View, View], partner: Mapping[int, int]
) -> str:
    """Return what the target's operators read where the source's read a tensor."""
    left, right = views
    for reader in left.readers[name]:
        operator = left.owner[next(filter(None, reader.outputs))]
        if operator is own or operator.index not in partner:
            continue
        other = right.operators[partner[operator.index]]
        place = operator.inputs.index(name)
        others = {_partner_of(one, left, partner) for one in operator.inputs if one != name}
        open_ = [one for one in other.inputs if right.owner[one].index not in others]
        if len(open_) == 1:
            return open_[0]
        if len(other.inputs) == len(operator.inputs):
            return other.inputs[place]
    return ""


def _partner_of(name: str, left: View, partner: Mapping[int, int]) -> int | None:
    return partner.get(left.owner[name].index) if name in left.owner else None


def _read(
    own: Operator, views: tuple[View, View], partner: Mapping[int, int]
) -> Iterator[tuple[str, str]]:
    """Yield what a custom operator reads, and what the target gives in the same place."""
    left, right = views
    for name in own.inputs:
        giver = left.owner[name]
        if giver.op == INPUT or name != giver.outputs[-1] or giver.index not in partner:
            continue
        yield name, right.operators[partner[giver.index]].outputs[-1]


def _ancestors(view: View, names: Sequence[str]) -> frozenset[str]:
    """Return the tensors that some tensors are computed from, and those themselves."""
    needed = set(names)
    for node in reversed(view.nodes):
        if not needed.isdisjoint(node.outputs):
            needed.update(node_reads(node))
    return frozenset(needed)
