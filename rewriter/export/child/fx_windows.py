"""ONNX operators on windows, and on statistics, as calls of ATen."""

from typing import Any

import numpy as np

from analyzer.core.types import Node
from rewriter.export.child.fx_caller import ATEN, Caller, refusal
from rewriter.export.child.fx_settings import PAD_MODES, edges

FIRST_SPATIAL = 2
"""Axes before the spatial ones: samples and channels."""

HELD = 5
"""Inputs of a batch normalisation: the image, scale, shift, mean and variance."""


def whole(numbers: Any) -> list[int]:
    """Return numbers of any kind as a list of integers.

    Args:
        numbers: One, or several in a row.
    """
    return [int(one) for one in np.atleast_1d(numbers)]


def _padded(caller: Caller, node: Node, axes: int, fill: float) -> tuple[Any, list[int]]:
    """Return an image and its padding; an uneven one is put in before it."""
    if node.attributes.get("auto_pad", "NOTSET") not in {"NOTSET", "VALID"}:
        raise refusal(node, f"its auto_pad is {node.attributes['auto_pad']!r}")
    pads = whole(node.attributes.get("pads") or [0] * (2 * axes))
    image = caller.tensor(node, 0)
    if pads[:axes] == pads[axes:]:
        return image, pads[:axes]
    wider = caller.call(ATEN.pad.default, image, edges(pads), "constant", fill)
    return wider, [0] * axes


def convolution(caller: Caller, node: Node) -> Any:
    """Return the call of a Conv, of a padding before it if that is uneven."""
    axes = len(node.constants[1].shape) - FIRST_SPATIAL if 1 in node.constants else 0
    target = {1: ATEN.conv1d.default, 2: ATEN.conv2d.default, 3: ATEN.conv3d.default}.get(
        axes
    )
    if target is None:
        raise refusal(node, "its weights are computed")
    image, padding = _padded(caller, node, axes, 0.0)
    stride = whole(node.attributes.get("strides") or [1] * axes)
    dilation = whole(node.attributes.get("dilations") or [1] * axes)
    weights = caller.tensor(node, 1), caller.tensor(node, 2)
    groups = node.attributes["group"]
    return caller.call(target, image, *weights, stride, padding, dilation, groups)


def _pool(node: Node) -> tuple[list[int], list[int]]:
    kernel = whole(node.attributes["kernel_shape"])
    return kernel, whole(node.attributes.get("strides") or [1] * len(kernel))


def maximum(caller: Caller, node: Node) -> Any:
    """Return the call of a MaxPool."""
    kernel, stride = _pool(node)
    kinds = (ATEN.max_pool1d.default, ATEN.max_pool2d.default, ATEN.max_pool3d.default)
    image, padding = _padded(caller, node, len(kernel), float("-inf"))
    dilation = whole(node.attributes.get("dilations") or [1] * len(kernel))
    ceil = bool(node.attributes["ceil_mode"])
    return caller.call(
        kinds[len(kernel) - 1], image, kernel, stride, padding, dilation, ceil
    )


def mean(caller: Caller, node: Node) -> Any:
    """Return the call of an AveragePool."""
    kernel, stride = _pool(node)
    counted = bool(node.attributes["count_include_pad"])
    pads = whole(node.attributes.get("pads") or [])
    half = len(pads) // 2
    if not counted and pads[:half] != pads[half:]:
        raise refusal(node, "its uneven padding is not counted")
    kinds = (ATEN.avg_pool1d.default, ATEN.avg_pool2d.default, ATEN.avg_pool3d.default)
    image, padding = _padded(caller, node, len(kernel), 0.0)
    ceil = bool(node.attributes["ceil_mode"])
    return caller.call(
        kinds[len(kernel) - 1], image, kernel, stride, padding, ceil, counted
    )


def normalised(caller: Caller, node: Node) -> Any:
    """Return the call of a BatchNormalization."""
    image, *held = (caller.tensor(node, slot) for slot in range(HELD))
    epsilon = node.attributes["epsilon"]
    return caller.call(ATEN.batch_norm.default, image, *held, False, 0.1, epsilon, False)  # noqa: FBT003  # ATen's own order


def layer_normalised(caller: Caller, node: Node) -> Any:
    """Return the call of a LayerNormalization."""
    scale = caller.tensor(node, 1)
    sizes = list(node.constants[1].shape)
    held = scale, caller.tensor(node, 2)
    epsilon = node.attributes["epsilon"]
    image = caller.tensor(node, 0)
    return caller.call(ATEN.layer_norm.default, image, sizes, *held, epsilon, False)  # noqa: FBT003  # ATen's own order


FILL = 2
"""The input of a Pad that tells what to fill with."""


def pad(caller: Caller, node: Node) -> Any:
    """Return the call of a Pad."""
    pads, mode = node.constants.get(1), PAD_MODES.get(str(node.attributes["mode"]))
    if pads is None or mode is None or any(node.inputs[FILL + 1 :]):
        raise refusal(node, "how it pads has no call of its own")
    image, sides = caller.tensor(node, 0), edges(whole(pads))
    fill = caller.operand(node, 2) if mode == "constant" else None
    return caller.call(ATEN.pad.default, image, sides, mode, fill)
