"""Issues about activations: slopes, bounds, approximations, constants, axes."""

from functools import partial

import numpy as np
import onnx

from tests.issues.issue import Issue, drawn, spelled


def _activated(
    activation: str, opset: int = 18, **constants: np.ndarray | float
) -> onnx.ModelProto:
    """Return a convolution, an activation and a classifier, as torch exports them.

    Args:
        activation: What makes ``a`` of ``c``.
        opset: Operator set to declare.
        constants: What it reads; a number is a scalar.
    """
    read = {name: np.asarray(one, np.float32) for name, one in constants.items()}
    return spelled(
        f"""<ir_version: 9, opset_import: ["" : {opset}]>
        torch (float[N,3,8,8] image) => (float[N,5] scores) {{
            c = Conv <kernel_shape = [3,3], pads = [1,1,1,1]> (image, kernel, bias)
            {activation}
            d = Conv (a, second)
            g = GlobalAveragePool (d)
            flat = Flatten (g)
            scores = Gemm (flat, fc)
        }}""",
        {**_WEIGHTS, **read},
    )


def _activated_by_tf2onnx(activation: str, **constants: np.ndarray) -> onnx.ModelProto:
    """Return the same from a Keras model: bias added, activation in steps, another head.

    Args:
        activation: What makes ``act`` of ``x``.
        constants: What its steps read.
    """
    return spelled(
        f"""<ir_version: 8, opset_import: ["" : 13]>
        tf2onnx (float[N,3,8,8] input_1) => (float[N,5] dense) {{
            conv2d = Conv <auto_pad = "SAME_UPPER", kernel_shape = [3,3]> (input_1, conv_w)
            x = Add (conv2d, conv_b)
            {activation}
            conv2d_1 = Conv <kernel_shape = [1,1]> (act, conv_1_w)
            mean = ReduceMean <axes = [2,3], keepdims = 0> (conv2d_1)
            dense = MatMul (mean, dense_w)
        }}""",
        {
            "conv_w": _WEIGHTS["kernel"],
            "conv_b": _WEIGHTS["bias"].reshape(1, 8, 1, 1),
            "conv_1_w": _WEIGHTS["second"],
            "dense_w": _WEIGHTS["fc"],
            **constants,
        },
    )


def _number(value: float) -> np.ndarray:
    """Return a float32 scalar."""
    return np.array(value, np.float32)


def _leaky(slope: float) -> onnx.ModelProto:
    steps = "scaled = Mul (x, slope)\nact = Max (x, scaled)"
    return _activated_by_tf2onnx(steps, slope=_number(slope))


def _elu(alpha: float) -> onnx.ModelProto:
    """Return the exponential unit with its branches computed and chosen from."""
    steps = """positive = Greater (x, zero)
        grown = Exp (x)
        less = Sub (grown, one)
        scaled = Mul (less, alpha)
        act = Where (positive, x, scaled)"""
    numbers = {"zero": _number(0), "one": _number(1), "alpha": _number(alpha)}
    return _activated_by_tf2onnx(steps, **numbers)


def _selu(alpha: float, gamma: float) -> onnx.ModelProto:
    """Return the scaled unit as a scale on the exponential one."""
    steps = f"""e = Elu <alpha = {alpha}> (x)
        act = Mul (e, gamma)"""
    return _activated_by_tf2onnx(steps, gamma=_number(gamma))


def _gelu_erf() -> onnx.ModelProto:
    """Return torch's exact unit, as its exporter writes it below opset 20."""
    steps = """scaled = Div (x, root)
        error = Erf (scaled)
        shifted = Add (error, one)
        product = Mul (x, shifted)
        act = Mul (product, half)"""
    root = _number(np.sqrt(2))
    return _activated_by_tf2onnx(steps, root=root, one=_number(1), half=_number(0.5))


def _gelu_tanh(power: str = "cubed = Pow (x, three)") -> onnx.ModelProto:
    """Return the approximation with a hyperbolic tangent, as TensorFlow spells it."""
    steps = f"""{power}
        third = Mul (cubed, cubic)
        inner = Add (x, third)
        scaled = Mul (inner, root)
        bent = Tanh (scaled)
        shifted = Add (bent, one)
        halved = Mul (x, half)
        act = Mul (halved, shifted)"""
    numbers = {
        "cubic": _number(0.044715),
        "root": _number(np.sqrt(2 / np.pi)),
        "one": _number(1),
        "half": _number(0.5),
        "three": _number(3),
    }
    return _activated_by_tf2onnx(steps, **numbers)


