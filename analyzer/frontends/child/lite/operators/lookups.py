"""What picks parts of a tensor by computed places."""

import numpy as np

from analyzer.frontends.child.lite.call import Call
from analyzer.frontends.child.lite.table import draws


@draws("GATHER")
def gather(call: Call) -> str:
    """Draw slices of a tensor along an axis, the first axes of both going together."""
    axis, together = call.axis(int(call.options.axis)), int(call.options.batchDims)
    if together < 0:
        together += call.rank(1)
    if together == 0:
        return call.add("Gather", call.real(0), _places(call, 1), axis=axis)
    return _gathered_together(call, axis, together)


def _places(call: Call, slot: int) -> str:
    """Return an input of positions, which ONNX wants in 32 or 64 bits."""
    wide = call.tensor(slot).dtype in {np.dtype(np.int32), np.dtype(np.int64)}
    return call.plain(slot) if wide else call.whole(slot)


def _gathered_together(call: Call, axis: int, together: int) -> str:
    """Draw a GatherND of a tensor whose axis is put behind those that go together."""
    rank, more = call.rank(0), call.rank(1) - together
    between = range(together, axis)
    front = (*range(together), axis, *between, *range(axis + 1, rank))
    places = call.add("Unsqueeze", call.whole(1), call.hold(np.array([-1])))
    moved = call.weight(0, front) if axis != together else call.real(0)
    found = call.add("GatherND", moved, places, batch_dims=together)
    if axis == together:
        return found
    first = together + more
    back = (
        *range(together),
        *(first + step for step in range(len(between))),
        *range(together, first),
        *range(first + len(between), rank + more - 1),
    )
    return call.add("Transpose", found, perm=back)


@draws("GATHER_ND")
def gather_nd(call: Call) -> str:
    """Draw parts of a tensor at full or partial positions."""
    return call.add("GatherND", call.real(0), call.whole(1))


@draws("SCATTER_ND")
def scatter_nd(call: Call) -> str:
    """Draw zeros with values added at positions, on a grid its integers."""
    zero = call.hold(np.zeros((), call.output.dtype))
    zeros = call.add("Expand", zero, call.vector(2))
    return call.add("ScatterND", zeros, call.whole(0), call.plain(1), reduction="add")


@draws("EMBEDDING_LOOKUP")
def embedding_lookup(call: Call) -> str:
    """Draw rows of a table, input 1."""
    return call.add("Gather", call.real(1), call.plain(0), axis=0)


@draws("WHERE")
def where(call: Call) -> str:
    """Draw the positions at which a tensor is true, one row each."""
    found = call.add("NonZero", call.real(0))
    return call.given(call.add("Transpose", found, perm=(1, 0)))


@draws("ONE_HOT")
def one_hot(call: Call) -> str:
    """Draw one value where a new axis is at the index, another elsewhere.

    ONNX's own OneHot counts a negative index from the end, where TFLite is off all along.
    On a grid, both values are integers of it, whatever their own grid says.
    """
    axis = int(call.options.axis) % (call.rank(0) + 1)
    behind = call.rank(0) - axis
    zero, one = call.hold(np.array(0)), call.hold(np.array(1))
    scalar = call.hold(np.zeros(0, np.int64))
    depth = call.add("Reshape", call.whole(1), scalar)
    places = call.add("Range", zero, depth, one)
    shape = np.array([-1, *(1 for _ in range(behind))])
    along = call.add("Reshape", places, call.hold(shape))
    given = call.add("Unsqueeze", call.whole(0), call.hold(np.array([axis])))
    one_hot = call.add("Equal", given, along)
    return call.chosen(one_hot, call.plain(2), call.plain(3), call.output.dtype)
