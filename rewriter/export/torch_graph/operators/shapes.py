"""Operators that change shapes and move elements."""

from typing import Any

import torch
from onnx import TensorProto

from rewriter.export.torch_graph.call import Call
from rewriter.export.torch_graph.dtypes import dtype_of
from rewriter.export.torch_graph.table import computes


@computes("Identity", "Dropout")
def unchanged(call: Call) -> Any:
    """Return the input; with a mask of ones where one is asked for."""
    x = call.inputs[0]
    if call.node.op_type == "Identity":
        return x
    if call.number(2, default=False) and call.number(1, default=0.5):
        raise call.refusal("it drops at random, as in training")
    return (x, torch.ones_like(x, dtype=torch.bool)) if call.wants(1) else x


@computes("Reshape")
def reshape(call: Call) -> Any:
    """Return a tensor in another shape; 0 copies a size, -1 is what remains."""
    x, shape = call.tensor(0), call.listed(1, "shape") or []
    if not call.option("allowzero", 0):
        shape = [x.shape[n] if _is(size, 0) else size for n, size in enumerate(shape)]
    return x.reshape(shape)


def _is(size: Any, number: int) -> bool:
    return isinstance(size, int) and size == number


@computes("Flatten")
def flatten(call: Call) -> Any:
    """Return a matrix: the axes before one, and those from it on."""
    x, axis = call.tensor(0), call.option("axis", 1)
    axis = axis + x.ndim if axis < 0 else axis
    if axis == 1:
        return x.flatten(1) if x.ndim > 1 else x.reshape(x.shape[0], 1)
    if not axis:
        return x.reshape(1, -1)
    rows = torch.Size(x.shape[:axis]).numel()
    return x.reshape(rows, -1) if axis < x.ndim else x.reshape(-1, 1)


@computes("Transpose")
def transpose(call: Call) -> Any:
    """Return a tensor with its axes in another order, by default reversed."""
    x = call.tensor(0)
    return x.permute(call.option("perm") or tuple(reversed(range(x.ndim))))


@computes("Squeeze")
def squeeze(call: Call) -> Any:
    """Return a tensor without some axes of size one."""
    x, axes = call.tensor(0), call.listed(1, "axes")
    return x.squeeze() if axes is None else x.squeeze(tuple(axes))


@computes("Unsqueeze")
def unsqueeze(call: Call) -> Any:
    """Return a tensor with new axes of size one."""
    x, axes = call.tensor(0), call.listed(1, "axes") or []
    rank = x.ndim + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        x = x.unsqueeze(axis)
    return x


@computes("Expand")
def expand(call: Call) -> Any:
    """Return a tensor repeated along axes of size one, by a shape that broadcasts."""
    x, shape = call.tensor(0), call.numbers(1)
    lead = len(shape) - x.ndim
    own = [1] * lead + list(x.shape)
    shape = [1] * -lead + shape
    kept = [have if _is(want, 1) else want for have, want in zip(own, shape, strict=True)]
    return x.expand(kept)


@computes("Tile")
def tile(call: Call) -> Any:
    """Return a tensor repeated along its axes."""
    return call.tensor(0).repeat(call.numbers(1))


@computes("Concat")
def concat(call: Call) -> Any:
    """Return tensors one after the other along an axis."""
    return torch.cat(call.tensors, call.option("axis", 1))


