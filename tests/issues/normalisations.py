"""Issues about normalisation: statistics, epsilon, momentum, axes."""

from functools import partial

import numpy as np
import onnx

from tests.issues.issue import Issue, drawn, spelled


def _normalised(norm: str) -> onnx.ModelProto:
    """Return a convolution, a normalisation and a classifier, as torch exports them."""
    return spelled(
        f"""torch (float[N,3,9,9] image) => (float[N,5] scores) {{
            c = Conv <kernel_shape = [3,3]> (image, kernel)
            n = {norm}
            r = Relu (n)
            g = GlobalAveragePool (r)
            flat = Flatten (g)
            scores = Gemm (flat, fc)
        }}""",
        {"kernel": _KERNEL, **_NORM, "fc": _CLASSES},
    )


def _decomposed() -> onnx.ModelProto:
    """Return the same as the exporter without optimisation decomposes it."""
    return spelled(
        """dynamo (float[N,3,9,9] image) => (float[N,5] scores) {
            conv2d = Conv <group = 1, kernel_shape = [3,3]> (image, conv_weight)
            centred = Sub (conv2d, running_mean)
            widened = Add (running_var, eps)
            deviation = Sqrt (widened)
            inverse = Reciprocal (deviation)
            unit = Mul (centred, inverse)
            scaled = Mul (unit, weight)
            shifted = Add (scaled, bias)
            relu = Relu (shifted)
            mean = ReduceMean <keepdims = 0> (relu, spatial)
            scores = MatMul (mean, head)
        }""",
        {
            "conv_weight": _KERNEL,
            "running_mean": _column("mean"),
            "running_var": _column("variance"),
            "weight": _column("gamma"),
            "bias": _column("beta"),
            "eps": np.float32(1e-5),
            "spatial": np.array([2, 3]),
            "head": _CLASSES,
        },
    )


def _exported(norm: str) -> onnx.ModelProto:
    """Return the same by the TorchScript exporter: other names, another head."""
    return spelled(
        f"""script (float[N,3,9,9] input_1) => (float[N,5] output_1) {{
            x = Conv <dilations = [1,1], group = 1, kernel_shape = [3,3],
                pads = [0,0,0,0], strides = [1,1]> (input_1, conv_weight)
            normed = {norm}
            r = Relu (normed)
            m = ReduceMean <axes = [2,3], keepdims = 0> (r)
            output_1 = MatMul (m, head)
        }}""".replace("script", '<ir_version: 8, opset_import: ["" : 13]> script', 1),
        {"conv_weight": _KERNEL, **_NORM, "head": _CLASSES},
    )


def _folded(epsilon: float) -> onnx.ModelProto:
    """Return the normalisation as a factor and a shift, as grappler folds it."""
    factor = _NORM["gamma"] / np.sqrt(_NORM["variance"] + np.float32(epsilon))
    return spelled(
        """grappler (float[N,3,9,9] image) => (float[N,5] scores) {
            conv = Conv <kernel_shape = [3,3]> (image, kernel)
            mul = Mul (conv, factor)
            add = Add (mul, shift)
            relu = Relu (add)
            mean = ReduceMean <axes = [2,3], keepdims = 0> (relu)
            scores = MatMul (mean, head)
        }""".replace("grappler", '<ir_version: 8, opset_import: ["" : 13]> grappler', 1),
        {
            "kernel": _KERNEL,
            "factor": factor.reshape(1, 6, 1, 1),
            "shift": (_NORM["beta"] - _NORM["mean"] * factor).reshape(1, 6, 1, 1),
            "head": _CLASSES,
        },
    )


def _fused(epsilon: float) -> onnx.ModelProto:
    """Return the normalisation inside the convolution, as most optimisers fuse it."""
    factor = _NORM["gamma"] / np.sqrt(_NORM["variance"] + np.float32(epsilon))
    return spelled(
        """fused (float[N,3,9,9] image) => (float[N,5] scores) {
            conv = Conv <kernel_shape = [3,3]> (image, kernel, bias)
            relu = Relu (conv)
            mean = ReduceMean <axes = [2,3], keepdims = 0> (relu)
            scores = MatMul (mean, head)
        }""".replace("fused", '<ir_version: 8, opset_import: ["" : 13]> fused', 1),
        {
            "kernel": _KERNEL * factor.reshape(-1, 1, 1, 1),
            "bias": _NORM["beta"] - _NORM["mean"] * factor,
            "head": _CLASSES,
        },
    )


def _block(norm: str) -> onnx.ModelProto:
    """Return a transformer's sublayer: a normalisation between two projections."""
    return spelled(
        f"""keras (float[N,6,8] tokens) => (float[N,6,4] out) {{
            p = MatMul (tokens, inner)
            n = {norm}
            q = MatMul (n, outer)
            out = Add (q, last)
        }}""",
        _BLOCK,
    )


