"""Operators of one input that act on each element."""

import math
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from rewriter.export.tensorflow_graph.table import Call, Operator, operator
from rewriter.export.tensorflow_graph.values import Value
from rewriter.export.tensorflow_graph.weights import Tensor

NARROW = frozenset({tf.int8, tf.int16, tf.uint8, tf.uint16, tf.uint32, tf.uint64})
"""Dtypes that TensorFlow has few kernels for: computed in 64 bits and cast back."""

SAME_EVERYWHERE = {
    "Abs": tf.abs,
    "Acos": tf.acos,
    "Acosh": tf.acosh,
    "Asin": tf.asin,
    "Asinh": tf.asinh,
    "Atan": tf.atan,
    "Atanh": tf.atanh,
    "BitwiseNot": tf.bitwise.invert,
    "Ceil": tf.math.ceil,
    "Cos": tf.cos,
    "Cosh": tf.cosh,
    "Exp": tf.exp,
    "Floor": tf.floor,
    "Identity": tf.identity,
    "IsNaN": tf.math.is_nan,
    "Log": tf.math.log,
    "Neg": tf.negative,
    "Not": tf.logical_not,
    "Reciprocal": lambda x: 1 / x,
    "Relu": tf.nn.relu,
    "Round": tf.round,
    "Sigmoid": tf.sigmoid,
    "Sign": tf.sign,
    "Sin": tf.sin,
    "Sinh": tf.sinh,
    "Softplus": tf.math.softplus,
    "Softsign": tf.nn.softsign,
    "Sqrt": tf.sqrt,
    "Tan": tf.tan,
    "Tanh": tf.tanh,
}

ERF_TERMS = (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)
ERF_SCALE = 0.3275911
"""Right to 1.5e-7 everywhere, a unit in the last place of float32.

Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26."""


def _each(function: Callable[[Tensor], Tensor]) -> Operator:
    return lambda call: call.value(0).mapped(lambda x: widely(function, x))


for _name, _function in SAME_EVERYWHERE.items():
    operator(_name)(_each(_function))


