"""ONNX operators that move numbers about, and compute none, as calls of ATen."""

from typing import Any

import numpy as np

from analyzer.core.types import Node
from rewriter.export.child.fx_caller import ATEN, Caller, refusal
from rewriter.export.child.fx_windows import whole


def permuted(caller: Caller, node: Node) -> Any:
    """Return the call of a Transpose."""
    image = caller.tensor(node, 0)
    axes = node.attributes.get("perm") or tuple(reversed(range(caller.rank(node))))
    return caller.call(ATEN.permute.default, image, list(whole(axes)))


def concatenated(caller: Caller, node: Node) -> Any:
    """Return the call of a Concat."""
    parts = [caller.tensor(node, slot) for slot in range(len(node.inputs))]
    return caller.call(ATEN.cat.default, parts, node.attributes["axis"])


def reshaped(caller: Caller, node: Node) -> Any:
    """Return the call of a Reshape."""
    image, sizes = caller.tensor(node, 0), node.constants.get(1)
    if sizes is None or (0 in sizes and node.attributes.get("allowzero")):
        raise refusal(node, "its sizes are computed")
    kept = [
        caller.call(ATEN.sym_size.int, image, axis) if size == 0 else int(size)
        for axis, size in enumerate(sizes)
    ]
    return caller.call(ATEN.reshape.default, image, kept)


def axes_of(node: Node) -> list[int] | None:
    """Return the axes that an operator is told, as an input or as an attribute."""
    found = node.constants.get(1, node.attributes.get("axes"))
    return None if found is None else whole(found)


def squeezed(caller: Caller, node: Node) -> Any:
    """Return the call of a Squeeze."""
    axes = axes_of(node)
    if axes is None:
        return caller.call(ATEN.squeeze.default, caller.tensor(node, 0))
    return caller.call(ATEN.squeeze.dims, caller.tensor(node, 0), axes)


def unsqueezed(caller: Caller, node: Node) -> Any:
    """Return the calls of an Unsqueeze, one for each axis."""
    result = caller.tensor(node, 0)
    for axis in sorted(axes_of(node) or []):
        result = caller.call(ATEN.unsqueeze.default, result, axis)
    return result


def flattened(caller: Caller, node: Node) -> Any:
    """Return the call of a Flatten."""
    axis = node.attributes["axis"]
    if axis != 1:
        raise refusal(node, f"it flattens from axis {axis!r} on")
    return caller.call(ATEN.flatten.using_ints, caller.tensor(node, 0), 1)


def gathered(caller: Caller, node: Node) -> Any:
    """Return the call of a Gather by constant indices."""
    index = node.constants.get(1)
    if index is None:
        raise refusal(node, "its indices are computed")
    axis = node.attributes["axis"]
    if index.ndim == 0:
        return caller.call(ATEN.select.int, caller.tensor(node, 0), axis, int(index))
    if index.ndim > 1:
        raise refusal(node, "its indices have several axes")
    return caller.call(
        ATEN.index_select.default, caller.tensor(node, 0), axis, caller.tensor(node, 1)
    )


FARTHEST = 2**63 - 1


def sliced(caller: Caller, node: Node) -> Any:
    """Return the calls of a Slice, one for each axis."""
    if not all(slot in node.constants for slot in range(1, len(node.inputs))):
        raise refusal(node, "its bounds are computed")
    starts, ends = (whole(node.constants[slot]) for slot in (1, 2))
    axes = whole(node.constants.get(3, np.arange(len(starts))))
    steps = whole(node.constants.get(4, np.ones(len(starts), np.int64)))
    result = caller.tensor(node, 0)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        if step < 0:
            if abs(start) <= 1 and end < -FARTHEST // 2:
                result = caller.call(ATEN.flip.default, result, [axis])
                continue
            raise refusal(node, "it goes backwards")
        result = caller.call(ATEN.slice.Tensor, result, axis, start, end, step)
    return result
