"""What tf2onnx lacks or does by default that a pivot must not have."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import sqrt
from typing import Any

import keras.src.backend
import numpy as np
import onnx
import tensorflow as tf
import tf2onnx
from tf2onnx import tfonnx
from tf2onnx.handler import tf_op, tfl_op
from tf2onnx.onnx_opset.controlflow import Select as PlainSelect
from tf2onnx.onnx_opset.nn import ConvOp
from tf2onnx.onnx_opset.tensor import OneHot as PlainOneHot
from tf2onnx.optimizer import back_to_back_optimizer
from tf2onnx.rewriter.conv2d_with_pad_rewriter import rewrite_conv2d_with_pad
from tf2onnx.tflite_handlers import tfl_math

from analyzer.frontends.child.graph_spelled import SPELLED

OPSET = 18
"""The newest opset that tf2onnx writes."""

IMAGE_RANK = 4
"""FusedBatchNormV3 takes [N, H, W, C] only; other ranks keep Keras's own arithmetic."""


@tf_op("Erfc")
class Erfc:
    """``1 - Erf(x)``: without it, tf2onnx writes an Erfc operator that no runtime knows."""

    @classmethod
    def version_9(cls, ctx: Any, node: Any, **_: Any) -> None:
        """Replace the node with ONNX operators of opset 9."""
        spell_out(ctx, node, (("Erf", (0,)), ("Sub", (np.float32(1), None))))


@tfl_op(["TFL_GELU"])
class TflGelu:
    """``0.5 x (1 + Erf(x / sqrt 2))``, or the tanh form where the file says so."""

    @classmethod
    def version_9(cls, ctx: Any, node: Any, **_: Any) -> None:
        """Replace the node with ONNX operators of opset 9."""
        approximate = node.get_attr_value("approximate", default=0)
        spell_out(ctx, node, TANH_GELU if approximate else EXACT_GELU)


@tf_op("OneHot")
class OneHot:
    """No row is hot where an id is negative: ONNX would count it from the end."""

    @classmethod
    def version_18(cls, ctx: Any, node: Any, **options: Any) -> None:
        """Let negative ids lie behind the last row, then do as tf2onnx does."""
        ids = node.input[0]
        kind = ctx.get_dtype(ids)
        dtype = onnx.helper.tensor_dtype_to_np_dtype(kind)
        if dtype.kind == "i":
            last = ctx.make_node("Cast", [node.input[1]], attr={"to": kind}).output[0]
            zero = ctx.make_const(tf2onnx.utils.make_name("zero"), np.array(0, dtype))
            negative = ctx.make_node("Less", [ids, zero.output[0]]).output[0]
            known = ctx.make_node("Where", [negative, last, ids]).output[0]
            ctx.replace_input(node, ids, known, 0)
        PlainOneHot.any_version_after9(OPSET, ctx, node, **options)


@tf_op(["Select", "SelectV2"])
class Select:
    """A choice in a spelling is one: infinity times zero, which tf2onnx adds, is NaN."""

    @classmethod
    def version_9(cls, ctx: Any, node: Any, **options: Any) -> None:
        """Let the choices of a spelling be Where, and others what tf2onnx makes of them."""
        if SPELLED in node.name:
            node.set_attr("handles_nan", True)  # noqa: FBT003 - tf2onnx's own mark
        PlainSelect.version_9(ctx, node, **options)


