"""Where each element of a resized axis comes from, and with which weights."""

import math
from dataclasses import dataclass

import numpy as np

from analyzer.core.types import Array


@dataclass(frozen=True, slots=True)
class Rule:
    """How a resize interpolates, in ONNX's words.

    Attributes:
        mode: ``nearest``, ``linear`` or ``cubic``.
        coordinates: The coordinate transformation.
        nearest: How a coordinate between two elements is rounded.
        cubic: The coefficient of the cubic spline.
        excludes: Whether weights outside are dropped and the rest scaled up.
        antialias: Whether the filter widens when an axis shrinks.
        filling: What stands outside the region of interest.
    """

    mode: str
    coordinates: str
    nearest: str
    cubic: float = -0.75
    excludes: bool = False
    antialias: bool = False
    filling: float = 0.0

    @property
    def crops(self) -> bool:
        """Whether a region of interest is taken."""
        return self.coordinates == "tf_crop_and_resize"


@dataclass(frozen=True, slots=True)
class Axis:
    """How one axis changes.

    Attributes:
        size: Elements before; None where known only at run time.
        output: Elements after.
        scale: As declared; it counts, not output over size.
        roi: Begin and end of the region of interest, as parts of the axis.
    """

    size: int | None
    output: int
    scale: float
    roi: tuple[float, float]

    @property
    def stays(self) -> bool:
        """Whether nothing changes."""
        return self.scale == 1 and self.size == self.output


def positions(rule: Rule, axis: Axis) -> Array:  # noqa: PLR0911  # a return per rule
    """Return where each output element stands in the input.

    Returns:
        float64, shape (output,), in elements.

    Source: the operator definition of Resize in ONNX.
    """
    steps, size, output = (
        np.arange(axis.output, dtype=np.float64),
        axis.size or 0,
        axis.output,
    )
    scale, exact = axis.scale, (axis.size or 0) * axis.scale
    begin, end = axis.roi
    match rule.coordinates:
        case "align_corners":
            return steps * (size - 1) / (exact - 1) if exact != 1 else steps * 0
        case "asymmetric":
            return steps / scale
        case "pytorch_half_pixel":
            return (steps + 0.5) / scale - 0.5 if exact > 1 else steps * 0
        case "half_pixel_symmetric":
            centre = size / 2 * (1 - output / exact)
            return centre + (steps + 0.5) / scale - 0.5
        case "tf_half_pixel_for_nn":
            return (steps + 0.5) / scale
        case "tf_crop_and_resize" if output > 1:
            return begin * (size - 1) + steps * (end - begin) * (size - 1) / (output - 1)
        case "tf_crop_and_resize":
            return steps + 0.5 * (begin + end) * (size - 1)
        case _:
            return (steps + 0.5) / scale - 0.5


def nearest(rule: Rule, axis: Axis) -> Array:
    """Return which input element each output element is.

    Returns:
        int64, shape (output,).
    """
    at = positions(rule, axis)
    match rule.nearest:
        case "round_prefer_floor":
            places = np.ceil(at - 0.5)
        case "round_prefer_ceil":
            places = np.floor(at + 0.5)
        case "floor":
            places = np.floor(at)
        case _:
            places = np.ceil(at)
    return np.clip(places, 0, (axis.size or 1) - 1).astype(np.int64)


def outside(axis: Axis) -> Array:
    """Return which output elements lie outside the input.

    Returns:
        bool, shape (output,).
    """
    at = positions(Rule("linear", "tf_crop_and_resize", "floor"), axis)
    return (at < 0) | (at > (axis.size or 1) - 1)


def matrix(rule: Rule, axis: Axis) -> Array:
    """Return the weights of all input elements for each output element.

    Returns:
        float64, shape (output, input).
    """
    size = axis.size or 1
    shrink = min(1.0, axis.scale) if rule.antialias else 1.0
    reach = (1 if rule.mode == "linear" else 2) / shrink
    weights = np.zeros((axis.output, size))
    for row, at in enumerate(positions(rule, axis)):
        places = _taps(float(at), reach, widened=shrink < 1)
        own = _kernel(rule, (at - places) * shrink)
        if rule.excludes:
            own = np.where((places < 0) | (places >= size), 0, own)
        if rule.excludes or rule.antialias:
            own = own / own.sum()
        np.add.at(weights[row], np.clip(places, 0, size - 1), own)
    return weights


def _taps(at: float, reach: float, *, widened: bool) -> Array:
    """Return the places that a filter reaches from a position."""
    if widened:
        return np.arange(math.floor(at - reach) + 1, math.floor(at + reach) + 1)
    whole = int(reach)
    return np.arange(math.floor(at) + 1 - whole, math.floor(at) + 1 + whole)


def _kernel(rule: Rule, distance: Array) -> Array:
    """Return a filter's weights at distances in elements."""
    x = np.abs(distance)
    if rule.mode == "linear":
        return np.asarray(np.maximum(0, 1 - x))
    a = rule.cubic
    near = (a + 2) * x**3 - (a + 3) * x**2 + 1
    far = a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0))  # noqa: PLR2004  # the spline's ends
