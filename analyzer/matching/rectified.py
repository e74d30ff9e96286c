"""Rectifiers that a quantized target has in the ends of a grid, and in no operator."""

from analyzer.core.grids import WRITER, Grid, grid_of
from analyzer.core.types import Node
from analyzer.differences.operators import bounds
from analyzer.view import Operator, View
from analyzer.view.absorb import SAME_VALUES_OPS

GRID_OPS = SAME_VALUES_OPS | {"QuantizeLinear", "DequantizeLinear"}
"""What stands between a grid and who reads its values."""

RECTIFIERS = frozenset({"Relu", "Clip", "Relu6", "Max"})
"""Operators that a grid which begins at zero does the work of."""


def lowest(view: View, name: str) -> float | None:
    """Return the smallest number of the grid that a tensor lies on; None: it is on none.

    Args:
        view: A macro graph.
        name: One of its tensors.
    """
    grid = _grid(view, name)
    return None if grid is None else grid.ends[0]


def _grid(view: View, name: str) -> Grid | None:
    """Return the grid that a tensor lies on."""
    giver = view.giver.get(name)
    while giver is not None and giver.op in GRID_OPS:
        grid = grid_of(giver)
        if grid is not None and grid.is_per_tensor:
            return grid
        giver = view.giver.get(giver.inputs[0])
    return None


def _next_grid(view: View, name: str) -> Grid | None:
    """Return the grid that a tensor is put on by all who read it."""
    readers = view.readers.get(name, ())
    grids = [grid_of(node) if node.op == WRITER else None for node in readers]
    first = grids[0] if len(grids) == 1 else None
    return first if first is not None and first.is_per_tensor else None


def is_limited(view: View, name: str, rectifier: Node) -> bool:
    """Return whether a tensor lies, or is put, on a grid that cuts off what a node would.

    A quantizer merges a rectifier into the ends of the grid behind it.

    Args:
        view: The target's macro graph.
        name: One of its tensors.
        rectifier: A node of the source.
    """
    limits = bounds(rectifier)
    grid = _grid(view, name) or _next_grid(view, name)
    if limits is None or grid is None:
        return False
    low, high = grid.ends
    step = float(grid.scale.ravel()[0])
    return low >= limits[0] and high <= limits[1] + step


def behind_rectifier(
    source: View, one: Operator, target: View, name: str
) -> tuple[str, ...]:
    """Return the source tensor behind a rectifier that the target has in a grid.

    What comes off a grid that begins at zero is the paired operator's value rectified, and
    never that value itself, even where neither agrees with it.

    Args:
        source: The source's macro graph.
        one: Its operator.
        target: The target's macro graph.
        name: A tensor that the operator's counterpart hands on.

    Returns:
        The rectifier's result; empty where the source rectifies nothing there.
    """
    if lowest(target, name) != 0.0:
        return ()
    last = one.outputs[-1:]
    readers = [node for end in last for node in source.readers.get(end, ())]
    if len(readers) != 1 or readers[0].op not in RECTIFIERS:
        return ()
    return tuple(readers[0].outputs[:1])