def _block_by_tf2onnx(epsilon: float, axes: tuple[int, ...] = (-1,)) -> onnx.ModelProto:
    """Return the same in single steps, the projections as Gemm between reshapes."""
    return spelled(
        """tf2onnx (float[N,6,8] tokens) => (float[N,6,4] out)
            <int64[2] flat = {-1, 8}, int64[3] back = {-1, 6, 8}> {
            rows = Reshape (tokens, flat)
            product = Gemm (rows, dense_kernel)
            p = Reshape (product, back)
            mean = ReduceMean <keepdims = 1> (p, axes)
            centred = Sub (p, mean)
            squared = Mul (centred, centred)
            variance = ReduceMean <keepdims = 1> (squared, axes)
            guarded = Add (variance, eps)
            deviation = Sqrt (guarded)
            unit = Div (centred, deviation)
            scaled = Mul (unit, ln_gamma)
            shifted = Add (scaled, ln_beta)
            q = MatMul (shifted, kernel_2)
            out = Add (q, bias_2)
        }""",
        {
            "dense_kernel": _BLOCK["inner"],
            "ln_gamma": _BLOCK["scale"],
            "ln_beta": _BLOCK["shift"],
            "kernel_2": _BLOCK["outer"],
            "bias_2": _BLOCK["last"],
            "eps": np.float32(epsilon),
            "axes": np.array(axes),
        },
    )


def _column(name: str) -> np.ndarray:
    """Return a parameter per channel as NCHW broadcasts it."""
    return np.asarray(_NORM[name]).reshape(1, 6, 1, 1)


_KERNEL = drawn(6, 3, 3, 3)
_NORM = {
    "gamma": 1 + drawn(6, seed=1, scale=0.2),
    "beta": drawn(6, seed=2),
    "mean": drawn(6, seed=3),
    "variance": np.abs(drawn(6, seed=4)) + np.float32(0.01),
}
_CLASSES = drawn(6, 5, seed=5)
_BLOCK = {
    "inner": drawn(8, 8, seed=6, scale=0.1),
    "scale": 1 + drawn(8, seed=7, scale=0.2),
    "shift": drawn(8, seed=8),
    "outer": drawn(8, 4, seed=9),
    "last": drawn(4, seed=10),
}
_BATCH = "BatchNormalization <epsilon = 0.00001> (c, gamma, beta, mean, variance)"
_LAYER = "LayerNormalization <axis = -1, epsilon = 0.001> (p, scale, shift)"
_RUNNING = (
    "BatchNormalization <epsilon = 0.00001, momentum = {}> (x, gamma, beta, mean, variance)"
)

ISSUES = (
    Issue(
        link="pytorch/pytorch#18525",
        title="the momentum of a batch normalisation is written as another number",
        rule="",
        source=partial(
            _normalised,
            _BATCH.replace("epsilon", "momentum = 0.5, epsilon"),
        ),
        healthy=partial(_exported, _RUNNING.format("1.0")),
    ),
    Issue(
        link="pytorch/pytorch#53887",
        title="running statistics are dropped: every image is normalised by its own",
        rule="statistics-recomputed",
        source=_decomposed,
        healthy=partial(_exported, _RUNNING.format("0.9")),
        broken=partial(
            _exported, "InstanceNormalization <epsilon = 0.00001> (x, gamma, beta)"
        ),
        guilty=("normed",),
    ),
    Issue(
        link="",
        slug="statistics-of-the-image",
        title="running statistics are dropped where the source has one operator",
        rule="statistics-recomputed",
        source=partial(_normalised, _BATCH),
        healthy=partial(_exported, _RUNNING.format("0.9")),
        broken=partial(
            _exported, "InstanceNormalization <epsilon = 0.00001> (x, gamma, beta)"
        ),
        guilty=("normed",),
    ),
    Issue(
        link="",
        slug="batch-norm-epsilon-folded",
        title="a batch normalisation is folded with another epsilon",
        rule="epsilon-reset",
        source=partial(_normalised, _BATCH.replace("0.00001", "0.001")),
        healthy=partial(_folded, 1e-3),
        broken=partial(_folded, 1e-5),
        guilty=("mul", "add", "conv"),
    ),
    Issue(
        link="",
        slug="batch-norm-epsilon-fused",
        title="a batch normalisation is fused into its convolution with another epsilon",
        rule="epsilon-reset",
        source=partial(_normalised, _BATCH.replace("0.00001", "0.001")),
        healthy=partial(_fused, 1e-3),
        broken=partial(_fused, 1e-5),
        guilty=("conv",),
    ),
    Issue(
        link="",
        slug="batch-norm-epsilon",
        title="a batch normalisation takes the runtime's epsilon",
        rule="epsilon-reset",
        source=partial(_folded, 1e-3),
        healthy=partial(_exported, _RUNNING.format("0.9").replace("0.00001", "0.001")),
        broken=partial(_exported, _RUNNING.format("0.9")),
        guilty=("normed",),
    ),
    Issue(
        link="",
        slug="layer-norm-epsilon",
        title="a layer normalisation in single steps takes another epsilon",
        rule="epsilon-reset",
        source=partial(_block, _LAYER),
        healthy=partial(_block_by_tf2onnx, 1e-3),
        broken=partial(_block_by_tf2onnx, 1e-5),
        guilty=("guarded",),
    ),
    Issue(
        link="",
        slug="layer-norm-epsilon-fused",
        title="a layer normalisation is fused with the default epsilon",
        rule="epsilon-reset",
        source=partial(_block_by_tf2onnx, 1e-3),
        healthy=partial(_block, _LAYER),
        broken=partial(_block, _LAYER.replace(", epsilon = 0.001", "")),
        guilty=("n",),
    ),
    Issue(
        link="",
        slug="layer-norm-axis",
        title="a layer normalisation takes all tokens together",
        rule="axis-swapped",
        source=partial(_block, _LAYER),
        healthy=partial(_block_by_tf2onnx, 1e-3),
        broken=partial(_block_by_tf2onnx, 1e-3, (-2, -1)),
        guilty=("mean", "variance"),
        faults=2,
    ),
)
