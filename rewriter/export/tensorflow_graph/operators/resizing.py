"""Resize: TensorFlow's own kernels where they compute the same, else said axis by axis."""

import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from analyzer.core.types import Array
from rewriter.export.tensorflow_graph.operators.interpolation import (
    Axis,
    Rule,
    matrix,
    nearest,
    outside,
)
from rewriter.export.tensorflow_graph.operators.shaping import size_of
from rewriter.export.tensorflow_graph.table import Call, operator
from rewriter.export.tensorflow_graph.values import Value, valued
from rewriter.export.tensorflow_graph.weights import Tensor

LAST = (0, 2, 3, 1)
NATIVE = {
    "align_corners": (True, False),
    "asymmetric": (False, False),
    "half_pixel": (False, True),
    "pytorch_half_pixel": (False, True),
}
"""TensorFlow's align_corners and half_pixel_centers, by the coordinates they say."""


@operator("Resize", "Upsample")
def resize(call: Call) -> Value | Tensor:
    """Return x in other sizes."""
    value, rule = call.value(0), _rule(call)
    axes = _axes(call, value, rule)
    if any(axis.size is None for axis in axes.values()):
        return _of_unknown_size(call, value, rule, axes)
    changed = {a: one for a, one in axes.items() if not one.stays or rule.crops}
    if not changed:
        return value
    if _is_native(value, rule, changed):
        sizes = [axes[a].output if a in axes else value.shape[a] for a in (2, 3)]
        return _native(value, rule, sizes)
    return _by_axis(value, rule, changed)


def _rule(call: Call) -> Rule:
    if call.node.op_type == "Upsample":
        return Rule(call.text("mode", "nearest"), "asymmetric", "floor")
    return Rule(
        call.text("mode", "nearest"),
        call.text("coordinate_transformation_mode", "half_pixel"),
        call.text("nearest_mode", "round_prefer_floor"),
        call.number("cubic_coeff_a", -0.75),
        bool(call.integer("exclude_outside", 0)),
        bool(call.integer("antialias", 0)),
        call.number("extrapolation_value", 0.0),
    )


def _axes(call: Call, value: Value, rule: Rule) -> dict[int, Axis]:
    """Return how each axis changes."""
    old = call.node.op_type == "Upsample"
    axes = [axis % value.rank for axis in call.attribute("axes", range(value.rank))]
    scales, sizes = (1, 9) if old else (2, 3)
    corners = np.zeros(2 * len(axes))
    if rule.crops:
        corners = call.array(1).reshape(-1)
    pairs = list(zip(corners[: len(axes)], corners[len(axes) :], strict=True))
    if call.has(sizes):
        wanted = _kept(call, value, axes, [int(one) for one in call.array(sizes)])
    else:
        held = call.array(scales) if call.has(scales) else call.attribute("scales", [])
        wanted = [(None, float(scale)) for scale in np.asarray(held).reshape(-1)]
    return {
        axis: _axis(value.shape[axis], *one, pair)
        for axis, one, pair in zip(axes, wanted, pairs, strict=True)
    }


def _axis(
    size: int | None, output: int | None, scale: float, roi: tuple[float, float]
) -> Axis:
    if size is None:
        return Axis(None, output or 0, scale, roi)
    return Axis(size, math.floor(size * scale) if output is None else output, scale, roi)


def _kept(
    call: Call, value: Value, axes: Sequence[int], sizes: list[int]
) -> list[tuple[int | None, float]]:
    """Return sizes and scales as the aspect ratio policy wants them."""
    policy = call.text("keep_aspect_ratio_policy", "stretch")
    own = [value.shape[axis] for axis in axes]
    scales = [size / was if was else 1.0 for size, was in zip(sizes, own, strict=True)]
    if policy == "stretch":
        return list(zip(sizes, scales, strict=True))
    scale = min(scales) if policy == "not_larger" else max(scales)
    rounded = [math.floor(scale * (was or 0) + 0.5) for was in own]
    return [(size, scale) for size in rounded]


