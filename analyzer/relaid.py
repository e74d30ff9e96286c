"""Settings that both files hold alike, and the layouts before them that make them differ.

Matching looks through layouts: a tensor laid out wrongly agrees with its counterpart, and
an axis that both sides spell alike then seems to be wrong in whatever reads it.
"""

import numpy as np

from analyzer.core.settings import settings
from analyzer.core.types import Aspect, Difference, Fault, TensorPair
from analyzer.matching.tensors import Links
from analyzer.sides import Side
from analyzer.view.absorb import LAYOUT_OPS


def is_of_layout(difference: Difference) -> bool:
    """Return whether both files hold a setting alike, so that it differs by layout alone.

    Args:
        difference: Of a setting, the source's put into the target's layout.
    """
    ours, theirs = difference.source_node, difference.target_node
    if difference.aspect is not Aspect.ATTRIBUTE or ours is None or theirs is None:
        return False
    held = [settings(node).get(difference.field) for node in (ours, theirs)]
    return held[0] is not None and np.array_equal(np.asarray(held[0]), np.asarray(held[1]))


def relaid(fault: Fault, source: Side, target: Side, links: Links) -> frozenset[str]:
    """Return the target tensors from which on a fault reads another layout than the source.

    Args:
        fault: A fault.
        source: The source.
        target: The target.
        links: Tensor pairs by target tensor.

    Returns:
        What the same layout operators of both sides give, of a tensor that lies alike
        before them; empty where the layouts differ for another reason, and where every
        setting that cures is one that the files hold in two ways.
    """
    cures = [one for one in fault.differences if fault.is_cured_by(one)]
    if not cures or not all(map(is_of_layout, cures)):
        return frozenset()
    moved = (edge for edge in fault.edges if not _lies_alike(edge))
    return frozenset(name for edge in moved for name in _since(edge, source, target, links))


def _lies_alike(edge: TensorPair) -> bool:
    return edge.permutation is None and edge.shape is None


def _since(edge: TensorPair, source: Side, target: Side, links: Links) -> tuple[str, ...]:
    """Return what lies otherwise since both sides held a tensor alike; empty: never."""
    one, other, found = edge.source, edge.target, list[str]()
    while True:
        found.append(other)
        ours, theirs = source.view.giver.get(one), target.view.giver.get(other)
        if ours is None or theirs is None or ours.op != theirs.op:
            return ()
        if ours.op not in LAYOUT_OPS:
            return ()
        one, other = ours.inputs[0], theirs.inputs[0]
        link = links.get(other)
        if link and link.tensors.source == one and _lies_alike(link.tensors):
            return tuple(found)
