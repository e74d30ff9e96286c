"""Issues about Softmax, joins and splits, attention, and the factors of products."""

from functools import partial

import numpy as np
import onnx

from tests.issues.issue import Issue, drawn, spelled


def _shares(softmax: str, opset: int, name: str = "torch") -> onnx.ModelProto:
    """Return a projection, a Softmax over the tokens, and a projection.

    Args:
        softmax: What makes ``s`` of ``p``.
        opset: Operator set to declare.
        name: Of the graph.
    """
    return spelled(
        f"""<ir_version: 7, opset_import: ["" : {opset}]>
        {name} (float[N,5,4] tokens) => (float[N,5,3] out) {{
            p = MatMul (tokens, inner)
            {softmax}
            out = MatMul (s, outer)
        }}""",
        {"inner": drawn(4, 4, scale=1.0), "outer": drawn(4, 3, seed=1)},
    )


def _shares_flattened(softmax: str, opset: int = 18) -> onnx.ModelProto:
    """Return the same as a compiler's importer lowers it: products as Gemm of rows."""
    return spelled(
        f"""<ir_version: 8, opset_import: ["" : {opset}]>
        relax (float[N,5,4] lv) => (float[N,5,3] gv)
            <int64[2] rows = {{-1, 4}}, int64[3] back = {{-1, 5, 4}},
             int64[2] flat = {{-1, 20}}, int64[3] last = {{-1, 5, 3}}> {{
            lv1 = Reshape (lv, rows)
            lv2 = Gemm (lv1, metadata_0)
            lv3 = Reshape (lv2, back)
            {softmax}
            lv5 = Reshape (lv4, rows)
            lv6 = Gemm (lv5, metadata_1)
            gv = Reshape (lv6, last)
        }}""",
        {"metadata_0": drawn(4, 4, scale=1.0), "metadata_1": drawn(4, 3, seed=1)},
    )


def _inception() -> onnx.ModelProto:
    """Return Keras's branches, joined at the channels of NHWC."""
    return spelled(
        """keras (float[N,4,4,3] image) => (float[N,4,4,5] out) {
            a = MatMul (image, left)
            b = MatMul (image, right)
            x = Relu (a)
            y = Tanh (b)
            joined = Concat <axis = -1> (x, y)
            out = MatMul (joined, head)
        }""",
        {
            "left": drawn(3, 4, seed=2),
            "right": drawn(3, 4, seed=3),
            "head": drawn(8, 5, seed=4),
        },
    )


def _inception_in_nchw(joined: str, *, sound: bool = True) -> onnx.ModelProto:
    """Return the same with the layout changed, as both Keras converters change it."""
    return spelled(
        f"""<ir_version: 8, opset_import: ["" : 13]>
        keras2onnx (float[N,4,4,3] image) => (float[N,4,4,5] out)
            {{
            adjusted = Transpose <perm = [0,3,1,2]> (image)
            conv = Conv (adjusted, w)
            conv_1 = Conv (adjusted, w_1)
            relu = Relu (conv)
            tanh = Tanh (conv_1)
            {joined}
            conv_2 = Conv (concat, w_2)
            out = Transpose <perm = [0,2,3,1]> (conv_2)
        }}""",
        {
            "w": drawn(3, 4, seed=2).T.reshape(4, 3, 1, 1).copy(),
            "w_1": drawn(3, 4, seed=3).T.reshape(4, 3, 1, 1).copy(),
            "w_2": drawn(8, 5, seed=4).T.reshape(5, 8, 1, 1).copy(),
        },
        sound=sound,
    )


def _gated() -> onnx.ModelProto:
    """Return Keras's gated unit: NHWC, half of the channels opens the other half."""
    return spelled(
        """keras (float[N,8,8,3] image) => (float[N,4] out)
            <int64[2] halves = {4, 4}, int64[2] space = {1, 2}> {
            a = MatMul (image, wide)
            x, gate = Split <axis = -1> (a, halves)
            opened = Sigmoid (gate)
            y = Mul (x, opened)
            m = ReduceMean <keepdims = 0> (y, space)
            out = MatMul (m, last)
        }""",
        {"wide": _GATES, "last": drawn(4, 4, seed=16)},
    )


def _gated_in_nchw(axis: int, pooled: str) -> onnx.ModelProto:
    """Return the same in NCHW, the mean as a pool.

    Args:
        axis: Where it is split; the image is as wide as it is deep.
        pooled: What makes ``m`` of ``y``.
    """
    return spelled(
        f"""<ir_version: 8, opset_import: ["" : 13]>
        tf2onnx (float[N,8,8,3] input_1) => (float[N,4] dense)
            <int64[2] split = {{4, 4}}, int64[2] flat = {{-1, 4}}> {{
            adjusted = Transpose <perm = [0,3,1,2]> (input_1)
            conv = Conv (adjusted, w)
            x, gate = Split <axis = {axis}> (conv, split)
            opened = Sigmoid (gate)
            y = Mul (x, opened)
            {pooled}
            m = Reshape (p, flat)
            dense = MatMul (m, dense_w)
        }}""",
        {
            "w": _GATES.T.reshape(8, 3, 1, 1).copy(),
            "dense_w": drawn(4, 4, seed=16),
        },
        sound=False,
    )