def _hard_swish(slope: float, offset: float = 3) -> onnx.ModelProto:
    """Return x times a clipped line, the offset reshaped as tensorflow-onnx leaves it."""
    steps = """offset = Reshape (three, scalar)
        moved = Add (x, offset)
        capped = Clip (moved, zero, six)
        scaled = Mul (capped, sixth)
        act = Mul (x, scaled)"""
    return _activated_by_tf2onnx(
        steps,
        three=np.array([offset], np.float32),
        scalar=np.array([1]),
        zero=_number(0),
        six=_number(6),
        sixth=_number(slope),
    )


def _relu6(bound: float) -> onnx.ModelProto:
    steps = "low = Relu (x)\nact = Min (low, bound)"
    return _activated_by_tf2onnx(steps, bound=_number(bound))


def _prelu(slope: np.ndarray) -> onnx.ModelProto:
    return _activated_by_tf2onnx("act = PRelu (x, slope)", slope=slope)


def _prelu_of_keras() -> onnx.ModelProto:
    """Return Keras's own arithmetic: the negative part scaled and taken away."""
    steps = """up = Relu (c)
        turned = Neg (c)
        down = Relu (turned)
        scaled = Mul (slope, down)
        a = Add (up, scaled)"""
    return _activated(steps, slope=-_SLOPES.reshape(1, 8, 1, 1))


def _scalar(text: str, **constants: np.ndarray) -> onnx.ModelProto:
    """Return a model whose result is one number."""
    return spelled(text, {"weight": drawn(4, seed=9), **constants})


_WEIGHTS = {
    "kernel": drawn(8, 3, 3, 3),
    "bias": drawn(8, seed=1),
    "second": drawn(6, 8, 1, 1, seed=2),
    "fc": drawn(6, 5, seed=3),
}
_SLOPES = np.abs(drawn(8, seed=4))
_SELU = (1.6732632, 1.0507010)

_PRELU_TORCH = """torch (float[4] x) => (float total) {
    product = Mul (x, weight)
    sum = ReduceSum <keepdims = 0> (product)
    positive = Relu (sum)
    left = Sub (sum, positive)
    scaled = Mul (left, slope)
    total = Add (positive, scaled)
}"""
_PRELU_ONNX = """script (float[4] input) => (float[1] output) {
    p = Mul (input, weight)
    s = ReduceSum <keepdims = 0> (p)
    u = Unsqueeze (s, first)
    output = PRelu (u, slope)
}"""
_SLOPE = np.array([0.25], np.float32)

