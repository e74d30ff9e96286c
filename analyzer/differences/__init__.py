"""What a pair of nodes disagrees on before anything is run: not yet a fault."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from analyzer.core.changes import undone
from analyzer.core.types import Array, Difference, Pair, TensorPair
from analyzer.differences.attributes import compare_attributes
from analyzer.differences.channelwise import compare_channelwise
from analyzer.differences.dtypes import compare_dtypes
from analyzer.differences.layout import Layouts, Shapes
from analyzer.differences.operators import FLOAT_RANGE, compare_operators, couples
from analyzer.differences.shapes import compare_shapes
from analyzer.differences.undo import undo
from analyzer.differences.weights import compare_weights

__all__ = [
    "FLOAT_RANGE",
    "compare",
    "compare_settings_and_weights",
    "couples",
    "undo",
    "undone",
]

Same = Callable[[Array, Array], bool]
"""Says whether two arrays hold the same."""

NO_SHAPES: Shapes = {}


def compare(
    pair: Pair,
    edges: Sequence[TensorPair],
    *,
    source_shapes: Shapes = NO_SHAPES,
    target_shapes: Shapes = NO_SHAPES,
) -> tuple[Difference, ...]:
    """Return what the two sides of a pair disagree on, spelling and layout aside.

    Args:
        pair: Nodes of one macro operator on either side, in topological order.
        edges: Tensors around the pair that hold the same values, with their layouts.
        source_shapes: Shape of each source tensor that was seen, by name; with shapes,
            fewer
            spellings are mistaken for differences.
        target_shapes: Shape of each target tensor that was seen, by name.

    Returns:
        Differences whose source value is what the target would have to take: in its own
        layout, dtype and opset. `cure` is left untested.
    """
    layouts = Layouts(pair, edges, source_shapes, target_shapes)
    return (
        *compare_operators(pair),
        *compare_channelwise(pair),
        *compare_attributes(layouts),
        *compare_shapes(layouts),
        *compare_dtypes(pair),
        *compare_weights(layouts),
    )


def compare_settings_and_weights(
    pair: Pair, edges: Sequence[TensorPair], same: Same = np.array_equal
) -> Iterator[Difference]:
    """Yield the settings and weights that the two sides of a pair disagree on.

    Constants that are the same bit by bit cost one look at them.

    Args:
        pair: Nodes of one macro operator on either side, in topological order.
        edges: Tensors around the pair that hold the same values, with their layouts.
        same: Says whether two constants hold the same.
    """
    layouts = Layouts(pair, edges)
    yield from compare_attributes(layouts)
    if not _holds_the_same(pair, same):
        yield from compare_channelwise(pair)
        yield from compare_weights(layouts)


def _holds_the_same(pair: Pair, same: Same) -> bool:
    """Return whether both sides hold the same constants in the same places."""
    ours, theirs = pair.source, pair.target
    return [node.op for node in ours] == [node.op for node in theirs] and all(
        one.constants.keys() == other.constants.keys()
        and all(same(value, other.constants[slot]) for slot, value in one.constants.items())
        for one, other in zip(ours, theirs, strict=True)
    )
