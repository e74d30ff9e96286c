"""Issues about attributes: convolutions, pools, normalisations, activations, resizing."""

from collections.abc import Mapping
from functools import partial

import numpy as np
import onnx

from tests.issues.issue import Issue, drawn, spelled


def _dilated() -> onnx.ModelProto:
    """Return torch's spelling of a dilated convolution: NCHW, the bias inside."""
    weights = {"conv_weight": _KERNEL, "conv_bias": _BIAS, "head_weight": _HEAD.T}
    return spelled(
        """torch (float[N,4,12,12] image) => (float[N,5,12,12] scores) {
            out = Conv <dilations: ints = [2,2], pads: ints = [2,2,2,2]>
                (image, conv_weight, conv_bias)
            rectified = Relu (out)
            last = Transpose <perm: ints = [0,2,3,1]> (rectified)
            turned = Transpose <perm: ints = [1,0]> (head_weight)
            scored = MatMul (last, turned)
            scores = Transpose <perm: ints = [0,3,1,2]> (scored)
        }""",
        weights,
    )


def _dilated_by_tf2onnx(step: int) -> onnx.ModelProto:
    """Return tf2onnx's: the bias beside the convolution, the head as another."""
    return spelled(
        f"""tf2onnx (float[N,4,12,12] image) => (float[N,5,12,12] scores) {{
            c = Conv <dilations: ints = [{step},{step}], kernel_shape: ints = [3,3],
                      pads: ints = [{step},{step},{step},{step}]> (image, model_conv_w)
            a = Add (c, model_conv_b)
            r = Relu (a)
            scores = Conv <kernel_shape: ints = [1,1]> (r, head)
        }}""",
        {
            "model_conv_w": _KERNEL,
            "model_conv_b": _BIAS.reshape(1, 6, 1, 1),
            "head": _POINT,
        },
    )


def _attention(weights: Mapping[str, np.ndarray]) -> onnx.ModelProto:
    """Return a Softmax over the channels of an NHWC model, as Keras is converted."""
    return spelled(
        """keras (float[N,5,4] tokens) => (float[N,5,4] shares) {
            scored = MatMul (tokens, kernel)
            shares = Softmax <axis: int = 1> (scored)
        }""",
        weights,
    )


def _attention_by_tf2onnx(weights: Mapping[str, np.ndarray], axis: int) -> onnx.ModelProto:
    """Return the same with the product as a Gemm between reshapes."""
    return spelled(
        f"""tf2onnx (float[N,5,4] tokens) => (float[N,5,4] shares)
            <int64[2] flat = {{-1, 4}}, int64[3] back = {{-1, 5, 4}}> {{
            rows = Reshape (tokens, flat)
            product = Gemm (rows, kernel)
            scored = Reshape (product, back)
            shares = Softmax <axis: int = {axis}> (scored)
        }}""",
        weights,
    )


_KERNEL = drawn(6, 4, 3, 3)
_BIAS = drawn(6, seed=1)
_HEAD = drawn(6, 5, seed=2)
_POINT = np.ascontiguousarray(_HEAD.T).reshape(5, 6, 1, 1)
_SQUARE = {"kernel": drawn(4, 4, seed=3, scale=1.0)}

ISSUES = (
    Issue(
        link="onnx/tensorflow-onnx#1728",
        title="a dilated convolution loses its dilation",
        rule="attribute-differs",
        source=_dilated,
        healthy=partial(_dilated_by_tf2onnx, 2),
        broken=partial(_dilated_by_tf2onnx, 1),
        guilty=("c",),
    ),
    Issue(
        link="onnx/tensorflow-onnx#1763",
        title="Softmax over axis 2 instead of 1 where the batch is dynamic",
        rule="axis-swapped",
        source=partial(_attention, _SQUARE),
        healthy=partial(_attention_by_tf2onnx, _SQUARE, 1),
        broken=partial(_attention_by_tf2onnx, _SQUARE, 2),
        guilty=("shares",),
    ),
)