def widely(function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """Return a function's result, computed in 64 bits where the dtype is a narrow one.

    Args:
        function: From tensors of one dtype to a tensor.
        tensors: Of one dtype.

    Returns:
        A tensor of the same dtype, or of truth values.
    """
    dtype = tensors[0].dtype
    if dtype not in NARROW:
        return function(*tensors)
    result = function(*(tf.cast(tensor, tf.int64) for tensor in tensors))
    return tf.cast(result, dtype) if result.dtype == tf.int64 else result


@operator("Erf")
def erf(call: Call) -> Value:
    """Return the error function: spelled out where TFLite has to know it."""
    if not call.scope.lite:
        return call.value(0).mapped(tf.math.erf)
    call.scope.note("Erf, which TFLite has not, is a polynomial right to 1.5e-7.")
    return call.value(0).mapped(_spelled_erf)


def _spelled_erf(x: Tensor) -> Tensor:
    size = tf.abs(x)
    t = 1 / (1 + ERF_SCALE * size)
    terms = tf.zeros_like(t)
    for factor in reversed(ERF_TERMS):
        terms = (terms + factor) * t
    return tf.sign(x) * (1 - terms * tf.exp(-size * size))


@operator("Erfc")
def erfc(call: Call) -> Value:
    """Return one less the error function."""
    return call.value(0).mapped(tf.math.erfc)


@operator("Gelu")
@operator("Gelu", domain="com.microsoft")
def gelu(call: Call) -> Value:
    """Return x times the normal distribution at x."""
    approximate = call.text("approximate", "none") == "tanh"
    return call.value(0).mapped(lambda x: tf.nn.gelu(x, approximate=approximate))


@operator("LeakyRelu")
def leaky_relu(call: Call) -> Value:
    """Return x, scaled down below zero."""
    alpha = call.number("alpha", 0.01)
    return call.value(0).mapped(lambda x: tf.nn.leaky_relu(x, alpha))


@operator("Elu")
def elu(call: Call) -> Value:
    """Return x, below zero alpha (e^x - 1)."""
    alpha = call.number("alpha", 1.0)
    if alpha == 1:
        return call.value(0).mapped(tf.nn.elu)
    return call.value(0).mapped(lambda x: tf.where(x > 0, x, alpha * tf.nn.elu(x)))


@operator("Celu")
def celu(call: Call) -> Value:
    """Return x, below zero alpha (e^(x/alpha) - 1)."""
    alpha = call.number("alpha", 1.0)
    return call.value(0).mapped(lambda x: alpha * tf.nn.elu(x / alpha))


@operator("Selu")
def selu(call: Call) -> Value:
    """Return gamma times x, below zero gamma alpha (e^x - 1)."""
    alpha = call.number("alpha", 1.67326319217681884765625)
    gamma = call.number("gamma", 1.05070102214813232421875)
    return call.value(0).mapped(lambda x: gamma * tf.where(x > 0, x, alpha * tf.nn.elu(x)))


@operator("HardSigmoid")
def hard_sigmoid(call: Call) -> Value:
    """Return alpha x + beta between 0 and 1."""
    alpha, beta = call.number("alpha", 0.2), call.number("beta", 0.5)
    return call.value(0).mapped(lambda x: clipped(alpha * x + beta, 0, 1))


@operator("HardSwish")
def hard_swish(call: Call) -> Value:
    """Return x relu6(x + 3) / 6."""
    return call.value(0).mapped(lambda x: x * tf.nn.relu6(x + 3) * (1 / 6))


@operator("Mish")
def mish(call: Call) -> Value:
    """Return x tanh(softplus(x))."""
    return call.value(0).mapped(lambda x: x * tf.tanh(tf.math.softplus(x)))


@operator("Swish")
@operator("QuickGelu", domain="com.microsoft")
def swish(call: Call) -> Value:
    """Return x sigmoid(alpha x)."""
    alpha = call.number("alpha", 1.702 if call.node.domain else 1.0)
    return call.value(0).mapped(lambda x: x * tf.sigmoid(alpha * x))


@operator("ThresholdedRelu")
def thresholded_relu(call: Call) -> Value:
    """Return x above alpha, else zero."""
    alpha = call.number("alpha", 1.0)
    return call.value(0).mapped(lambda x: tf.where(x > alpha, x, tf.zeros_like(x)))


@operator("Shrink")
def shrink(call: Call) -> Value:
    """Return x moved towards zero by the bias beyond lambda, else zero."""
    bias, lambd = call.number("bias", 0.0), call.number("lambd", 0.5)

    def shrunk(x: Tensor) -> Tensor:
        wide = tf.cast(x, tf.float64) if x.dtype in NARROW else x
        none = tf.zeros_like(wide)
        low = tf.where(wide < -lambd, wide + bias, none)
        return tf.cast(tf.where(wide > lambd, wide - bias, low), x.dtype)

    return call.value(0).mapped(shrunk)


@operator("IsInf")
def is_inf(call: Call) -> Value:
    """Return where x is infinite, on the sides asked for."""
    above, below = call.integer("detect_positive", 1), call.integer("detect_negative", 1)
    if above and below:
        return call.value(0).mapped(tf.math.is_inf)
    wanted = math.inf if above else -math.inf
    if not above and not below:
        return call.value(0).mapped(lambda x: tf.zeros_like(x, tf.bool))
    return call.value(0).mapped(lambda x: tf.equal(x, tf.cast(wanted, x.dtype)))


@operator("Clip")
def clip(call: Call) -> Value:
    """Return x between two bounds."""
    low, high = _bound(call, 1, "min"), _bound(call, 2, "max")
    known = tuple(one if np.isscalar(one) else None for one in (low, high))
    floating = call.value(0).dtype.is_floating
    match known:
        case (0, 6) if floating:
            return call.value(0).mapped(tf.nn.relu6)
        case (0, _) if floating and (high is None or known[1] == math.inf):
            return call.value(0).mapped(tf.nn.relu)
    return call.value(0).mapped(lambda x: clipped(x, low, high))


def _bound(call: Call, place: int, name: str) -> Tensor:
    """Return a bound: a number where it is known, None where there is none."""
    if not call.has(place):
        return call.attribute(name, None)
    known = call.value(place).array
    return (
        tf.reshape(call.tensor(place), []) if known is None else known.reshape(-1)[0].item()
    )


def clipped(x: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Return x between two bounds of its dtype, each None where there is none.

    Args:
        x: Of any shape.
        low: Applied first.
        high: Applied last, so it holds where the two contradict.
    """
    wide = tf.cast(x, tf.int64) if x.dtype in NARROW else x
    if low is not None and (tf.is_tensor(low) or low != -math.inf):
        wide = tf.maximum(wide, tf.cast(low, wide.dtype))
    if high is not None and (tf.is_tensor(high) or high != math.inf):
        wide = tf.minimum(wide, tf.cast(high, wide.dtype))
    return tf.cast(wide, x.dtype)
