"""Blocks of an image as images of their own, and back."""

import numpy as np

from analyzer.core.types import Array
from analyzer.frontends.child.lite.call import Call
from analyzer.frontends.child.lite.facts import FREE
from analyzer.frontends.child.lite.table import draws


@draws("SPACE_TO_BATCH_ND")
def space_to_batch(call: Call) -> str:
    """Draw blocks of an image as images of their own, one for each place in a block."""
    block = call.integers(1, "block")
    pads = np.array(call.integers(2, "padding")).reshape(-1, 2)
    sizes, tail = _sizes(call, len(block))
    edges = np.concatenate([[0, *side, *(0 for _ in tail)] for side in pads.T])
    padded = call.add("Pad", call.real(0), call.hold(edges.astype(np.int64)))
    parts = np.stack([(sizes + pads.sum(axis=1)) // block, block], axis=1).reshape(-1)
    split = _shaped(call, padded, (0, *parts, *tail))
    outer = range(1, 2 * len(block), 2)
    inner = range(2, 2 * len(block) + 1, 2)
    rest = range(2 * len(block) + 1, 2 * len(block) + 1 + len(tail))
    moved = call.add("Transpose", split, perm=(*inner, 0, *outer, *rest))
    return _shaped(call, moved, (-1, *parts[::2], *tail))


@draws("BATCH_TO_SPACE_ND")
def batch_to_space(call: Call) -> str:
    """Draw images put together again from the places in a block."""
    block = call.integers(1, "block")
    crops = np.array(call.integers(2, "crops")).reshape(-1, 2)
    sizes, tail = _sizes(call, len(block))
    count = len(block)
    split = _shaped(call, call.real(0), (*block, -1, *sizes, *tail))
    pairs = [axis for place in range(count) for axis in (count + 1 + place, place)]
    rest = range(2 * count + 1, 2 * count + 1 + len(tail))
    moved = call.add("Transpose", split, perm=(count, *pairs, *rest))
    whole = sizes * block
    joined = _shaped(call, moved, (-1, *whole, *tail))
    bounds = (crops[:, 0], whole - crops[:, 1], np.arange(1, count + 1))
    return call.add("Slice", joined, *(call.hold(one) for one in bounds))


def _shaped(call: Call, name: str, shape: tuple[int, ...]) -> str:
    return call.add("Reshape", name, call.hold(np.array(shape, np.int64)))


def _sizes(call: Call, count: int) -> tuple[Array, tuple[int, ...]]:
    """Return the sizes of the axes that blocks cut, and of those behind them."""
    sizes = call.sizes(0)
    if FREE in sizes[1:]:
        raise call.refusal("a size of its image is free")
    return np.array(sizes[1 : count + 1]), sizes[count + 1 :]
