"""How the axes of a source tensor lie in the target's, traced to the paired edges."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from analyzer.core.permutations import composed, inverse
from analyzer.core.types import Node, Pair, Permutation, TensorPair

Shapes = Mapping[str, tuple[int, ...]]
"""Shape of a tensor by its name in one model."""

PASSING = frozenset({"Identity", "Cast", "Transpose"})
"""Operators that keep a tensor's values; the last moves its axes."""


@dataclass(frozen=True, slots=True, eq=False)
class Layouts:
    """What is known of the tensors around a pair of nodes.

    Attributes:
        pair: The nodes.
        edges: Tensors that hold the same values.
        source_shapes: Shapes of source tensors, as far as they were seen.
        target_shapes: Shapes of target tensors, likewise.
    """

    pair: Pair
    edges: Sequence[TensorPair]
    source_shapes: Shapes = field(default_factory=dict)
    target_shapes: Shapes = field(default_factory=dict)

    def inputs(self, source: Node, target: Node) -> Permutation | None:
        """Return how the first input of a source node lies in its target node's.

        Args:
            source: A node of the pair's source.
            target: A node of the pair's target.

        Returns:
            The permutation; None where the layout is the same, or nothing says otherwise.
        """
        return self._between(first_tensor(source), first_tensor(target))

    def outputs(self, source: Node, target: Node) -> Permutation | None:
        """Return how the first output of a source node lies in its target node's."""
        given = _edge(self.edges, source.outputs[0], target.outputs[0])
        return given.permutation if given else None

    def rank(self, source: Node, target: Node) -> int | None:
        """Return the rank of the nodes' first input, None where nothing tells it."""
        permutation = self.inputs(source, target)
        if permutation is not None:
            return len(permutation)
        ours, theirs = (
            shapes.get(first_tensor(node))
            for shapes, node in ((self.source_shapes, source), (self.target_shapes, target))
        )
        shape = theirs if theirs is not None else ours
        return None if shape is None else len(shape)

    def _between(self, source: str, target: str) -> Permutation | None:
        for theirs, moved in upstream(self.pair.target, target):
            for ours, was in upstream(self.pair.source, source):
                edge = _edge(self.edges, ours, theirs)
                if edge is not None:
                    return composed(inverse(was), edge.permutation, moved)
        return None


def first_tensor(node: Node) -> str:
    """Return the first input that a node computes on: no constant, not absent."""
    names = (n for slot, n in enumerate(node.inputs) if n and slot not in node.constants)
    return next(names, "")


def upstream(
    nodes: Iterable[Node], tensor: str
) -> tuple[tuple[str, Permutation | None], ...]:
    """Return the tensors that this one is a mere transposition of.

    Args:
        nodes: The nodes that may lie between.
        tensor: Name of a tensor.

    Returns:
        Each tensor, the given one first, with what transposes it into the given one.
    """
    given_by = {name: node for node in nodes for name in node.outputs}
    found: list[tuple[str, Permutation | None]] = [(tensor, None)]
    while (node := given_by.get(found[-1][0])) is not None and node.op in PASSING:
        step = node.attributes.get("perm") if node.op == "Transpose" else None
        if node.op == "Transpose" and not isinstance(step, tuple):
            break
        order = tuple(int(axis) for axis in step) if isinstance(step, tuple) else None
        found.append((node.inputs[0], composed(order, found[-1][1])))
    return tuple(found)


def _edge(edges: Iterable[TensorPair], source: str, target: str) -> TensorPair | None:
    """Return the pairing of two tensors, one that a reshape follows left out."""
    return next(
        (e for e in edges if (e.source, e.target) == (source, target) and e.shape is None),
        None,
    )
