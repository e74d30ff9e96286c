"""Which activation some operators compute together, and how Keras says it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from analyzer.core.errors import RunError
from analyzer.core.types import Array, Node
from analyzer.runtime.session import open_session
from rewriter.export.keras_file import refusal
from rewriter.export.keras_layers import Layer, Options

ELEMENTWISE = frozenset(
    {
        "Abs", "Add", "And", "Cast", "Celu", "Clip", "Div", "Elu", "Equal", "Erf",
        "Exp", "Gelu", "Greater", "GreaterOrEqual", "HardSigmoid", "HardSwish",
        "Identity", "LeakyRelu", "Less", "LessOrEqual", "Log", "Max", "Min", "Mish",
        "Mul", "Neg", "Not", "Or", "Pow", "Reciprocal", "Relu", "Selu", "Sigmoid",
        "Softplus", "Softsign", "Sqrt", "Sub", "Swish", "Tanh", "ThresholdedRelu",
        "Where",
    }
)  # fmt: skip
"""Operators that activations are spelled with; all but one of their inputs are numbers."""

FINE = 481
"""How many of the numbers lie close together, 30 to each side of 0."""

NUMBERS = np.concatenate(
    [np.linspace(-30, 30, FINE), np.array([-1e3, -1e2, 1e2, 1e3])]
).astype(np.float32)
"""What an activation is recognised by: each piece of those that Keras has, and far out."""

CLOSE = 1e-5
"""How far two spellings of one activation in float32 may be apart: exp, erf and tanh are
off by a few units in the last place; the closest two, gelu and its tanh form, by 5e-4."""

LARGEST = 1e3
"""The largest of the numbers: what is bounded above it is not told from the unbounded."""

_ERF = np.vectorize(math.erf)


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def _softplus(x: Array) -> Array:
    return np.asarray(np.logaddexp(x, 0))


def _selu(x: Array) -> Array:
    return 1.05070098 * np.where(x > 0, x, 1.67326324 * np.expm1(x))


def _gelu(x: Array) -> Array:
    return np.asarray(0.5 * x * (1 + _ERF(x / math.sqrt(2))))


FUNCTIONS: Mapping[str, Callable[[Array], Array]] = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
    "elu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "selu": _selu,
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "softplus": _softplus,
    "softsign": lambda x: x / (1 + np.abs(x)),
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "silu": lambda x: x * _sigmoid(x),
    "hard_silu": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "gelu": _gelu,
    "mish": lambda x: x * np.tanh(_softplus(x)),
    "exponential": np.exp,
}
"""Keras's activations by name, as ``keras.activations`` defines them."""

ALIASES = {"swish": "silu", "hard_swish": "hard_silu", "exp": "exponential"}
"""Other names that Keras has for some."""


@dataclass(frozen=True, slots=True)
class Activation:
    """What some operators compute of each number.

    Attributes:
        name: As Keras calls it; of a piecewise linear one without a name, empty.
        slope: Of a piecewise linear one, its slope below 0.
        ceiling: Likewise, its largest value; infinity where it has none.
        alpha: Of an ``elu``, the depth it goes to.
    """

    name: str
    slope: float = 1.0
    ceiling: float = math.inf
    alpha: float = 1.0

    @property
    def is_bent(self) -> bool:
        """Whether it is linear on each side of 0, up to a ceiling."""
        return self.name in {"", "relu", "relu6", "leaky_relu"}


LINEAR = Activation("linear")
SOFTMAX = Activation("softmax")

BENT = {
    "relu": Activation("relu", 0.0),
    "relu6": Activation("relu6", 0.0, 6.0),
    "leaky_relu": Activation("leaky_relu", 0.2),
}
"""Piecewise linear activations that Keras has a name for."""


def is_elementwise(node: Node) -> bool:
    """Return whether a node may be a part of an activation."""
    if node.op == "Softmax":
        return True
    numbers = all(value.size == 1 for value in node.constants.values())
    return not node.domain and node.op in ELEMENTWISE and numbers


def recognised(nodes: Sequence[Node], given: str, result: str) -> Activation | None:
    """Return the activation that nodes compute; None where Keras has none such.

    Args:
        nodes: In topological order; none: it is linear.
        given: The one tensor that they read.
        result: The tensor that they give.
    """
    if not nodes:
        return LINEAR
    if any(node.op == "Softmax" for node in nodes):
        return SOFTMAX if len(nodes) == 1 and _on_channels(nodes[0]) else None
    if not all(map(is_elementwise, nodes)):
        return None
    try:
        values = open_session(_model(nodes, given, result), Path()).run({given: NUMBERS})
    except RunError:
        return None  # a node that reads something else as well
    return _known(values[result].ravel())


def _on_channels(node: Node) -> bool:
    return node.attributes.get("axis", -1) in {-1, 1}


def _model(nodes: Sequence[Node], given: str, result: str) -> onnx.ModelProto:
    numbers = {
        node.inputs[slot]: numpy_helper.from_array(value.reshape(()), node.inputs[slot])
        for node in nodes
        for slot, value in node.constants.items()
    }
    protos = [_proto(node) for node in nodes]
    sizes = [NUMBERS.size]
    entry = helper.make_tensor_value_info(given, TensorProto.FLOAT, sizes)
    end = helper.make_tensor_value_info(result, TensorProto.FLOAT, None)
    graph = helper.make_graph(protos, "activation", [entry], [end], list(numbers.values()))
    opset = helper.make_opsetid("", nodes[0].opset)
    return helper.make_model(graph, opset_imports=[opset], ir_version=9)


