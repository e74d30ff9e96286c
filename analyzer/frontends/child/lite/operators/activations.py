"""Activations, and what normalises along the last axis."""

from math import pi, sqrt

import numpy as np

from analyzer.frontends.child.lite.call import Call, Drawn
from analyzer.frontends.child.lite.draft import IMAGE_RANK, Layout
from analyzer.frontends.child.lite.table import draws

PLAIN = {
    "ELU": "Elu",
    "HARD_SWISH": "HardSwish",
    "LOGISTIC": "Sigmoid",
    "RELU": "Relu",
    "TANH": "Tanh",
}
"""Activations that ONNX computes alike."""

CLIPS = {"RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0), "RELU_0_TO_1": (0.0, 1.0)}
"""Activations that clip to an interval."""

FUSED = {1: "RELU", 2: "RELU_N1_TO_1", 3: "RELU6", 4: "TANH"}
"""Activations that an operator may have of its own, as the schema numbers them."""

SMALLEST_NORM = 1e-6
"""What a length counts as at least.

Source: `L2Normalization` in TensorFlow Lite's kernels/internal/reference/l2normalization.h.
"""


def activated(call: Call, name: str, kind: str) -> str:
    """Return a tensor after an activation.

    Args:
        call: The operator that has it.
        name: What it is computed of, in floats.
        kind: The activation's name in the schema.
    """
    if kind in PLAIN:
        return call.add(PLAIN[kind], name)
    low, high = (call.hold(np.array(bound, np.float32)) for bound in CLIPS[kind])
    return call.add("Clip", name, low, high)


@draws(*PLAIN, *CLIPS)
def activation(call: Call) -> Drawn:
    """Draw an activation that stands by itself."""
    layout = call.layout(0)
    return Drawn(activated(call, call.real(0, layout), call.operator.kind), layout)


@draws("LEAKY_RELU")
def leaky_relu(call: Call) -> Drawn:
    """Draw an activation with a slope below zero."""
    layout = call.layout(0)
    alpha = float(call.options.alpha)
    return Drawn(call.add("LeakyRelu", call.real(0, layout), alpha=alpha), layout)


@draws("PRELU")
def prelu(call: Call) -> Drawn:
    """Draw an activation with a slope below zero for each channel."""
    layout = call.layout(0, 1)
    given, slope = (call.real(slot, layout, rank=IMAGE_RANK) for slot in (0, 1))
    return Drawn(call.add("PRelu", given, slope), layout)


@draws("GELU")
def gelu(call: Call) -> Drawn:
    """Draw ``0.5 x (1 + Erf(x / sqrt 2))``, or its approximation where the file says so."""
    layout = call.layout(0)
    given = call.real(0, layout)
    one, half = call.number(1), call.number(0.5)
    if call.options is not None and call.options.approximate:
        bent = call.add("Tanh", _cubic(call, given))
    else:
        bent = call.add("Erf", call.add("Mul", given, call.number(1 / sqrt(2))))
    share = call.add("Mul", given, call.add("Add", bent, one))
    return Drawn(call.add("Mul", share, half), layout)


def _cubic(call: Call, given: str) -> str:
    """Return ``sqrt(2 / pi) (x + 0.044715 x³)``, as Hendrycks and Gimpel have it."""
    squared = call.add("Mul", given, given)
    scaled = call.add("Mul", squared, call.number(0.044715))
    raised = call.add("Mul", given, call.add("Add", scaled, call.number(1)))
    return call.add("Mul", raised, call.number(sqrt(2 / pi)))


@draws("SOFTMAX")
def softmax(call: Call) -> str:
    """Draw shares along the last axis, of values multiplied by beta."""
    given, beta = call.real(0), float(call.options.beta)
    if beta != 1:
        given = call.add("Mul", given, call.number(beta))
    return call.add("Softmax", given, axis=-1)


@draws("LOG_SOFTMAX")
def log_softmax(call: Call) -> str:
    """Draw the logarithm of shares along the last axis."""
    return call.add("LogSoftmax", call.real(0), axis=-1)


@draws("L2_NORMALIZATION")
def unit_length(call: Call) -> str:
    """Draw vectors along the last axis, brought to length 1."""
    given = call.real(0)
    last = call.hold(np.array([-1]))
    squares = call.add("ReduceSum", call.add("Mul", given, given), last, keepdims=1)
    length = call.add("Max", call.add("Sqrt", squares), call.number(SMALLEST_NORM))
    return call.add("Div", given, length)


@draws("LOCAL_RESPONSE_NORMALIZATION")
def local_response(call: Call) -> Drawn:
    """Draw values divided by a power of their neighbouring channels' squares."""
    options = call.options
    size = 2 * int(options.radius) + 1
    normed = call.add(
        "LRN",
        call.image(0),
        size=size,
        alpha=float(options.alpha) * size,  # ONNX divides it by the size again
        beta=float(options.beta),
        bias=float(options.bias),
    )
    return Drawn(normed, Layout.IMAGE)