@computes("Split")
def split(call: Call) -> tuple[Any, ...]:
    """Return the parts of a tensor along an axis."""
    x, axis = call.tensor(0), call.option("axis", 0)
    parts = call.listed(1, "split")
    if parts is None:
        count = call.option("num_outputs", call.outputs)
        return tuple(torch.split(x, -(-x.shape[axis] // count), axis))
    return tuple(torch.split(x, parts, axis))


@computes("Slice")
def slice_(call: Call) -> Any:
    """Return every step-th element between starts and ends of some axes."""
    x = call.tensor(0)
    starts, ends = call.listed(1, "starts") or [], call.listed(2, "ends") or []
    axes = call.listed(3, "axes") or list(range(len(starts)))
    steps = call.numbers(4) if call.has(4) else [1] * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        x = _cut(x, axis % x.ndim, start, end, step)
    return x


def _cut(x: Any, axis: int, start: Any, end: Any, step: int) -> Any:
    if step > 0:
        return x[(slice(None),) * axis + (slice(start, end, step),)]
    size = x.shape[axis]
    places = range(size)[slice(start, end, step)]
    return x.index_select(axis, torch.tensor(list(places), dtype=torch.int64))


@computes("ConstantOfShape")
def filled(call: Call) -> Any:
    """Return a tensor of one number."""
    value = call.option("value")
    if value is None:
        return torch.zeros(call.numbers(0))
    from onnx import numpy_helper

    number = numpy_helper.to_array(value).item()
    return torch.full(call.numbers(0), number, dtype=dtype_of(value.data_type))


@computes("Range")
def ranged(call: Call) -> Any:
    """Return numbers from a start to a limit."""
    start, limit, step = (call.number(slot) for slot in range(3))
    like = call.tensor(0).dtype
    return torch.arange(start, limit, step, dtype=like)


@computes("Shape", "Size")
def measured(call: Call) -> Any:
    """Return a shape, which is known without torch."""
    raise call.refusal("its input has no shape")


@computes("DepthToSpace")
def depth_to_space(call: Call) -> Any:
    """Return an image [N, C, H, W] with blocks of channels laid out in space."""
    x, block = call.tensor(0), call.option("blocksize")
    if call.option("mode", "DCR") == "CRD":
        return torch.nn.functional.pixel_shuffle(x, block)
    n, c, h, w = x.shape
    apart = x.reshape(n, block, block, c // block**2, h, w).permute(0, 3, 4, 1, 5, 2)
    return apart.reshape(n, c // block**2, h * block, w * block)


@computes("SpaceToDepth")
def space_to_depth(call: Call) -> Any:
    """Return an image [N, C, H, W] with blocks of space laid out in channels."""
    x, block = call.tensor(0), call.option("blocksize")
    n, c, h, w = x.shape
    apart = x.reshape(n, c, h // block, block, w // block, block)
    if call.option("mode", "DCR") == "CRD":
        return torch.nn.functional.pixel_unshuffle(x, block)
    return apart.permute(0, 3, 5, 1, 2, 4).reshape(n, c * block**2, h // block, w // block)


@computes("Trilu")
def triangle(call: Call) -> Any:
    """Return the upper or the lower triangle of matrices."""
    function = torch.triu if call.option("upper", 1) else torch.tril
    return function(call.tensor(0), call.number(1, default=0))


@computes("EyeLike")
def eye(call: Call) -> Any:
    """Return ones on a diagonal."""
    x, code = call.tensor(0), call.option("dtype")
    ones = torch.ones(x.shape, dtype=x.dtype if code is None else dtype_of(code))
    k = call.option("k", 0)
    return ones.tril(k).triu(k)


@computes("ReverseSequence")
def reversed_sequences(call: Call) -> Any:
    """Return sequences whose first elements, as many as are given, stand in reverse."""
    x, lengths = call.tensors
    time, batch = call.option("time_axis", 0), call.option("batch_axis", 1)
    x = x.movedim((batch, time), (0, 1))
    places = torch.arange(x.shape[1]).unsqueeze(0)
    lengths = lengths.unsqueeze(1)
    turned = torch.where(places < lengths, lengths - 1 - places, places)
    turned = turned.reshape(*turned.shape, *[1] * (x.ndim - 2)).expand(x.shape)
    return x.gather(1, turned).movedim((0, 1), (batch, time))


@computes("CenterCropPad")
def centred(call: Call) -> Any:
    """Return the middle of a tensor, cut or padded to a shape."""
    x, shape = call.tensor(0), call.numbers(1)
    axes = call.option("axes") or range(x.ndim)
    for axis, size in zip((axis % x.ndim for axis in axes), shape, strict=True):
        more = size - x.shape[axis]
        before = more // 2 if more > 0 else -((-more) // 2)
        pads = [0, 0] * (x.ndim - 1 - axis) + [before, more - before]
        x = torch.nn.functional.pad(x, pads)
    return x


@computes("AffineGrid")
def affine_grid(call: Call) -> Any:
    """Return a grid of places that affine maps give."""
    align = bool(call.option("align_corners", 0))
    theta, size = call.tensor(0), call.numbers(1)
    return torch.nn.functional.affine_grid(theta, size, align_corners=align)


@computes("HannWindow", "HammingWindow", "BlackmanWindow")
def window(call: Call) -> Any:
    """Return a window for a spectrum."""
    name = call.node.op_type.removesuffix("Window").lower()
    function = getattr(torch, f"{name}_window")
    periodic = bool(call.option("periodic", 1))
    dtype = dtype_of(call.option("output_datatype", TensorProto.FLOAT))
    if name == "hamming":  # ONNX has 25/46 and 21/46, torch rounds them
        return function(call.number(0), periodic, 25 / 46, 21 / 46, dtype=dtype)
    return function(call.number(0), periodic, dtype=dtype)
