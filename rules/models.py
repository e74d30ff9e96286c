"""Tiny models for the rules' examples, with weights that tell every fault apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from analyzer.core.types import Array, AttributeValue

OPSET = 17
IR_VERSION = 10
"""Pinned: builders of a newer onnx write a version that installed runtimes do not read."""

IMAGE = (1, 3, 8, 8)
"""An NCHW image small enough to be instant and large enough for two strided layers."""


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One operator of a chain.

    Attributes:
        op: Operator type.
        attributes: Its attributes.
        constants: Its constant inputs by slot; the others read the layer before.
        outputs: Number of outputs.
    """

    op: str
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    constants: Mapping[int, Array] = field(default_factory=dict)
    outputs: int = 1


def layer(op: str, *constants: Array, **attributes: AttributeValue) -> Layer:
    """Return a layer that reads the one before it in slot 0, constants in the slots after.

    Args:
        op: Operator type.
        constants: Arrays of the shapes and dtypes that the operator wants.
        attributes: Its attributes.
    """
    return Layer(op, attributes, dict(enumerate(constants, start=1)))


def with_kernel(one: Layer, kernel: Array) -> Layer:
    """Return a layer that multiplies with another kernel."""
    return Layer(one.op, one.attributes, {**one.constants, 1: kernel})


def weights(*shape: int, seed: int = 0) -> Array:
    """Return float32 weights of the given shape, no two alike, none of them near zero."""
    rng = np.random.default_rng((seed, *shape))
    drawn = rng.uniform(0.2, 1.0, shape) * rng.choice((-1.0, 1.0), shape)
    return np.asarray(drawn / np.sqrt(np.prod(shape[1:]) or 1), dtype=np.float32)


def conv(
    channels: int = 3,
    filters: int = 4,
    seed: int = 0,
    **attributes: AttributeValue | None,
) -> Layer:
    """Return a 3x3 convolution with a bias.

    Args:
        channels: Input channels.
        filters: Output channels.
        seed: Another seed, other weights.
        attributes: Further attributes, or others than a kernel of 3x3 and pads of 1; None
            leaves one out.
    """
    whole = {"kernel_shape": (3, 3), "pads": (1, 1, 1, 1), **attributes}
    stated = {name: value for name, value in whole.items() if value is not None}
    kernel = weights(filters, channels, 3, 3, seed=seed)
    return layer("Conv", kernel, weights(filters, seed=seed + 1), **stated)


def batch_norm(channels: int = 4, seed: int = 0, **attributes: AttributeValue) -> Layer:
    """Return a batch normalisation, one channel of which hardly varies."""
    variance = np.abs(weights(channels, seed=seed + 3))
    variance[0] = 1e-4
    shift = [weights(channels, seed=seed + k) for k in (1, 2)]
    scale = np.abs(weights(channels, seed=seed))
    return layer("BatchNormalization", scale, shift[0], shift[1], variance, **attributes)


def dense(inputs: int, outputs: int = 5, seed: int = 0) -> Layer:
    """Return a fully connected layer with a bias."""
    return layer(
        "Gemm", weights(inputs, outputs, seed=seed), weights(outputs, seed=seed + 1)
    )


def axes(*numbers: int) -> Array:
    """Return an int64 vector, as axes, shapes and indices are given."""
    return np.asarray(numbers, dtype=np.int64)


def chain(
    *layers: Layer,
    size: Sequence[int] = IMAGE,
    opset: int = OPSET,
    dtype: int = TensorProto.FLOAT,
) -> onnx.ModelProto:
    """Return a model of layers, each reading the one before.

    Args:
        layers: The layers, first to last.
        size: Shape of the input ``x``.
        opset: Opset to declare.
        dtype: ONNX element type of the input and the output ``y``.
    """
    nodes, constants, last = [], [], "x"
    for place, one in enumerate(layers):
        name = "y" if place == len(layers) - 1 else f"t{place}"
        nodes.append(_node(one, place, last, name))
        constants += [
            numpy_helper.from_array(np.asarray(value), f"c{place}_{slot}")
            for slot, value in one.constants.items()
        ]
        last = name
    return model(nodes, constants, size, opset, dtype)


def model(
    nodes: Sequence[onnx.NodeProto],
    constants: Sequence[TensorProto],
    size: Sequence[int] = IMAGE,
    opset: int = OPSET,
    dtype: int = TensorProto.FLOAT,
    outputs: Sequence[str] = ("y",),
) -> onnx.ModelProto:
    """Return a model from ``x`` to ``y``, or to other outputs.

    Args:
        nodes: Operators in topological order.
        constants: Initializers.
        size: Shape of the input.
        opset: Opset to declare.
        dtype: ONNX element type of both ends.
        outputs: Names of the outputs.
    """
    graph = helper.make_graph(
        list(nodes),
        "example",
        [helper.make_tensor_value_info("x", dtype, list(size))],
        [helper.make_tensor_value_info(name, dtype, None) for name in outputs],
        list(constants),
    )
    imports = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=imports, ir_version=IR_VERSION)


def _node(one: Layer, place: int, before: str, name: str) -> onnx.NodeProto:
    slots = max((0, *one.constants)) + 1
    reads = [f"c{place}_{slot}" if slot in one.constants else "" for slot in range(slots)]
    free = next((slot for slot, read in enumerate(reads) if not read), slots)
    reads[free : free + 1] = [before]
    outputs = [name, *(f"{name}_{extra}" for extra in range(1, one.outputs))]
    node = helper.make_node(one.op, reads, outputs, name=f"{one.op.lower()}_{place}")
    node.attribute.extend(
        helper.make_attribute(key, value) for key, value in one.attributes.items()
    )
    return node
