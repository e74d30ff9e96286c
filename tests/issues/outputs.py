"""Issues about what a model gives, and at which sizes."""

from functools import partial

import numpy as np
import onnx

from tests.issues.issue import Issue, drawn, spelled


def _three_heads() -> onnx.ModelProto:
    """Return TensorFlow's model with three outputs of one shape."""
    return spelled(
        """keras (float[N,6] x) => (float[N,4] starts, float[N,4] ends, float[N,4] kinds) {
            hidden = MatMul (x, kernel)
            rectified = Relu (hidden)
            starts = MatMul (rectified, start_kernel)
            ends = MatMul (rectified, end_kernel)
            logits = MatMul (rectified, kind_kernel)
            kinds = Softmax (logits)
        }""",
        _HEADS,
    )


def _three_heads_by_tf2onnx(*order: int) -> onnx.ModelProto:
    """Return tf2onnx's: outputs are named by their number, products are Gemms."""
    given = ", ".join(f"float[N,4] out_{one}" for one in order)
    return spelled(
        f"""tf2onnx (float[N,6] args_0) => ({given}) {{
            h = Gemm (args_0, k)
            r = Relu (h)
            out_0 = Gemm (r, k0)
            out_1 = Gemm (r, k1)
            g = Gemm (r, k2)
            out_2 = Softmax <axis: int = 1> (g)
        }}""",
        _SHORT,
    )


def _three_heads_again(second: str) -> onnx.ModelProto:
    """Return the same with the outputs copied at the end."""
    return spelled(
        f"""keras (float[N,6] x) => (float[N,4] a, float[N,4] b, float[N,4] c) {{
            h = MatMul (x, k)
            r = Relu (h)
            h0 = MatMul (r, k0)
            h1 = MatMul (r, k1)
            h2 = MatMul (r, k2)
            a = Identity (h0)
            b = Identity ({second})
            c = Softmax (h2)
        }}""",
        _SHORT,
    )


def _two_heads() -> onnx.ModelProto:
    """Return the same, the third output lost."""
    return spelled(
        """tf2onnx (float[N,6] args_0) => (float[N,4] starts, float[N,4] ends) {
            h = Gemm (args_0, k)
            r = Relu (h)
            starts = Gemm (r, k0)
            ends = Gemm (r, k1)
        }""",
        {name: array for name, array in _SHORT.items() if name != "k2"},
    )


def _ungiven() -> onnx.ModelProto:
    """Return the same with the third output computed and not declared."""
    model = _three_heads_by_tf2onnx(0, 1, 2)
    del model.graph.output[2]
    return model


def _two_maps() -> onnx.ModelProto:
    """Return two maps of an image: where something is, and how sure that is."""
    return spelled(
        """torch (float[N,3,6,6] x) => (float[N,4,6,6] maps, float[N,4,6,6] trust) {
            one = Conv <pads: ints = [1,1,1,1]> (x, w)
            maps = Relu (one)
            other = Conv <pads: ints = [1,1,1,1]> (x, v)
            trust = Sigmoid (other)
        }""",
        _MAPS,
    )


def _two_maps_last(first: str, second: str) -> onnx.ModelProto:
    """Return the same as TFLite has it: the channels last, outputs by number."""
    return spelled(
        f"""tflite (float[N,6,6,3] i)
                => (float[N,6,6,4] {first}, float[N,6,6,4] {second}) {{
            x = Transpose <perm: ints = [0,3,1,2]> (i)
            c = Conv <pads: ints = [1,1,1,1]> (x, w)
            d = Conv <pads: ints = [1,1,1,1]> (x, v)
            e = Transpose <perm: ints = [0,2,3,1]> (c)
            f = Transpose <perm: ints = [0,2,3,1]> (d)
            out_0 = Relu (e)
            out_1 = Sigmoid (f)
        }}""",
        _MAPS,
    )


def _classified() -> onnx.ModelProto:
    """Return torch's class token put before a sequence of patches."""
    return spelled(
        """torch (float[N,4,6] patches) => (float[N,3] scores)
            <int64 zero = {0}, int64[1] one = {1}, int64[1] none = {0}> {
            embedded = MatMul (patches, embed_weight)
            shape = Shape (embedded)
            batch = Gather (shape, none)
            ones = Expand (one, one)
            sizes = Concat <axis: int = 0> (batch, ones, ones)
            tokens = Expand (class_token, sizes)
            sequence = Concat <axis: int = 1> (tokens, embedded)
            rectified = Tanh (sequence)
            first = Gather <axis: int = 1> (rectified, zero)
            scores = MatMul (first, head_weight)
        }""",
        _PATCHES,
    )


def _classified_by_torch(tokens: str) -> onnx.ModelProto:
    """Return the exporter's, its sizes folded as far as it can."""
    return spelled(
        f"""main_graph (float[N,4,6] x) => (float[N,3] y)
            <int64 zero = {{0}}, int64[3] fixed = {{1,1,6}}, int64[1] at = {{0}},
             int64[1] to = {{1}}, int64[1] rest = {{1}}, int64[1] wide = {{6}}> {{
            n0 = MatMul (x, w0)
            n1 = Shape (n0)
            n2 = Slice (n1, at, to)
            n3 = Concat <axis: int = 0> (n2, rest, wide)
            {tokens}
            n5 = Concat <axis: int = -2> (n4, n0)
            n6 = Tanh (n5)
            n7 = Gather <axis: int = 1> (n6, zero)
            y = MatMul (n7, w1)
        }}""",
        {
            "w0": _PATCHES["embed_weight"],
            "w1": _PATCHES["head_weight"],
            "cls": _PATCHES["class_token"],
        },
    )


