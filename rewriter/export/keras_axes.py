"""Which of Keras's axes those of a pivot's tensor are, and how a repair orders them."""

from collections.abc import Iterator, Sequence

from analyzer.core.types import Node, Permutation
from rewriter.export.keras_activations import ELEMENTWISE
from rewriter.export.keras_layers import Owners
from rewriter.export.keras_made import PASSING, computed
from rewriter.export.keras_regions import Graph, Region

CHANNELS_FIRST = frozenset(
    {
        "AveragePool", "Conv", "ConvTranspose", "DepthToSpace", "GlobalAveragePool",
        "GlobalMaxPool", "MaxPool", "SpaceToDepth",
    }
)  # fmt: skip
"""Operators that take channels first, whatever their layers in Keras take."""

AS_IN_KERAS = frozenset({"Gemm", "MatMul", "Reshape"})
"""Operators that take the axes as their layers do: another order gives other numbers."""

KEEPING = ELEMENTWISE | {"BatchNormalization", "Concat", "Dropout", "PRelu"}
"""Operators that give the axes in the order in which they read them."""


def reordering(region: Region) -> Permutation | None:
    """Return how a repair orders the axes of a region's end anew.

    Args:
        region: What came and went.

    Returns:
        Axes of the old end, such that the new one is ``old.transpose(axes)``; None: it is
        more than an order, or it cannot be told.
    """
    turns = [node for node in (*region.was, *region.now) if node.op != "Identity"]
    starts = region.given
    if starts[0] != starts[1] or len(starts[0]) != 1:
        return None
    ranks = {len(_perm(node)) for node in turns}
    if any(node.op not in PASSING for node in turns) or len(ranks) != 1 or ranks == {0}:
        return None
    was, now = (_composed(one, *ranks) for one in (region.was, region.now))
    return tuple(was.index(axis) for axis in now)


def _perm(node: Node) -> Permutation:
    """Return a node's order of axes; empty where it states none."""
    perm = node.attributes.get("perm")
    return tuple(int(one) for one in perm) if isinstance(perm, tuple) else ()


def _composed(nodes: Sequence[Node], rank: int) -> Permutation:
    axes = tuple(range(rank))
    for node in nodes:
        axes = tuple(axes[one] for one in _perm(node)) or axes
    return axes


def in_keras(
    owners: Owners, was: Graph, tensor: str, axes: Permutation
) -> Permutation | None:
    """Return an order of a pivot tensor's axes as one of those that Keras has.

    Args:
        owners: The layers.
        was: The pivot as it was imported.
        tensor: Its tensor.
        axes: The order, in the pivot's axes.

    Returns:
        The order in Keras's axes, the batch's first; None: what stands around the tensor
        does not tell which axis is which, or tells it in two ways.
    """
    rank = len(axes)
    plain, first = tuple(range(rank)), (0, rank - 1, *range(1, rank - 1))
    told = {_takes_first(owners, node) for node in _anchors(was, tensor)}
    layouts = {first if one else plain for one in told} or {first, plain}
    found = {
        tuple(layout[axes[layout.index(axis)]] for axis in range(rank))
        for layout in layouts
    }
    return found.pop() if len(found) == 1 else None


def _takes_first(owners: Owners, node: Node | None) -> bool:
    """Return whether a node takes its channels first, while its layer has them last."""
    if node is None or node.op in AS_IN_KERAS:
        return False
    layer = owners.layer(node)
    return layer is None or layer.options.get("data_format") != "channels_first"


def _anchors(was: Graph, tensor: str) -> Iterator[Node | None]:
    """Yield the nodes that tell in which order a tensor's axes lie; None: the model's end.

    They stand on either side of it, behind such as keep the order.
    """
    waiting, seen = [tensor], {tensor}
    while waiting:
        name = waiting.pop()
        maker = was.makers.get(name)
        if maker is None or name in was.outputs:
            yield None
        near = [node for node in was.nodes if name in computed(node)]
        for node in [*near, *([maker] if maker else [])]:
            if node.op in CHANNELS_FIRST | AS_IN_KERAS:
                yield node
            elif node.op in KEEPING:
                more = {*computed(node), *node.outputs} - seen
                seen |= more
                waiting += more
