"""Operators that ONNX Runtime's optimizer writes into a model."""

import math

import tensorflow as tf

from rewriter.export.tensorflow_graph.operators.convolution import bias, convolved
from rewriter.export.tensorflow_graph.operators.elementwise import clipped
from rewriter.export.tensorflow_graph.operators.matrix import gemm, product
from rewriter.export.tensorflow_graph.operators.shaping import reshaped, size_of
from rewriter.export.tensorflow_graph.table import Call, operator
from rewriter.export.tensorflow_graph.values import Value, aligned, valued
from rewriter.export.tensorflow_graph.weights import Tensor

OWN = "com.microsoft"


ACTIVATIONS = {"": tf.identity, "Relu": tf.nn.relu, "Sigmoid": tf.sigmoid, "Tanh": tf.tanh}


def _activated(call: Call, value: Value) -> Value:
    """Return what the activation fused into a node makes of its result."""
    numbers = [float(one) for one in call.attribute("activation_params", [])]
    alpha = call.number("activation_alpha", numbers[0] if numbers else 0.01)
    match call.text("activation", ""):
        case name if name in ACTIVATIONS:
            return value.mapped(ACTIVATIONS[name])
        case "LeakyRelu":
            return value.mapped(lambda x: tf.nn.leaky_relu(x, alpha))
        case "Clip" if numbers == [0, 6]:
            return value.mapped(tf.nn.relu6)
        case "Clip":
            return value.mapped(lambda x: clipped(x, numbers[0], numbers[1]))
        case "HardSigmoid":
            return value.mapped(lambda x: clipped(numbers[0] * x + numbers[1], 0, 1))
        case other:
            raise call.refusal(f"has the activation {other} fused into it")


@operator("FusedConv", domain=OWN)
def fused_conv(call: Call) -> Value:
    """Return a convolution, what is added to it, and an activation."""
    result = convolved(call, call.value(0), call.value(1), bias(call))
    if call.has(3):
        (x, other), order = aligned(result, call.value(3))
        result = Value(x + other, order)
    return _activated(call, result)


@operator("FusedGemm", domain=OWN)
def fused_gemm(call: Call) -> Value:
    """Return a Gemm and an activation."""
    return _activated(call, valued(gemm(call)))


@operator("FusedMatMul", domain=OWN)
def fused_matmul(call: Call) -> Value:
    """Return alpha times a product of matrices, either of them transposed."""
    if call.integer("transBatchA", 0) or call.integer("transBatchB", 0):
        raise call.refusal("transposes over the batch")
    sides = [_turned(call, 0, "transA"), _turned(call, 1, "transB")]
    alpha = call.number("alpha", 1.0)
    result = valued(product(*sides))
    return result if alpha == 1 else result.mapped(lambda x: x * alpha)


def _turned(call: Call, place: int, name: str) -> Value:
    value = call.value(place)
    if not call.integer(name, 0) or value.rank == 1:
        return value
    axes = list(range(value.rank))
    return value.moved([*axes[:-2], axes[-1], axes[-2]])


@operator("BiasGelu", "FastGelu", domain=OWN)
def bias_gelu(call: Call) -> Value:
    """Return the GELU of a sum; the fast one by tanh."""
    fast = call.node.op_type == "FastGelu"
    value = call.value(0)
    if call.has(1):
        (x, added), order = aligned(value, call.value(1))
        value = Value(x + added, order)
    return value.mapped(lambda x: tf.nn.gelu(x, approximate=fast))


@operator("SkipLayerNormalization", domain=OWN)
def skip_layer_normalization(call: Call) -> tuple[Tensor, ...]:
    """Return the normalization of a sum over the last axis, and the sum."""
    total = call.tensor(0) + call.tensor(1)
    if call.has(4):
        total += call.tensor(4)
    mean = tf.reduce_mean(total, -1, keepdims=True)
    centred = total - mean
    variance = tf.reduce_mean(centred * centred, -1, keepdims=True)
    inverse = tf.math.rsqrt(variance + call.number("epsilon", 1e-12))
    result = centred * inverse * call.tensor(2)
    if call.has(3):
        result += call.tensor(3)
    return result, mean, inverse, total


@operator("Attention", domain=OWN)
def attention(call: Call) -> Tensor:
    """Return self-attention with queries, keys and values from one product."""
    if call.has(4) or call.has(6) or call.integer("do_rotary", 0):
        raise call.refusal("has a past, relative positions or a rotary embedding")
    value, heads = call.value(0), call.integer("num_heads", 1)
    whole = valued(product(value, call.value(1))).tensor + call.tensor(2)
    query, key, values = (_headed(one, heads) for one in tf.split(whole, 3, -1))
    scale = call.number("scale", 0.0) or 1 / math.sqrt(query.shape[-1])
    scores = _seen(call, tf.matmul(query * scale, key, transpose_b=True))
    turned = valued(tf.transpose(tf.matmul(tf.nn.softmax(scores), values), [0, 2, 1, 3]))
    sizes = [size_of(turned, 0), size_of(turned, 1), heads * values.shape[-1]]
    return reshaped(turned, sizes)


def _headed(x: Tensor, heads: int) -> Tensor:
    value = valued(x)
    sizes = [size_of(value, 0), size_of(value, 1), heads, x.shape[-1] // heads]
    return tf.transpose(reshaped(value, sizes), [0, 2, 1, 3])


def _seen(call: Call, scores: Tensor) -> Tensor:
    """Return scores with what must not be looked at far below all others."""
    lowest = tf.cast(call.number("mask_filter_value", -10000.0), scores.dtype)
    if call.has(3):
        mask = call.value(3)
        if mask.rank != 2:  # noqa: PLR2004  # batch by keys; others are of ragged batches
            raise call.refusal(f"has a mask of {mask.rank} axes")
        kept = tf.cast(mask.tensor, scores.dtype)[:, None, None, :]
        scores += (1 - kept) * lowest
    if call.integer("unidirectional", 0):
        sizes = tf.shape(scores)
        below = tf.range(sizes[-1])[None, :] <= tf.range(sizes[-2])[:, None]
        scores = tf.where(below, scores, scores + lowest)
    return scores
