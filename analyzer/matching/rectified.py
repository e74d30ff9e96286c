"""Rectifiers that a quantized target has in the ends of a grid, and in no operator."""

from analyzer.core.grids import grid_of
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
    giver = view.giver.get(name)
    while giver is not None and giver.op in GRID_OPS:
        grid = grid_of(giver)
        if grid is not None and grid.is_per_tensor:
            return grid.ends[0]
        giver = view.giver.get(giver.inputs[0])
    return None


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