def _proto(node: Node) -> onnx.NodeProto:
    proto = helper.make_node(node.op, list(node.inputs), list(node.outputs))
    for name, value in node.attributes.items():
        proto.attribute.append(helper.make_attribute(name, value))
    return proto


def _known(values: Array) -> Activation | None:
    with np.errstate(over="ignore", invalid="ignore"):
        for name, function in FUNCTIONS.items():
            if _close(values, function(NUMBERS.astype(np.float64))):
                return BENT.get(name, Activation(name))
        return _fitted(values)


def _fitted(values: Array) -> Activation | None:
    """Return the piecewise linear activation, or the ``elu``, that gives some values."""
    slope = float(np.interp(-1, NUMBERS[:FINE], values[:FINE]) / -1)
    largest = float(values.max())
    bent = Activation(
        "", _short(slope), math.inf if largest >= LARGEST else _short(largest)
    )
    if _close(
        values, np.minimum(np.where(NUMBERS > 0, 1, bent.slope) * NUMBERS, bent.ceiling)
    ):
        return bent
    depth = -float(values[0])
    curve = np.where(NUMBERS > 0, NUMBERS, depth * np.expm1(np.minimum(NUMBERS, 0)))
    return Activation("elu", alpha=_short(depth)) if _close(values, curve) else None


def _short(value: float) -> float:
    return float(f"{np.float32(value):.6g}")


def _close(values: Array, expected: Array) -> bool:
    return values.shape == expected.shape and bool(
        np.allclose(values, expected.astype(np.float32), rtol=CLOSE, atol=CLOSE)
    )


def stated(layer: Layer) -> Activation | None:
    """Return the activation that a layer says it applies; None: it says none that is known.

    Args:
        layer: One that is an activation, or has one among its options.
    """
    options = layer.options
    ceiling = options.get("max_value")
    if layer.kind == "ReLU" and not options.get("threshold"):
        slope = float(options.get("negative_slope") or 0.0)
        return _named(
            Activation("", slope, math.inf if ceiling is None else float(ceiling))
        )
    if layer.kind == "LeakyReLU":
        return _named(Activation("", float(options.get("negative_slope", 0.3))))
    if layer.kind == "ELU":
        return Activation("elu", alpha=float(options.get("alpha", 1.0)))
    if layer.kind == "Softmax":
        return SOFTMAX
    name = options.get("activation")
    if not isinstance(name, str):
        return LINEAR if "activation" in options and name is None else None
    return BENT.get(name, Activation(ALIASES.get(name, name)))


def _named(bent: Activation) -> Activation:
    """Return a piecewise linear activation by its name, if Keras has one for it."""
    shapes = {(one.slope, one.ceiling): one for one in BENT.values()}
    return shapes.get((bent.slope, bent.ceiling), bent)


STANDING = frozenset({"ReLU", "LeakyReLU", "ELU", "Softmax", "Activation"})
"""Layers that are an activation and nothing else."""


def is_standing(layer: Layer) -> bool:
    """Return whether a layer is an activation and nothing else."""
    return layer.kind in STANDING


def as_layer(activation: Activation) -> tuple[str, Options]:
    """Return the class and the options of a layer that applies an activation."""
    if activation.is_bent and activation.ceiling == math.inf and activation.slope:
        return "LeakyReLU", {"negative_slope": activation.slope}
    if activation.is_bent:
        ceiling = None if activation.ceiling == math.inf else activation.ceiling
        slope = activation.slope
        return "ReLU", {"max_value": ceiling, "negative_slope": slope, "threshold": 0.0}
    if activation.name == "elu":
        return "ELU", {"alpha": activation.alpha}
    if activation == SOFTMAX:
        return "Softmax", {"axis": -1}
    return "Activation", {"activation": activation.name}


def can_say(layer: Layer, activation: Activation) -> bool:
    """Return whether a layer's option has a name for an activation."""
    named = bool(activation.name) and activation.alpha == 1.0
    return named and "activation" in layer.options


def check_stated(layer: Layer, old: Activation, node: str) -> None:
    """Refuse a layer that says another activation than was imported.

    Args:
        layer: The layer.
        old: What was imported.
        node: The pivot's node that applies it, for messages.

    Raises:
        ExportError: It does.
    """
    said = stated(layer)
    if said != old:
        told = "nothing known" if said is None else said.name or "another slope or ceiling"
        raise refusal(
            node, old.name or "Relu", f"layer {layer.path} says {told} as its activation"
        )


def say(layer: Layer, new: Activation) -> None:
    """Let a layer apply another activation than it says.

    Args:
        layer: The layer, which is changed: a standing activation as a whole.
        new: What it is to apply; a layer that is more has a name for it.
    """
    if not is_standing(layer):
        layer.options["activation"] = new.name
        return
    kind, options = as_layer(new)
    kept = {
        key: layer.options[key]
        for key in ("name", "trainable", "dtype")
        if key in layer.options
    }
    layer.entry["class_name"] = kind
    layer.entry["config"] = {**kept, **options}
