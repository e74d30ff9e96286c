"""The functions inside a recurrent cell, by the names ONNX has for them."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from rewriter.export.tensorflow_graph.table import Call
from rewriter.export.tensorflow_graph.weights import Tensor

Gate = Callable[[Tensor], Tensor]
Shaped = Callable[[Tensor, float, float], Tensor]

DEFAULTS = {
    "affine": (1.0, 0.0),
    "elu": (1.0, 0.0),
    "hardsigmoid": (0.2, 0.5),
    "leakyrelu": (0.01, 0.0),
    "scaledtanh": (1.0, 1.0),
    "thresholdedrelu": (1.0, 0.0),
}
"""Alpha and beta where the node has none.

Source: the operator definition of LSTM in ONNX."""

GATES: dict[str, Shaped] = {
    "affine": lambda x, alpha, beta: alpha * x + beta,
    "elu": lambda x, alpha, _: tf.where(x >= 0, x, alpha * tf.nn.elu(x)),
    "hardsigmoid": lambda x, alpha, beta: tf.clip_by_value(alpha * x + beta, 0, 1),
    "leakyrelu": lambda x, alpha, _: tf.nn.leaky_relu(x, alpha),
    "relu": lambda x, _, __: tf.nn.relu(x),
    "scaledtanh": lambda x, alpha, beta: alpha * tf.tanh(beta * x),
    "sigmoid": lambda x, _, __: tf.sigmoid(x),
    "softplus": lambda x, _, __: tf.math.softplus(x),
    "softsign": lambda x, _, __: tf.nn.softsign(x),
    "tanh": lambda x, _, __: tf.tanh(x),
    "thresholdedrelu": lambda x, alpha, _: tf.where(x > alpha, x, tf.zeros_like(x)),
}


def gates(call: Call, usual: Sequence[str], direction: int) -> list[Gate]:
    """Return the functions of one direction of a recurrent operator.

    Args:
        call: The node.
        usual: Their names where the node has none.
        direction: 0 forward or alone, 1 backward beside a forward one.
    """
    names = [name.lower() for name in call.attribute("activations", [])]
    names = names or [name.lower() for name in usual] * (direction + 1)
    alphas = iter(call.attribute("activation_alpha", []))
    betas = iter(call.attribute("activation_beta", []))
    found: list[Gate] = []
    for name in names:
        alpha, beta = DEFAULTS.get(name, (0.0, 0.0))
        if name in DEFAULTS:
            alpha = float(next(alphas, alpha))
        if name in {"affine", "hardsigmoid", "scaledtanh"}:
            beta = float(next(betas, beta))
        found.append(_gate(GATES[name], alpha, beta))
    return found[direction * len(usual) :][: len(usual)]


def _gate(function: Shaped, alpha: float, beta: float) -> Gate:
    return lambda x: function(x, alpha, beta)
