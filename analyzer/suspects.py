"""What differs on paper in regions that came out right on every sample.

A setting or a weight that no sample reached; an activation that only one side has and that
changed nothing, because what it reads never left the range in which it is the identity.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analyzer.core.types import Aspect, Difference, Fault, Node, Pair
from analyzer.differences import Same, compare_settings_and_weights
from analyzer.differences.operators import compare_operators
from analyzer.matching.operators import OperatorPair
from analyzer.matching.tensors import Link, Links
from analyzer.regions import region
from analyzer.sides import Side

CURABLE = frozenset({Aspect.ATTRIBUTE, Aspect.WEIGHT})
"""What a latent fault may be about beside activations; the rest is a matter of spelling."""

OF_PADDING = frozenset({"pads", "auto_pad"})
"""Settings that a Pad node before the operator may hold as well."""

OF_SHAPE = frozenset({"allowzero", "keepdims", "perm"})
"""Settings that show in shapes, or in the order of axes, on any sample."""

ACTIVATIONS = frozenset(
    {"Relu", "Relu6", "LeakyRelu", "PRelu", "Clip", "Abs", "Max", "Min", "Elu", "Celu"}
    | {"Selu", "ThresholdedRelu", "HardSigmoid", "HardSwish", "Shrink"}
)
"""Operators that are the identity, or one another, on a part of what they may read."""


@dataclass(frozen=True, slots=True, eq=False)
class Suspect:
    """A region of the target in which something differs on paper.

    Attributes:
        results: The target tensors it gives.
        differences: What differs.
    """

    results: tuple[str, ...]
    differences: tuple[Difference, ...]


def without_doubles(source: Side, target: Side, links: Links) -> Links:
    """Return the links but those to a source tensor that an earlier target tensor holds.

    What an idle activation reads and gives are the same numbers: both look like the one
    tensor of the side that lacks it, and only the first is certainly not behind it.

    Args:
        source: The source.
        target: The target.
        links: Tensor pairs by target tensor.
    """
    roots, order = target.view.root, target.view.order
    first: dict[str, str] = {}
    kept: dict[str, Link] = {}
    for name in sorted(links, key=lambda name: order.get(name, -1)):
        held = links[name].tensors.source
        one = first.setdefault(source.view.root.get(held, held), roots.get(name, name))
        if one == roots.get(name, name):
            kept[name] = links[name]
    return kept


def suspects(
    source: Side,
    target: Side,
    links: Links,
    operators: Iterable[OperatorPair],
    known: Iterable[Fault] = (),
    same: Same = np.array_equal,
) -> tuple[Suspect, ...]:
    """Return the regions that differ on paper although they were seen to be right.

    Args:
        source: The source.
        target: The target.
        links: Tensor pairs by target tensor.
        operators: Operator pairs from weights and structure.
        known: Faults; their regions are suspected already.
        same: Says whether two constants hold the same.
    """
    guilty = {id(node) for fault in known for node in fault.target.nodes}
    by_source = {link.tensors.source: link for link in links.values()}
    found: dict[tuple[str, ...], list[Difference]] = {}
    pairs = _paired(source, target, operators)
    for pair in pairs:
        if any(id(node) in guilty for node in pair.target):
            continue
        for diff in _on_paper(source, target, pair, links, by_source, same):
            results = _results(target, diff.target_node, links.keys())
            found.setdefault(results, []).append(diff)
    for diff in _lone_activations(source, target, pairs):
        if diff.target_node is None:
            ours = _results(source, diff.source_node, by_source.keys())
            results = tuple(by_source[name].tensors.target for name in ours)
        else:
            results = _results(target, diff.target_node, links.keys())
        found.setdefault(results, []).append(diff)
    exact = frozenset(name for name, link in links.items() if link.tensors.exact)
    return tuple(
        Suspect(names, tuple(diffs))
        for names, diffs in found.items()
        if names and not _is_guilty(target, names, exact, guilty)
    )


def _is_guilty(
    target: Side, results: Sequence[str], cuts: Collection[str], guilty: Collection[int]
) -> bool:
    """Return whether a region holds a node that is known to be wrong on some sample."""
    if not guilty:
        return False
    nodes = region(target.view, results, cuts).nodes
    return any(id(node) in guilty for node in nodes)


def _paired(
    source: Side, target: Side, operators: Iterable[OperatorPair]
) -> tuple[Pair, ...]:
    """Return the nodes of each operator pair, side by side."""
    ours, theirs = source.view.operators, target.view.operators
    return tuple(
        Pair(ours[one.source].nodes, theirs[one.target].nodes, one.score, one.reasons)
        for one in operators
    )


def _on_paper(
    source: Side,
    target: Side,
    pair: Pair,
    links: Links,
    by_source: Mapping[str, Link],
    same: Same,
) -> Iterator[Difference]:
    """Yield the settings, weights and activations that a pair disagrees on.

    Where the padding differs, a Pad before the pair may make up for it.
    """
    theirs = (name for node in pair.target for name in (*node.inputs, *node.outputs))
    ours = (name for node in pair.source for name in (*node.inputs, *node.outputs))
    near = [links[name] for name in theirs if name in links]
    near += [by_source[name] for name in ours if name in by_source]
    edges = tuple(dict.fromkeys(link.tensors for link in near))
    differing = tuple(compare_settings_and_weights(pair, edges, same))
    if any(diff.field in OF_PADDING for diff in differing):
        wider = (
            (*_pads(source, pair.source, by_source), *pair.source),
            (*_pads(target, pair.target, links), *pair.target),
        )
        differing = tuple(
            compare_settings_and_weights(
                Pair(*wider, pair.score, pair.reasons), edges, same
            )
        )
    for diff in differing:
        if diff.field not in OF_SHAPE and diff.aspect in CURABLE:
            yield diff
    both = (diff for diff in compare_operators(pair) if diff.target_node is not None)
    yield from (diff for diff in both if diff.source_node and _is_activation(diff))


def _pads(side: Side, nodes: Sequence[Node], cuts: Collection[str]) -> tuple[Node, ...]:
    """Return the Pads, and what only moves axes, between some nodes and the cuts."""
    found: list[Node] = []
    waiting = [name for node in nodes for name in node.inputs if name not in cuts]
    while waiting:
        node = side.view.giver.get(waiting.pop())
        if node is None or node.op not in {"Pad", "Transpose"} or node in (*found, *nodes):
            continue
        found.insert(0, node)
        waiting += [name for name in node.inputs if name not in cuts]
    return tuple(found)


def _is_activation(diff: Difference) -> bool:
    nodes = (diff.source_node, diff.target_node)
    return all(node is not None and node.op in ACTIVATIONS for node in nodes)


def _lone_activations(
    source: Side, target: Side, pairs: Iterable[Pair]
) -> Iterator[Difference]:
    """Yield the activations that no pair holds, each as what only one side has."""
    held = {id(node) for pair in pairs for node in (*pair.source, *pair.target)}
    for node in source.view.nodes:
        if node.op in ACTIVATIONS and id(node) not in held:
            yield Difference(Aspect.OPERATOR, "op", node.op, None, node, None)
    for node in target.view.nodes:
        if node.op in ACTIVATIONS and id(node) not in held:
            yield Difference(Aspect.OPERATOR, "op", None, node.op, None, node)


def _results(side: Side, node: Node | None, cuts: Collection[str]) -> tuple[str, ...]:
    """Return the nearest paired tensors that depend on a node."""
    waiting = [node] if node is not None else []
    found: dict[str, None] = {}
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        for name in (name for name in one.outputs if name):
            if name in cuts:
                found[name] = None
            else:
                readers = side.view.readers.get(name, ())
                waiting += [reader for reader in readers if id(reader) not in seen]
                seen.update(id(reader) for reader in readers)
    return tuple(sorted(found, key=lambda name: side.view.order[name]))