def _is_native(value: Value, rule: Rule, changed: dict[int, Axis]) -> bool:
    """Return whether TensorFlow's kernel computes the same for an image."""
    image = value.rank == 4 and set(changed) <= {2, 3} and value.dtype.is_floating  # noqa: PLR2004
    if not image or rule.mode not in {"linear", "nearest"} or rule.antialias:
        return False
    if rule.coordinates not in NATIVE:
        return False
    if rule.mode == "nearest":
        return all(_same_places(rule, axis) for axis in changed.values())
    exact = all(axis.size * axis.scale == axis.output for axis in changed.values())  # type: ignore[operator]  # known
    single = any(axis.output == 1 for axis in changed.values())
    return (exact or rule.coordinates == "align_corners") and not single


def _same_places(rule: Rule, axis: Axis) -> bool:
    """Return whether TensorFlow takes the very neighbours that are asked for."""
    corners, half = NATIVE[rule.coordinates]
    size, output = int(axis.size or 0), axis.output
    steps = np.arange(output)
    if corners and output > 1:
        places = np.floor(steps * ((size - 1) / (output - 1)) + 0.5)
    else:
        places = np.floor((steps + (0.5 if half else 0)) * (size / output))
    return np.array_equal(np.minimum(places, size - 1), nearest(rule, axis))


def _native(value: Value, rule: Rule, sizes: Sequence[Tensor]) -> Value:
    corners, half = NATIVE[rule.coordinates]
    kernel = {
        "linear": tf.compat.v1.image.resize_bilinear,
        "nearest": tf.compat.v1.image.resize_nearest_neighbor,
    }[rule.mode]
    shape = sizes if all(isinstance(one, int) for one in sizes) else tf.stack(sizes)
    resized = kernel(
        value.in_order(LAST), shape, align_corners=corners, half_pixel_centers=half
    )
    return Value(tf.cast(resized, value.dtype), LAST)


def _of_unknown_size(call: Call, value: Value, rule: Rule, axes: dict[int, Axis]) -> Value:
    """Return an image of unknown size enlarged by whole factors, or to known sizes."""
    moved = {axis for axis, one in axes.items() if one.size is None or not one.stays}
    whole = all(axes[a].scale >= 1 and axes[a].scale == int(axes[a].scale) for a in moved)
    plain = rule.mode == "linear" or rule.nearest in {"floor", "round_prefer_floor"}
    known = rule.coordinates in NATIVE and not rule.antialias
    if not (whole and plain and known and moved <= {0, 1, 2, 3} and value.rank == 4):  # noqa: PLR2004
        raise call.refusal("resizes an axis of unknown size in a mode TensorFlow has not")
    if any(axes[a].scale != 1 for a in moved - {2, 3}):
        raise call.refusal("resizes the batch or the channels")
    if not any(axes[a].scale != 1 for a in moved & {2, 3}):
        return value
    sizes = [_scaled(size_of(value, a), axes[a].scale) for a in (2, 3)]
    return _native(value, rule, sizes)


def _scaled(size: Tensor, scale: float) -> Tensor:
    return size * int(scale)


def _by_axis(value: Value, rule: Rule, changed: dict[int, Axis]) -> Value:
    """Return a resize as one gather or one product of matrices per axis."""
    shut: list[tuple[int, Array]] = []
    dtype = value.dtype
    for axis, one in changed.items():
        if rule.mode == "nearest":
            found = tf.gather(value.as_stored(), nearest(rule, one), axis=value.place(axis))
            value = Value(found, value.order)
        else:
            value = _weighted(value, axis, matrix(rule, one))
        if rule.crops:
            shut.append((axis, outside(one)))
    value = value.mapped(lambda x: _whole(x, dtype))
    for axis, where in shut:
        around = [-1 if place == axis else 1 for place in range(value.rank)]
        mask = np.reshape(where, around)
        value = valued(tf.where(mask, tf.cast(rule.filling, dtype), value.tensor))
    return value


def _whole(x: Tensor, dtype: Tensor) -> Tensor:
    return tf.cast(tf.round(x) if dtype.is_integer and x.dtype.is_floating else x, dtype)


def _weighted(value: Value, axis: int, weights: Array) -> Value:
    order = (*(one for one in range(value.rank) if one != axis), axis)
    x = value.in_order(order)
    x = x if x.dtype.is_floating else tf.cast(x, tf.float32)
    return Value(tf.matmul(x, tf.constant(weights.T, x.dtype)), order)
