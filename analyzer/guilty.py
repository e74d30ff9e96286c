"""Which target tensors lie at the root of a fault, by what is known of it."""

from collections.abc import Iterable

from analyzer.core.types import Fault, Node
from analyzer.regions import beyond
from analyzer.view.absorb import LAYOUT_OPS

FOLDING_OPS = frozenset({"BatchNormalization"})
"""What a converter folds into the operator before it: its absence says nothing."""

MOST_ODD = 8
"""Nodes without counterpart of which each may be named; of more, only what they give."""


def guilty(fault: Fault) -> tuple[str, ...]:
    """Return the target tensors at the root of a fault, at most four, most guilty first.

    Outputs of nodes that the cause test blames; else of nodes that only the target has,
    or has in another kind, and the edges from which operators of the source are missing;
    else of nodes that differ in anything, or of the one that computes; else what the region
    gives.
    """
    blamed = [
        diff for diff in fault.differences if fault.is_cured_by(diff) and diff.target_node
    ]
    if blamed:
        ranked = sorted(blamed, key=lambda diff: diff.cure or 0.0)
        nodes = (diff.target_node for diff in ranked if diff.target_node)
        return _named((*(one.node for one in fault.origins), *nodes))
    odd = (*fault.unpaired_target, *strangers(fault))
    if len(odd) > MOST_ODD:
        return fault.target.outputs[:4]
    found = tuple(dict.fromkeys((*_named(odd), *missing_edge(fault))))
    differing = [diff.target_node for diff in fault.differences if diff.target_node]
    alone = [node for node in fault.target.nodes if node.op not in LAYOUT_OPS]
    computing = _named(alone) if len(alone) == 1 else ()
    return found[:4] or _named(differing) or computing or fault.target.outputs[:4]


def strangers(fault: Fault) -> tuple[Node, ...]:
    """Return target nodes whose operator their pair lacks, or has fewer times."""
    found = [node for pair in fault.pairs for node in beyond(pair.target, pair.source)]
    return tuple(node for node in found if node.op not in FOLDING_OPS)


def _named(nodes: Iterable[Node]) -> tuple[str, ...]:
    names = (name for node in nodes for name in node.outputs if name)
    return tuple(dict.fromkeys(names))[:4]


def missing_edge(fault: Fault) -> tuple[str, ...]:
    """Return the target tensor behind which source nodes are missing, and their reader.

    Where what follows the missing nodes has a counterpart, the edge is what it
    reads; where nothing follows, it is what the region gives.
    """
    if not fault.unpaired_source:
        return ()
    lost = {name for node in fault.unpaired_source for name in node.outputs}
    for node in fault.source.nodes:
        if node.op in LAYOUT_OPS and lost & set(node.inputs):
            lost.update(node.outputs)
    for pair in fault.pairs:
        if any(name in lost for node in pair.source for name in node.inputs):
            own = {name for node in pair.target for name in node.outputs}
            reads = [
                name
                for node in pair.target
                for name in node.inputs
                if name and name not in own and _is_activation(name, fault)
            ]
            strange = [name for name in reads if name not in _shared(fault)]
            edge = [name for name in reads if name in _before_missing(fault)]
            outs = [name for node in pair.target[:1] for name in node.outputs if name]
            return tuple(dict.fromkeys((*(edge or strange or reads), *outs)))[:4]
    return fault.target.outputs[:4]


def _before_missing(fault: Fault) -> frozenset[str]:
    """Return the target tensors that hold what the missing nodes read."""
    wanted = {name for node in fault.unpaired_source for name in node.inputs}
    return frozenset(edge.target for edge in fault.edges if edge.source in wanted)


def _shared(fault: Fault) -> frozenset[str]:
    """Return the target region's inputs whose counterparts the source's reads too."""
    ours = set(fault.source.inputs)
    return frozenset(edge.target for edge in fault.edges if edge.source in ours)


def _is_activation(name: str, fault: Fault) -> bool:
    given = {out for node in fault.target.nodes for out in node.outputs}
    return name in given or name in fault.target.inputs
