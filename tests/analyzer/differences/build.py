"""Nodes and pairs for the tests of this folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from analyzer.core.graph import nodes
from analyzer.core.types import Array, Pair, Permutation, TensorPair

KERNEL = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)
DENSE = np.random.default_rng(1).normal(size=(6, 5)).astype(np.float32)
CHANNELS = np.asarray([0.5, -1.0, 2.0, 0.25], dtype=np.float32)
VARIANCE = np.asarray([0.9, 1.4, 0.6, 1e-3], dtype=np.float32)


def model(
    protos: Sequence[onnx.NodeProto], constants: Mapping[str, Array], opset: int = 17
) -> onnx.ModelProto:
    """Return a model from ``x`` to ``y``."""
    graph = helper.make_graph(
        list(protos),
        "pair",
        [helper.make_tensor_value_info("x", 1, None)],
        [helper.make_tensor_value_info("y", 1, None)],
        [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10
    )


def one(
    op: str, *constants: Array, opset: int = 17, **attributes: object
) -> onnx.ModelProto:
    """Return a model of one operator that reads ``x`` and some constants."""
    names = [f"c{slot}" for slot, _ in enumerate(constants, start=1)]
    node = helper.make_node(op, ["x", *names], ["y"], **attributes)
    return model([node], dict(zip(names, constants, strict=True)), opset)


def pair(source: onnx.ModelProto, target: onnx.ModelProto) -> Pair:
    """Return all nodes of two models as one pair."""
    return Pair(nodes(source, Path()), nodes(target, Path()), 1.0)


def edge(permutation: Permutation | None = None) -> tuple[TensorPair, ...]:
    """Return the edge of the two inputs."""
    return (TensorPair("x", "x", permutation),)


def conv(kernel: Array = KERNEL, **attributes: object) -> onnx.ModelProto:
    """Return a convolution."""
    return one("Conv", kernel, **attributes)


def conv_bn(
    kernel: Array = KERNEL,
    scale: Array = CHANNELS,
    shift: Array = CHANNELS,
    epsilon: float = 1e-3,
) -> onnx.ModelProto:
    """Return a convolution and a batch normalisation."""
    return model(
        [
            helper.make_node("Conv", ["x", "w"], ["c"]),
            helper.make_node(
                "BatchNormalization", ["c", "s", "b", "m", "v"], ["y"], epsilon=epsilon
            ),
        ],
        {"w": kernel, "s": scale, "b": shift, "m": CHANNELS, "v": VARIANCE},
    )


def folded(epsilon: float = 1e-3) -> onnx.ModelProto:
    """Return the same as `conv_bn` with the normalisation folded into the convolution."""
    factor = CHANNELS / np.sqrt(VARIANCE + np.float32(epsilon))
    kernel = KERNEL * factor[:, None, None, None]
    return one("Conv", kernel, CHANNELS - CHANNELS * factor)