def _square_branches(axis: int) -> onnx.ModelProto:
    """Return features joined along one of two axes of one size, then averaged over both.

    Args:
        axis: The axis they are joined at.
    """
    return spelled(
        f"""tf2onnx (float[N,6,6] tokens) => (float[N,5] out)
            <int64[1] second = {{1}}, int64[1] third = {{2}}> {{
            a = MatMul (tokens, left)
            b = Tanh (a)
            joined = Concat <axis = {axis}> (a, b)
            weighted = CumSum (joined, second_axis)
            m = ReduceMean <keepdims = 0> (weighted, both)
            column = Unsqueeze (m, second)
            out = MatMul (column, head)
        }}""",
        {
            "left": drawn(6, 6, seed=5),
            "both": np.array([1, 2]),
            "second_axis": np.array(1),
            "head": drawn(1, 5, seed=6),
        },
    )


def _attention() -> onnx.ModelProto:
    """Return torch's attention written out, with a causal mask added to the scores."""
    return spelled(
        """torch (float[N,5,8] x) => (float[N,5,4] out) {
            q = MatMul (x, wq)
            k = MatMul (x, wk)
            v = MatMul (x, wv)
            turned = Transpose <perm = [0,2,1]> (k)
            scores = MatMul (q, turned)
            scaled = Div (scores, root)
            masked = Add (scaled, mask)
            shares = Softmax <axis = -1> (masked)
            mixed = MatMul (shares, v)
            out = MatMul (mixed, wo)
        }""",
        {**_HEADS, "root": np.float32(np.sqrt(8)), "mask": _CAUSAL},
    )


def _attention_by_tf2onnx(scores: str, **constants: np.ndarray) -> onnx.ModelProto:
    """Return the same with queries scaled first and the mask chosen by Where.

    Args:
        scores: What makes ``masked`` of ``q`` and ``turned``.
        constants: What that reads.
    """
    return spelled(
        f"""<ir_version: 8, opset_import: ["" : 13]>
        tf2onnx (float[N,5,8] x) => (float[N,5,4] out) {{
            q = MatMul (x, dense_q)
            k = MatMul (x, dense_k)
            v = MatMul (x, dense_v)
            turned = Transpose <perm = [0,2,1]> (k)
            {scores}
            shares = Softmax <axis = 2> (masked)
            mixed = MatMul (shares, v)
            out = MatMul (mixed, dense_o)
        }}""",
        {
            "dense_q": _HEADS["wq"],
            "dense_k": _HEADS["wk"],
            "dense_v": _HEADS["wv"],
            "dense_o": _HEADS["wo"],
            **constants,
        },
    )


def _dense(product: str, **constants: np.ndarray) -> onnx.ModelProto:
    """Return a perceptron whose middle layer is spelled as wanted.

    Args:
        product: What makes ``y`` of ``h``.
        constants: What that reads.
    """
    return spelled(
        f"""perceptron (float[N,6] x) => (float[N,3] out) {{
            first = MatMul (x, inner)
            h = Relu (first)
            {product}
            r = Tanh (y)
            out = MatMul (r, outer)
        }}""",
        {"inner": drawn(6, 7, seed=11), "outer": drawn(4, 3, seed=12), **constants},
    )


_GATES = drawn(3, 8, seed=15)
_HEADS = {
    "wq": drawn(8, 8, seed=7),
    "wk": drawn(8, 8, seed=8),
    "wv": drawn(8, 8, seed=9),
    "wo": drawn(8, 4, seed=10),
}
_CAUSAL = np.triu(np.full((5, 5), -1e4, np.float32), 1)
_ALLOWED = np.tril(np.ones((5, 5), bool))
_CHOSEN = """small = Mul (q, scale)
    scores = MatMul (small, turned)
    masked = Where (allowed, scores, low)"""
_MASKED = {"allowed": _ALLOWED, "low": np.float32(-1e4)}
_SCALE = np.float32(1 / np.sqrt(8))
_B, _C = drawn(7, 4, seed=13), drawn(4, seed=14)
_TURNED = """turned = Transpose <perm = [0,2,1]> (p)
    shared = Softmax <axis = 2> (turned)
    s = Transpose <perm = [0,2,1]> (shared)"""
_ADDMM = """product = MatMul (h, b)
    scaled = Mul (product, alpha)
    biased = Mul (c, beta)
    y = Add (scaled, biased)"""
_NUMBERS = {"alpha": np.float32(0.5), "beta": np.float32(2), "b": _B, "c": _C}

