"""What a linear operator computes once the scales and shifts behind it are folded in."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analyzer.core.types import Array, Node
from analyzer.differences.operators import is_channelwise

LINEAR = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})


@dataclass(frozen=True, slots=True, eq=False)
class Knob:
    """A constant by which an effective value can be turned.

    Attributes:
        node: The node that holds it.
        slot: Its input slot.
        gain: What one unit of a shift adds to the effective bias, per channel; of a scale,
            1 where it multiplies and -1 where it divides.
    """

    node: Node
    slot: int
    gain: Array


@dataclass(frozen=True, slots=True, eq=False)
class Effective:
    """A linear operator with every following scale and shift folded in.

    All is float64, but for a kernel that nothing scales: it stays as it is stored.

    Attributes:
        main: The linear operator; None where there are only scales and shifts.
        kernel: Output channels first: ``(O, I, *spatial)``; ``(O,)`` or ``()`` without a
            main.
        bias: Per output channel, ``(O,)`` or ``()``.
        weight: The kernel before `scale`, same shape.
        scale: Product of the scales behind the main operator, per channel.
        rounding: Magnitude of the terms that sum up to the bias, per channel.
        shifts: Constants that shift the result, the last one last.
        scales: Constants that scale it, likewise.
    """

    main: Node | None
    kernel: Array
    bias: Array
    weight: Array
    scale: Array
    rounding: Array
    shifts: tuple[Knob, ...]
    scales: tuple[Knob, ...]


def effective(nodes: Sequence[Node]) -> Effective | None:
    """Return what the linear part of a macro operator computes.

    Args:
        nodes: One side of a pair, in topological order.

    Returns:
        The effective kernel and bias; None where the nodes hold no constant kernel and no
        channelwise constants, or more than one kernel.
    """
    linear = [node for node in nodes if node.op in LINEAR and not node.domain]
    if len(linear) > 1 or (linear and 1 not in linear[0].constants):
        return None
    after = nodes[nodes.index(linear[0]) + 1 :] if linear else nodes
    chain = [node for node in after if is_channelwise(node)]
    if not linear and not chain:
        return None
    whole = _of_main(linear[0]) if linear else _nothing()
    for node in chain:
        whole = None if whole is None else _step(node, whole)
    return whole


def channels_first(node: Node, weight: Array) -> Array:
    """Return a linear operator's weight with its output channels first, alpha applied."""
    if node.op == "Conv":
        return weight
    if node.op == "ConvTranspose":
        return _groups_swapped(node, weight)
    if node.op == "Gemm" and node.attributes.get("transB"):
        return weight
    return weight.swapaxes(-1, -2) if weight.ndim > 1 else weight[None]


def as_stored(node: Node, kernel: Array) -> Array:
    """Return a kernel with output channels first as the operator stores it."""
    return channels_first(node, kernel)


def _groups_swapped(node: Node, kernel: Array) -> Array:
    """Return a transposed convolution's kernel, the channels inside each group swapped.

    A number of groups that does not divide the channels, which no runtime takes, counts
    as one.
    """
    group = int(node.attributes.get("group", 1))  # type: ignore[arg-type]  # the schema says INT
    if group < 1 or kernel.shape[0] % group:
        group = 1
    each = kernel.shape[0] // group
    inner = kernel.reshape(group, each, *kernel.shape[1:])
    return inner.swapaxes(1, 2).reshape(-1, each, *kernel.shape[2:])


def per_channel(values: Array, kernel: Array) -> Array:
    """Return a vector of one value per output channel shaped to multiply a kernel."""
    return (
        values.reshape(values.shape + (1,) * (kernel.ndim - 1)) if values.ndim else values
    )


def _nothing() -> Effective:
    one, none = np.ones(()), np.zeros(())
    return Effective(None, one, none, one, one, none, (), ())


