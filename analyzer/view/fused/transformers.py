"""Attention and embeddings of encoders, which ONNX Runtime fuses whole."""

import math

from onnx import TensorProto

from analyzer.core.types import Node
from analyzer.view.fused.known import UNKNOWN, Tensors
from analyzer.view.fused.norms import SKIP_EPSILON, Norm, normalised
from analyzer.view.fused.steps import (
    AXES_FROM_TENSOR,
    Steps,
    common_type,
    count,
    given,
    inner,
    number,
    over_axes,
    real,
    slot,
    step,
    whole,
)

SOFTMAX_OF_ONE_AXIS = 13
"""The opset from which Softmax normalises one axis.

Source: https://onnx.ai/onnx/operators/onnx__Softmax.html"""

MASKED = -10000.0
"""Default of `mask_filter_value`. Source: ONNX Runtime's docs/ContribOperators.md."""

HEADS_BEHIND = (0, 2, 1, 3)
KEYS_LAST = (0, 2, 3, 1)
MATRIX = 2
PROJECTIONS = 3

SLICE_FROM_TENSOR = 10
"""The opset from which Slice reads its bounds from tensors.

Source: https://onnx.ai/onnx/operators/onnx__Slice.html"""


def attention(node: Node, opset: int, tensors: Tensors) -> Steps | None:
    """Return self-attention: of all tokens to all, or to those that a 0/1 mask keeps.

    Args:
        node: An Attention; None is returned for one with a past, a causal one, one with
            rotary embeddings, and one masked by lengths.
        opset: The opset to write for.
        tensors: What is known of its operands; the shape of its weights.
    """
    sizes, heads = _hidden_sizes(node, tensors), count(node, "num_heads", 0)
    dtype = common_type(node.inputs[:3], tensors)
    if sizes is None or dtype is None or heads < 1 or opset < SOFTMAX_OF_ONE_AXIS:
        return None
    if not _is_plain(node, tensors):
        return None
    scale = real(node, "scale", 0.0) or 1.0 / math.sqrt(sizes[0] / heads)
    factor, scores, scaled = (inner(k) for k in ("scale", "scores", "scaled"))
    query, key = inner("query_heads"), inner("key_heads")
    masked, mask = _masked(node, scaled, opset, dtype)
    weights, mixed = inner("weights"), inner("mixed")
    joined, flat = inner("joined"), inner("flat")
    return (
        *_projected(node, sizes),
        *_heads("query", heads, HEADS_BEHIND),
        *_heads("key", heads, KEYS_LAST),
        *_heads("value", heads, HEADS_BEHIND),
        step("MatMul", (query, key), scores),
        number(factor, scale, dtype),
        step("Mul", (scores, factor), scaled),
        *mask,
        step("Softmax", (masked,), weights, axis=-1),
        step("MatMul", (weights, inner("value_heads")), mixed),
        step("Transpose", (mixed,), joined, perm=HEADS_BEHIND),
        whole(flat, 0, 0, -1),
        step("Reshape", (joined, flat), node.outputs[:1]),
    )


def _is_plain(node: Node, tensors: Tensors) -> bool:
    """Return whether an Attention is one of those that are written out."""
    mask = slot(node, 3)
    known = not mask or tensors.get(mask, UNKNOWN).rank == MATRIX
    special = ("unidirectional", "do_rotary", "past_present_share_buffer")
    beyond = slot(node, 4) or slot(node, 6) or given(node, 1)
    return known and not beyond and not any(count(node, name, 0) for name in special)