def _flattened() -> onnx.ModelProto:
    """Return torch's view of (batch, heads, width), its batch open."""
    return spelled(
        """torch (float[N,4,6] x) => (float[N,3] y) <int64[2] flat = {0, -1}> {
            hidden = MatMul (x, weight)
            rectified = Relu (hidden)
            vector = Reshape (rectified, flat)
            y = Gemm (vector, head, bias)
        }""",
        _FLAT,
    )


def _flattened_by_torch(batch: int) -> onnx.ModelProto:
    """Return the exporter's, the sizes read from what it traced."""
    return spelled(
        f"""main_graph (float[N,4,6] input) => (float[N,3] output)
            <int64[2] sizes = {{{batch}, 24}}> {{
            n0 = MatMul (input, w)
            n1 = Relu (n0)
            n2 = Reshape (n1, sizes)
            n3 = MatMul (n2, h)
            output = Add (n3, b)
        }}""",
        {"w": _FLAT["weight"], "h": _FLAT["head"], "b": _FLAT["bias"]},
        sound=batch != 1,
    )


def _averaged() -> onnx.ModelProto:
    """Return the mean over a sequence of any length."""
    return spelled(
        """torch (float[N,T,6] x) => (float[N,4] y) {
            hidden = Tanh (x)
            mean = ReduceMean <keepdims: int = 0> (hidden, axes)
            y = MatMul (mean, weight)
        }""",
        {"axes": np.asarray([1]), "weight": _MEAN},
    )


def _averaged_by_division(count: str) -> onnx.ModelProto:
    """Return the sum by the length, which is computed, or was when it was traced."""
    return spelled(
        f"""main_graph (float[N,T,6] x) => (float[N,4] y)
            <int64[1] axes = {{1}}, int64 one = {{1}}, int64 traced = {{4}}> {{
            n0 = Tanh (x)
            n1 = ReduceSum <keepdims: int = 0> (n0, axes)
            n2 = Shape (x)
            n3 = Gather (n2, one)
            n4 = Cast <to: int = 1> ({count})
            n5 = Div (n1, n4)
            y = MatMul (n5, weight)
        }}""",
        {"weight": _MEAN},
    )


_MAPS = {"w": drawn(4, 3, 3, 3), "v": drawn(4, 3, 3, 3, seed=1)}
_SHORT = {
    "k": drawn(6, 6),
    "k0": drawn(6, 4, seed=1),
    "k1": drawn(6, 4, seed=2),
    "k2": drawn(6, 4, seed=3),
}
_HEADS = {
    "kernel": _SHORT["k"],
    "start_kernel": _SHORT["k0"],
    "end_kernel": _SHORT["k1"],
    "kind_kernel": _SHORT["k2"],
}
_PATCHES = {
    "embed_weight": drawn(6, 6),
    "head_weight": drawn(6, 3, seed=1),
    "class_token": drawn(1, 1, 6, seed=2),
}
_FLAT = {"weight": drawn(6, 6), "head": drawn(24, 3, seed=1), "bias": drawn(3, seed=2)}
_MEAN = drawn(6, 4)

ISSUES = (
    Issue(
        link="onnx/tensorflow-onnx#926",
        title="the outputs come in another order than the saved model's",
        rule="outputs-exchanged",
        source=_three_heads,
        healthy=partial(_three_heads_by_tf2onnx, 0, 1, 2),
        broken=partial(_three_heads_by_tf2onnx, 2, 0, 1),
        guilty=("out_0", "out_1", "out_2"),
    ),
    Issue(
        link="",
        slug="outputs-exchanged-nhwc",
        title="two outputs of one shape change places, their channels last",
        rule="outputs-exchanged",
        source=_two_maps,
        healthy=partial(_two_maps_last, "out_0", "out_1"),
        broken=partial(_two_maps_last, "out_1", "out_0"),
        guilty=("out_0", "out_1"),
    ),
    Issue(
        link="MPolaris/onnx2tflite#98",
        title="an output is written twice, in the place of another",
        rule="subgraph-differs",
        source=_three_heads,
        healthy=partial(_three_heads_again, "h1"),
        broken=partial(_three_heads_again, "h0"),
        guilty=("b",),
    ),
    Issue(
        link="",
        slug="output-dropped",
        title="an output is lost",
        rule="output-missing",
        source=_three_heads,
        healthy=partial(_three_heads_by_tf2onnx, 0, 1, 2),
        broken=_two_heads,
        guilty=("r",),
    ),
    Issue(
        link="",
        slug="output-undeclared",
        title="an output is computed, and not declared",
        rule="output-missing",
        source=_three_heads,
        healthy=partial(_three_heads_by_tf2onnx, 0, 1, 2),
        broken=_ungiven,
        guilty=("out_2",),
    ),
    Issue(
        link="pytorch/pytorch#82330",
        title="the batch of an expanded token is frozen at what was traced",
        rule="shape-frozen",
        source=_classified,
        healthy=partial(_classified_by_torch, "n4 = Expand (cls, n3)"),
        broken=partial(_classified_by_torch, "n4 = Expand (cls, fixed)"),
        guilty=("n4",),
    ),
    Issue(
        link="pytorch/pytorch#32926",
        title="the batch of a view is frozen at what was traced",
        rule="shape-frozen",
        source=_flattened,
        healthy=partial(_flattened_by_torch, -1),
        broken=partial(_flattened_by_torch, 1),
        guilty=("n2",),
    ),
    Issue(
        link="",
        slug="length-frozen",
        title="a mean divides by the length that was traced",
        rule="subgraph-differs",
        source=_averaged,
        healthy=partial(_averaged_by_division, "n3"),
        broken=partial(_averaged_by_division, "traced"),
        guilty=("n1", "n5"),
    ),
)
