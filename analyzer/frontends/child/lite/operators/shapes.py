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


@draws("SPACE_TO_BATCH_ND")
def space_to_batch(call: Call) -> str:
    """Draw blocks of an image as images of their own, one for each place in a block."""
    block = call.integers(1, "block")
    pads = np.array(call.integers(2, "padding")).reshape(-1, 2)
    sizes = np.array(call.sizes(0)[1 : len(block) + 1])
    if FREE in sizes:
        raise call.refusal("the size of its image is free")
    rest = call.rank(0) - len(block) - 1
    edges = np.concatenate([np.r_[0, side, [0] * rest] for side in pads.T])
    padded = call.add("Pad", call.real(0), call.hold(edges.astype(np.int64)))
    parts = np.stack([(sizes + pads.sum(axis=1)) // block, block], axis=1).reshape(-1)
    inner = call.add("Reshape", padded, call.hold(np.array([0, *parts, *_tail(call, rest)])))
    count = len(block)
    blocks = [2 + 2 * place for place in range(count)]
    outer = [1 + 2 * place for place in range(count)]
    last = range(1 + 2 * count, 1 + 2 * count + rest)
    moved = call.add("Transpose", inner, perm=(*blocks, 0, *outer, *last))
    wanted = [-1, *parts[::2], *_tail(call, rest)]
    return call.add("Reshape", moved, call.hold(np.array(wanted)))


@draws("BATCH_TO_SPACE_ND")
def batch_to_space(call: Call) -> str:
    """Draw images put together again from the places in a block."""
    block = call.integers(1, "block")
    crops = np.array(call.integers(2, "crops")).reshape(-1, 2)
    count, sizes = len(block), call.sizes(0)[1 : len(block) + 1]
    if FREE in sizes:
        raise call.refusal("the size of its image is free")
    rest = call.rank(0) - count - 1
    tail = _tail(call, rest)
    inner = call.add("Reshape", call.real(0), call.hold(np.array([*block, -1, *sizes, *tail])))
    pairs = [axis for place in range(count) for axis in (count + 1 + place, place)]
    last = range(2 * count + 1, 2 * count + 1 + rest)
    moved = call.add("Transpose", inner, perm=(count, *pairs, *last))
    whole = np.array(sizes) * block
    joined = call.add("Reshape", moved, call.hold(np.array([-1, *whole, *tail])))
    ends = whole - crops[:, 1]
    axes = np.arange(1, count + 1)
    return call.add("Slice", joined, *(call.hold(one) for one in (crops[:, 0], ends, axes)))


def _tail(call: Call, rest: int) -> tuple[int, ...]:
    sizes = call.sizes(0)[call.rank(0) - rest :] if rest else ()
    if FREE in sizes:
        raise call.refusal("the number of its channels is free")
    return sizes