def _hidden_sizes(node: Node, tensors: Tensors) -> tuple[int, ...] | None:
    """Return the widths of query, key and value."""
    stated = node.attributes.get("qkv_hidden_sizes")
    if isinstance(stated, tuple):
        sizes = tuple(int(size) for size in stated)
        return sizes if len(sizes) == PROJECTIONS else None
    shape = tensors.get(node.inputs[1], UNKNOWN).shape or (None,)
    return None if shape[-1] is None else (shape[-1] // PROJECTIONS,) * PROJECTIONS


def _projected(node: Node, sizes: tuple[int, ...]) -> Steps:
    """Return query, key and value, each of its own part of the weights that were joined."""
    steps: Steps = ()
    start = 0
    for name, size in zip(("query", "key", "value"), sizes, strict=True):
        steps += _projection(node, name, start, start + size)
        start += size
    return steps


def _projection(node: Node, name: str, start: int, end: int) -> Steps:
    """Return what some columns of the weights, and of the bias, make of the input."""
    x, weight, bias = node.inputs[0], node.inputs[1], slot(node, 2)
    first, last = inner(f"{name}_start"), inner(f"{name}_end")
    axis, own, shift = (inner(f"{name}_{part}") for part in ("axis", "weight", "bias"))
    product = inner(f"{name}_product") if bias else inner(name)
    steps = (
        whole(first, start),
        whole(last, end),
        whole(axis, -1),
        step("Slice", (weight, first, last, axis), own),
        step("MatMul", (x, own), product),
    )
    if not bias:
        return steps
    return (
        *steps,
        step("Slice", (bias, first, last, axis), shift),
        step("Add", (product, shift), inner(name)),
    )


def _heads(name: str, heads: int, perm: tuple[int, ...]) -> Steps:
    shape, apart = inner(f"{name}_shape"), inner(f"{name}_apart")
    return (
        whole(shape, 0, 0, heads, -1),
        step("Reshape", (inner(name), shape), apart),
        step("Transpose", (apart,), inner(f"{name}_heads"), perm=perm),
    )


def _masked(node: Node, scaled: str, opset: int, dtype: int) -> tuple[str, Steps]:
    """Return the scores with what is masked out far below, and how they come to be."""
    mask, bias = slot(node, 3), slot(node, 5)
    steps: Steps = ()
    if bias:
        biased = inner("biased")
        steps, scaled = (step("Add", (scaled, bias), biased),), biased
    if not mask:
        return scaled, steps
    names = ("kept", "one", "dropped", "filter", "penalty", "mask", "masked")
    kept, one, dropped, lowest, penalty, wide, masked = (inner(k) for k in names)
    return masked, (
        *steps,
        step("Cast", (mask,), kept, to=dtype),
        number(one, 1.0, dtype),
        step("Sub", (one, kept), dropped),
        number(lowest, real(node, "mask_filter_value", MASKED), dtype),
        step("Mul", (dropped, lowest), penalty),
        *over_axes("Unsqueeze", opset, (penalty, wide), (1, 2)),
        step("Add", (scaled, wide), masked),
    )


def embed_layer_norm(node: Node, opset: int, tensors: Tensors) -> Steps | None:
    """Return the sum of word, position and segment embeddings, and its layer norm.

    Args:
        node: An EmbedLayerNormalization.
        opset: The opset to write for.
        tensors: What is known of its operands.
    """
    ids, segments, words, places, kinds, gamma, beta = node.inputs[:7]
    total = given(node, 2) or inner("sum")
    dtype = common_type((words, gamma, beta), tensors)
    epsilon = real(node, "epsilon", SKIP_EPSILON)
    norm = Norm(total, gamma, beta, node.outputs[:1], -1, epsilon, opset, dtype)
    rest = normalised(norm)
    if rest is None or opset < SLICE_FROM_TENSOR:
        return None
    word, place, kind, both = (inner(k) for k in ("word", "place", "kind", "both"))
    sums: Steps = (step("Add", (word, place), both if segments else total),)
    if segments:
        sums += (
            step("Gather", (kinds, segments), kind, axis=0),
            step("Add", (both, kind), total),
        )
    return (
        step("Gather", (words, ids), word, axis=0),
        *_places(node, ids, places, place),
        *sums,
        *rest,
        *_mask_lengths(node, ids, opset),
    )


def _places(node: Node, ids: str, table: str, result: str) -> Steps:
    """Return the position embeddings: of the positions stated, or of the first so many."""
    stated = slot(node, 8)
    if stated:
        return (step("Gather", (table, stated), result, axis=0),)
    names = ("shape", "start", "axis", "end", "length")
    shape, start, axis, end, length = (inner(name) for name in names)
    return (
        step("Shape", (ids,), shape),
        whole(start, 0),
        whole(axis, 1),
        whole(end, 2),
        step("Slice", (shape, axis, end), length),
        step("Slice", (table, start, length), result),
    )


def _mask_lengths(node: Node, ids: str, opset: int) -> Steps:
    """Return how many tokens of each sample the mask keeps; zeros where none is given."""
    result, mask = given(node, 1), slot(node, 7)
    if not result:
        return ()
    if mask:
        axes = inner("tokens")
        if opset < AXES_FROM_TENSOR["ReduceSum"]:
            return (step("ReduceSum", (mask,), result, axes=(1,), keepdims=0),)
        return whole(axes, 1), step("ReduceSum", (mask, axes), result, keepdims=0)
    names = ("ids_shape", "first", "second", "batch", "zero")
    shape, first, second, batch, zero = (inner(name) for name in names)
    return (
        step("Shape", (ids,), shape),
        whole(first, 0),
        whole(second, 1),
        step("Slice", (shape, first, second), batch),
        number(zero, 0, TensorProto.INT32),
        step("Expand", (zero, batch), result),
    )