@tf_op("Conv3D")
class Conv3D:
    """Convolutions of volumes have groups too: tf2onnx counts them for images alone."""

    @classmethod
    def version_13(cls, ctx: Any, node: Any, **options: Any) -> None:
        """Do as tf2onnx does, then say how many groups there are."""
        axis = -1 if node.get_attr_str("data_format") == "NDHWC" else 1
        channels = ctx.get_shape(node.input[0])[axis]
        read = ctx.get_shape(node.input[1])[-2]
        ConvOp.version_13(ctx, node, **options)
        if channels > 0 and read > 0:
            node.set_attr("group", channels // read)


Step = tuple[str, tuple[Any, ...]]

EXACT_GELU: Sequence[Step] = (
    ("Mul", (0, np.float32(1 / sqrt(2)))),
    ("Erf", (None,)),
    ("Add", (None, np.float32(1))),
    ("Mul", (0, None)),
    ("Mul", (None, np.float32(0.5))),
)
"""Operators in order; 0 is the node's own input, None the step before, else a constant."""

TANH_GELU: Sequence[Step] = (
    ("Mul", (0, 0)),
    ("Mul", (None, np.float32(0.044715))),
    ("Add", (None, np.float32(1))),
    ("Mul", (0, None)),
    ("Mul", (None, np.float32(sqrt(2 / np.pi)))),
    ("Tanh", (None,)),
    ("Add", (None, np.float32(1))),
    ("Mul", (0, None)),
    ("Mul", (None, np.float32(0.5))),
)
"""The approximation of Hendrycks and Gimpel, as TFLite computes it."""


def spell_out(ctx: Any, node: Any, steps: Sequence[Step]) -> None:
    """Replace a one-input node of a tf2onnx graph with a chain of ONNX operators.

    Args:
        ctx: The graph.
        node: The node; its name and output go to the last operator.
        steps: The chain, as `EXACT_GELU` writes it.
    """
    given, result, name = node.input[0], node.output[0], node.name
    kind = {"dtypes": [ctx.get_dtype(result)], "shapes": [ctx.get_shape(result)]}
    ctx.remove_node(name)
    before = given
    for place, (op, operands) in enumerate(steps):
        last = {"name": name, "outputs": [result]}
        own = last if place == len(steps) - 1 else {"name": tf2onnx.utils.make_name(name)}
        reads = [_operand(ctx, name, operand, (given, before)) for operand in operands]
        before = ctx.make_node(op, reads, **own, **kind).output[0]


def _operand(ctx: Any, name: str, operand: Any, tensors: tuple[str, str]) -> str:
    given, before = tensors
    if operand is None:
        return before
    if isinstance(operand, np.float32):
        return str(ctx.make_const(tf2onnx.utils.make_name(name), operand).output[0])
    return given


@contextmanager
def batch_norms_kept() -> Iterator[None]:
    """Let batch normalisation be traced as the one operator it is.

    Keras spells it out as arithmetic, which tf2onnx then folds into the weights beside it:
    no variable of the user's would stand in the pivot as it is.
    """
    backend = keras.src.backend.nn
    original = backend.batch_normalization

    def fused(x: Any, mean: Any, variance: Any, axis: int, *rest: Any, **more: Any) -> Any:
        channels_last = len(x.shape) == IMAGE_RANK and axis in {-1, IMAGE_RANK - 1}
        if not channels_last or x.dtype != tf.float32:
            return original(x, mean, variance, axis, *rest, **more)
        return _fused((x, mean, variance), *rest, **more)

    backend.batch_normalization = fused
    try:
        yield
    finally:
        backend.batch_normalization = original


def _fused(
    tensors: tuple[Any, ...], offset: Any = None, scale: Any = None, epsilon: float = 1e-3
) -> Any:
    x, mean, variance = tensors
    return tf.raw_ops.FusedBatchNormV3(
        x=x,
        scale=tf.ones_like(mean) if scale is None else scale,
        offset=tf.zeros_like(mean) if offset is None else offset,
        mean=mean,
        variance=variance,
        epsilon=epsilon,
        is_training=False,
    )[0]


def keep_batch_norms_unfolded() -> None:
    """Stop tf2onnx from folding BatchNormalization into the Conv before it."""
    folds = back_to_back_optimizer._func_map  # noqa: SLF001  # it has no switch
    folds.pop(("Conv", "BatchNormalization"), None)


def keep_own_pads() -> None:
    """Stop tf2onnx from merging a Pad into a Conv that pads by itself.

    It looks for SAME alone. A dilated convolution has explicit pads by then, which those
    of the Pad would replace.
    """
    tfonnx.rewrite_conv2d_with_pad = _merged_pads


def _merged_pads(graph: Any, nodes: Sequence[Any]) -> Sequence[Any]:
    bare = [node for node in nodes if node.type != "Conv2D" or _is_bare(node)]
    rewrite_conv2d_with_pad(graph, bare)
    return nodes


def _is_bare(convolution: Any) -> bool:
    return bool(convolution.get_attr_str("padding") == "VALID")


def keep_activations_in_float() -> None:
    """Stop tf2onnx from rounding what a hybrid FULLY_CONNECTED reads.

    It does so wherever the option is set, also for float weights, which the runtime
    multiplies in float, and rounds the bias too, which the runtime never does. A hybrid
    CONV_2D it leaves in float; so both are.
    """
    tfl_math.dynamic_quantize_inputs = lambda ctx, node: None  # noqa: ARG005  # its signature
