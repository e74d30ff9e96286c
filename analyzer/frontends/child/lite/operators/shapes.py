"""What changes the shape of a tensor, or is computed of it."""

import numpy as np

from analyzer.frontends.child.lite.call import Call
from analyzer.frontends.child.lite.facts import FREE
from analyzer.frontends.child.lite.table import draws


@draws("RESHAPE")
def reshape(call: Call) -> str:
    """Draw a new shape: an input, or an option in older files; a size of 0 is no size."""
    shape = call.constant(1)
    if shape is None and not call.has(1):
        shape = np.asarray(call.options.newShape)
    if shape is None:
        return call.add("Reshape", call.real(0), call.vector(1))
    whole = shape.reshape(-1).astype(np.int64)
    empty = int(0 in whole) or None
    return call.add("Reshape", call.real(0), call.hold(whole), allowzero=empty)


@draws("SQUEEZE")
def squeeze(call: Call) -> str:
    """Draw the tensor without axes of size 1, all of them where none are named."""
    named = call.options.squeezeDims
    axes = [] if named is None else [call.axis(int(one)) for one in named]
    if not axes:
        axes = [axis for axis, size in enumerate(call.sizes(0)) if size == 1]
    return call.add("Squeeze", call.real(0), call.hold(np.array(axes, np.int64)))


@draws("EXPAND_DIMS")
def expand_dims(call: Call) -> str:
    """Draw the tensor with one more axis of size 1."""
    return call.add("Unsqueeze", call.real(0), call.vector(1))


@draws("TRANSPOSE")
def transpose(call: Call) -> str:
    """Draw the tensor with its axes in another order."""
    axes = call.integers(1, "order of axes")
    return call.add("Transpose", call.real(0), perm=axes)


@draws("TILE")
def tile(call: Call) -> str:
    """Draw the tensor repeated along each axis."""
    return call.add("Tile", call.real(0), call.vector(1))


@draws("BROADCAST_TO")
def broadcast_to(call: Call) -> str:
    """Draw the tensor stretched to a shape."""
    return call.add("Expand", call.real(0), call.vector(1))


@draws("BROADCAST_ARGS")
def broadcast_shape(call: Call) -> str:
    """Draw the shape that two shapes stretch to."""
    one = call.add("Expand", call.hold(np.array(0, np.int8)), call.vector(0))
    both = call.add("Shape", call.add("Expand", one, call.vector(1)))
    return call.given(both)


@draws("SHAPE")
def shape(call: Call) -> str:
    """Draw the sizes of a tensor."""
    return call.given(call.add("Shape", call.plain(0)))


@draws("RANK")
def rank(call: Call) -> str:
    """Draw the number of axes of a tensor."""
    return call.given(call.add("Size", call.add("Shape", call.plain(0))))


@draws("FILL")
def fill(call: Call) -> str:
    """Draw a tensor of one value."""
    return call.add("Expand", call.real(1), call.vector(0))


@draws("ZEROS_LIKE")
def zeros_like(call: Call) -> str:
    """Draw zeros in the shape of a tensor."""
    return call.add("Expand", call.number(0), call.add("Shape", call.plain(0)))


@draws("RANGE")
def sequence(call: Call) -> str:
    """Draw equally spaced numbers."""
    ends = (_scalar(call, slot) for slot in range(3))
    return call.add("Range", *ends)


def _scalar(call: Call, slot: int) -> str:
    if call.rank(slot) == 0:
        return call.real(slot)
    return call.add("Reshape", call.real(slot), call.hold(np.zeros(0, np.int64)))


@draws("MATRIX_DIAG")
def diagonal(call: Call) -> str:
    """Draw square matrices, zero but on the diagonal."""
    (size,) = _known(call, call.sizes(0)[-1:])
    upright = call.add("Unsqueeze", call.real(0), call.hold(np.array([-1])))
    mask, zero = call.hold(np.eye(size, dtype=bool)), call.number(0)
    return call.chosen(mask, upright, zero, call.output.dtype)


@draws("MATRIX_SET_DIAG")
def diagonal_replaced(call: Call) -> str:
    """Draw matrices with another diagonal."""
    rows, columns = _known(call, call.sizes(0)[-2:])
    upright = call.add("Unsqueeze", call.real(1), call.hold(np.array([-1])))
    if rows > columns:
        below = [0] * (2 * call.rank(0) - 2) + [rows - columns, 0]
        upright = call.add("Pad", upright, call.hold(np.array(below)))
    mask = call.hold(np.eye(rows, columns, dtype=bool))
    return call.chosen(mask, upright, call.real(0), call.output.dtype)


def _known(call: Call, sizes: tuple[int, ...]) -> tuple[int, ...]:
    if FREE in sizes:
        raise call.refusal("a size of its matrices is free")
    return sizes