ISSUES = (
    Issue(
        link="pytorch/pytorch#34585",
        title="a Softmax over one axis is exported for an opset that flattens",
        rule="softmax-semantics",
        source=partial(_shares, "s = Softmax <axis = 1> (p)", 13),
        healthy=partial(_shares, _TURNED, 11, "exported"),
        broken=partial(_shares, "s = Softmax <axis = 1> (p)", 11, "exported"),
        guilty=("s",),
    ),
    Issue(
        link="apache/tvm#20183",
        title="a flattening Softmax is read as one of a single axis",
        rule="softmax-semantics",
        source=partial(_shares, "s = Softmax <axis = 1> (p)", 11),
        healthy=partial(
            _shares_flattened,
            "wide = Reshape (lv3, flat)\nshared = Softmax <axis = 1> (wide)\n"
            "lv4 = Reshape (shared, back)",
        ),
        broken=partial(_shares_flattened, "lv4 = Softmax <axis = 1> (lv3)"),
        guilty=("lv4",),
    ),
    Issue(
        link="onnx/onnxmltools#719",
        title="branches are joined along the width after the layout changed",
        rule="axis-swapped",
        source=_inception,
        healthy=partial(_inception_in_nchw, "concat = Concat <axis = 1> (relu, tanh)"),
        broken=partial(
            _inception_in_nchw,
            "concat = Concat <axis = 3> (relu, tanh)",
            sound=False,
        ),
        guilty=("concat",),
    ),
    Issue(
        link="onnx/tensorflow-onnx#1757",
        title="the axis of a Concat is off by one",
        rule="axis-swapped",
        source=partial(_square_branches, 1),
        healthy=partial(_square_branches, -2),
        broken=partial(_square_branches, 2),
        guilty=("joined",),
    ),
    Issue(
        link="",
        slug="gate-split-axis",
        title="the channels of a gated unit are split along the width",
        rule="axis-swapped",
        source=_gated,
        healthy=partial(_gated_in_nchw, 1, "p = GlobalAveragePool (y)"),
        broken=partial(_gated_in_nchw, 3, "p = GlobalAveragePool (y)"),
        guilty=("x", "gate"),
    ),
    Issue(
        link="",
        slug="attention-scale",
        title="the scores of an attention are scaled twice",
        rule="weight-differs",
        source=_attention,
        healthy=partial(_attention_by_tf2onnx, _CHOSEN, scale=_SCALE, **_MASKED),
        broken=partial(_attention_by_tf2onnx, _CHOSEN, scale=np.float32(1 / 8), **_MASKED),
        guilty=("small",),
    ),
    Issue(
        link="",
        slug="attention-unscaled",
        title="the scores of an attention are not scaled",
        rule="subgraph-differs",
        source=_attention,
        healthy=partial(_attention_by_tf2onnx, _CHOSEN, scale=_SCALE, **_MASKED),
        broken=partial(
            _attention_by_tf2onnx,
            "scores = MatMul (q, turned)\nmasked = Where (allowed, scores, low)",
            **_MASKED,
        ),
        guilty=("scores", "masked", "q"),
    ),
    Issue(
        link="",
        slug="attention-mask-strict",
        title="the causal mask leaves the next token to be seen",
        rule="mask-differs",
        source=_attention,
        healthy=partial(_attention_by_tf2onnx, _CHOSEN, scale=_SCALE, **_MASKED),
        broken=partial(
            _attention_by_tf2onnx,
            _CHOSEN,
            scale=_SCALE,
            allowed=np.tril(np.ones((5, 5), bool), 1),
            low=np.float32(-1e4),
        ),
        guilty=("masked",),
    ),
    Issue(
        link="",
        slug="attention-mask-lost",
        title="the mask of an attention is lost",
        rule="operator-missing",
        source=_attention,
        healthy=partial(_attention_by_tf2onnx, _CHOSEN, scale=_SCALE, **_MASKED),
        broken=partial(
            _attention_by_tf2onnx,
            "small = Mul (q, scale)\nmasked = MatMul (small, turned)",
            scale=_SCALE,
        ),
        guilty=("masked", "shares"),
    ),
    Issue(
        link="pytorch/pytorch#26328",
        title="a product and a bias lose their factors when they are fused",
        rule="factor-lost",
        source=partial(_dense, _ADDMM, **_NUMBERS),
        healthy=partial(_dense, "y = Gemm <alpha = 0.5, beta = 2.0> (h, b, c)", b=_B, c=_C),
        broken=partial(_dense, "y = Gemm (h, b, c)", b=_B, c=_C),
        guilty=("y",),
    ),
    Issue(
        link="pytorch/pytorch#26328",
        title="the factor of a product is lost when it is taken apart",
        rule="factor-lost",
        source=partial(
            _dense,
            "y = Gemm <alpha = 0.5, beta = 2.0, transB = 1> (h, b, c)",
            b=_B.T.copy(),
            c=_C,
        ),
        healthy=partial(_dense, _ADDMM, **_NUMBERS),
        broken=partial(
            _dense,
            "product = MatMul (h, b)\nbiased = Mul (c, beta)\ny = Add (product, biased)",
            b=_B,
            c=_C,
            beta=np.float32(2),
        ),
        guilty=("product",),
    ),
)