ISSUES = (
    Issue(
        link="",
        slug="leaky-relu-slope",
        title="the slope of a leaky unit is ONNX's default",
        rule="attribute-differs",
        source=partial(_leaky, 0.2),
        healthy=partial(_activated, "a = LeakyRelu <alpha = 0.2> (c)"),
        broken=partial(_activated, "a = LeakyRelu (c)"),
        guilty=("a",),
    ),
    Issue(
        link="",
        slug="leaky-relu-steps",
        title="the slope of a leaky unit in steps is another",
        rule="weight-differs",
        source=partial(_activated, "a = LeakyRelu <alpha = 0.2> (c)"),
        healthy=partial(_leaky, 0.2),
        broken=partial(_leaky, 0.3),
        guilty=("scaled",),
    ),
    Issue(
        link="",
        slug="elu-alpha",
        title="the exponential unit's alpha is lost",
        rule="attribute-differs",
        source=partial(_elu, 0.5),
        healthy=partial(_activated, "a = Elu <alpha = 0.5> (c)"),
        broken=partial(_activated, "a = Elu (c)"),
        guilty=("a",),
    ),
    Issue(
        link="",
        slug="elu-alpha-steps",
        title="the exponential unit in steps has another alpha",
        rule="weight-differs",
        source=partial(_activated, "a = Elu <alpha = 0.5> (c)"),
        healthy=partial(_elu, 0.5),
        broken=partial(_elu, 1.0),
        guilty=("scaled",),
    ),
    Issue(
        link="",
        slug="selu-gamma",
        title="the scaled exponential unit loses its scale",
        rule="weight-differs",
        source=partial(_activated, "a = Selu (c)"),
        healthy=partial(_selu, *_SELU),
        broken=partial(_selu, _SELU[0], 1.0),
        guilty=("act",),
    ),
    Issue(
        link="",
        slug="selu-alpha",
        title="the scaled exponential unit takes the alpha of the plain one",
        rule="attribute-differs",
        source=partial(_activated, "a = Selu (c)"),
        healthy=partial(_selu, *_SELU),
        broken=partial(_selu, 1.0, _SELU[1]),
        guilty=("e",),
    ),
    Issue(
        link="",
        slug="gelu-approximated",
        title="the exact unit became its approximation",
        rule="gelu-variant",
        source=_gelu_erf,
        healthy=partial(_activated, "a = Gelu (c)", 20),
        broken=partial(_activated, 'a = Gelu <approximate = "tanh"> (c)', 20),
        guilty=("a",),
    ),
    Issue(
        link="",
        slug="gelu-exact",
        title="the approximated unit became the exact one",
        rule="gelu-variant",
        source=partial(_activated, 'a = Gelu <approximate = "tanh"> (c)', 20),
        healthy=_gelu_tanh,
        broken=_gelu_erf,
        guilty=("act", "error"),
    ),
    Issue(
        link="onnx/tensorflow-onnx#1039",
        title="the three of a hard swish stands behind a Reshape",
        rule="",
        source=partial(_activated, "a = HardSwish (c)"),
        healthy=partial(_hard_swish, 1 / 6),
    ),
    Issue(
        link="",
        slug="hard-swish-slope",
        title="a hard swish takes the slope of Keras's old hard sigmoid",
        rule="weight-differs",
        source=partial(_activated, "a = HardSwish (c)"),
        healthy=partial(_hard_swish, 1 / 6),
        broken=partial(_hard_swish, 0.2),
        guilty=("scaled",),
    ),
    Issue(
        link="",
        slug="hard-sigmoid-slope",
        title="a hard sigmoid takes ONNX's slope",
        rule="attribute-differs",
        source=partial(
            _activated,
            """moved = Add (c, three)
            capped = Clip (moved, zero, six)
            a = Div (capped, six)""",
            three=3,
            zero=0,
            six=6,
        ),
        healthy=partial(
            _activated_by_tf2onnx, "act = HardSigmoid <alpha = 0.16666667> (x)"
        ),
        broken=partial(_activated_by_tf2onnx, "act = HardSigmoid (x)"),
        guilty=("act",),
    ),
    Issue(
        link="",
        slug="relu6-bound",
        title="a unit that ends at six ends at one",
        rule="clip-bounds",
        source=partial(_activated, "a = Clip (c, low, high)", low=0, high=0.6),
        healthy=partial(_relu6, 0.6),
        broken=partial(_relu6, 0.1),
        guilty=("act",),
    ),
    Issue(
        link="",
        slug="relu6-unbounded",
        title="a unit that ends at six does not end",
        rule="operator-replaced",
        source=partial(_activated, "a = Clip (c, low, high)", low=0, high=0.6),
        healthy=partial(_relu6, 0.6),
        broken=partial(_activated_by_tf2onnx, "act = Relu (x)"),
        guilty=("act",),
    ),
    Issue(
        link="",
        slug="relu6-fused",
        title="a unit in steps is fused with another bound",
        rule="clip-bounds",
        source=partial(_relu6, 0.6),
        healthy=partial(_activated, "a = Clip (c, low, high)", low=0, high=0.6),
        broken=partial(_activated, "a = Clip (c, low, high)", low=0, high=1),
        guilty=("a",),
    ),
    Issue(
        link="pytorch/pytorch#70570",
        title="the slopes of the channels are laid along the width",
        rule="broadcast-misaligned",
        source=_prelu_of_keras,
        healthy=partial(_prelu, _SLOPES.reshape(8, 1, 1)),
        broken=partial(_prelu, _SLOPES),
        guilty=("act",),
    ),
    Issue(
        link="pytorch/pytorch#79899",
        title="a unit of a single number gives a vector of one, which reads the same",
        rule="",
        source=partial(_scalar, _PRELU_TORCH, slope=_SLOPE.reshape(())),
        healthy=partial(_scalar, _PRELU_ONNX, slope=_SLOPE, first=np.array([0])),
    ),
)