def _of_main(node: Node) -> Effective | None:
    gain = float(node.attributes.get("alpha", 1.0)) if node.op == "Gemm" else 1.0  # type: ignore[arg-type]  # the schema says FLOAT
    kernel = channels_first(node, node.constants[1])
    if gain != 1.0:
        kernel = kernel.astype(np.float64) * gain
    channels = kernel.shape[0] if node.op != "MatMul" or kernel.ndim == 2 else 1  # noqa: PLR2004 - a stack of matrices has no one channel axis
    start = Effective(
        node,
        kernel,
        np.zeros(channels),
        kernel,
        np.ones(channels),
        np.zeros(channels),
        (),
        (),
    )
    if 2 not in node.constants or node.op == "MatMul":  # noqa: PLR2004 - the bias slot
        return start
    beta = float(node.attributes.get("beta", 1.0)) if node.op == "Gemm" else 1.0  # type: ignore[arg-type]  # the schema says FLOAT
    shift = _vector(node.constants[2], start)
    if shift is None:
        return None
    return _shifted(start, shift * beta, Knob(node, 2, np.full((), beta)))


def _step(node: Node, whole: Effective) -> Effective | None:
    """Return the operator with one more scale or shift folded in."""
    if node.op == "BatchNormalization":
        return _normalised(node, whole)
    if node.op == "Neg":
        return _scaled(whole, -np.ones(()), None)
    slot = next(iter(node.constants))
    value = _vector(node.constants[slot], whole)
    if value is None or (node.op == "Div" and (slot == 0 or not np.all(value))):
        return None
    gain = (
        -np.ones(()) if node.op == "Div" or (node.op, slot) == ("Sub", 1) else np.ones(())
    )
    knob = Knob(node, slot, gain)
    if node.op in {"Mul", "Div"}:
        return _scaled(whole, value if node.op == "Mul" else 1.0 / value, knob)
    if (node.op, slot) == ("Sub", 0):
        whole = _scaled(whole, -np.ones(()), None)
    return _shifted(whole, value * gain, knob)


def _normalised(node: Node, whole: Effective) -> Effective | None:
    """Return the operator with a batch normalisation folded in."""
    if not {1, 2, 3, 4} <= node.constants.keys():
        return None
    gamma, beta, mean, variance = (
        node.constants[slot].astype(np.float64) for slot in (1, 2, 3, 4)
    )
    epsilon = float(node.attributes.get("epsilon", 1e-5))  # type: ignore[arg-type]  # the schema says FLOAT
    centred = _shifted(whole, -mean, None)
    with np.errstate(invalid="ignore"):
        factor = gamma / np.sqrt(variance + epsilon)
    scaled = _scaled(centred, factor, Knob(node, 1, np.ones(())))
    return _shifted(scaled, beta, Knob(node, 2, np.ones(())))


def _scaled(whole: Effective, factor: Array, knob: Knob | None) -> Effective:
    shifts = tuple(replace(one, gain=one.gain * factor) for one in whole.shifts)
    scale = per_channel(factor, whole.kernel)
    kernel = np.multiply(whole.kernel, scale, dtype=np.float64)
    return replace(
        whole,
        kernel=kernel,
        bias=whole.bias * factor,
        scale=whole.scale * factor,
        rounding=whole.rounding * np.abs(factor),
        shifts=shifts,
        scales=(*whole.scales, *((knob,) if knob else ())),
    )


def _shifted(whole: Effective, shift: Array, knob: Knob | None) -> Effective:
    return replace(
        whole,
        bias=whole.bias + shift,
        rounding=np.maximum(whole.rounding, np.abs(shift)) + np.abs(shift),
        shifts=(*whole.shifts, *((knob,) if knob else ())),
    )


def _vector(constant: Array, whole: Effective) -> Array | None:
    """Return a constant of one value per channel as a float64 vector, else None."""
    if constant.dtype.kind not in "fiu":
        return None
    bare = constant.reshape(tuple(size for size in constant.shape if size != 1))
    channels = {whole.kernel.shape[0]} if whole.main is not None else set()
    sizes = channels | ({whole.bias.size} if whole.bias.ndim else set())
    if bare.ndim > 1 or (bare.ndim == 1 and sizes - {1} and bare.size not in sizes):
        return None
    return bare.astype(np.float64)


def linear_nodes(nodes: Iterable[Node]) -> frozenset[int]:
    """Return the identities of the nodes that `effective` folds together."""
    return frozenset(id(n) for n in nodes if n.op in LINEAR or is_channelwise(n))
