"""Effective kernels and biases, compared in terms of the target's own constants."""

from collections.abc import Iterator, Sequence

import numpy as np

from analyzer.core.parts import all_parts, equal, slabs
from analyzer.core.types import Array, Aspect, Difference, Node
from analyzer.differences.alignment import deviation, fitted, in_layout_of, noise
from analyzer.differences.effective import Effective, Knob, as_stored, per_channel

ONE_DIRECTION = 1e-4
"""Relative residual up to which two kernels of a channel are multiples of each other: what
float32 folding leaves on a channel whose scale nearly cancels."""

KNOWN_EPSILONS = (1e-3, 1e-5, 1e-6, 1e-4, 1e-12, 1e-2, 1e-7, 1e-8, 2e-5, 1.1e-5)
"""Epsilons that frameworks and published models use; a solved one is rounded to these."""

EPSILON_MATCH = 0.02
"""Relative deviation of a solved epsilon from a known one: the difference of two float32
numbers that nearly cancel."""


def is_same(ours: Effective, theirs: Effective) -> bool:
    """Return whether two macro operators have one effective kernel and bias."""
    kernel = _kernel_in_layout(ours, theirs)
    if _is_finite(ours.kernel) != _is_finite(theirs.kernel):
        return False
    return kernel is not None and not (
        _changed(kernel, theirs.kernel, theirs).any() or _bias_gap(ours, theirs).any()
    )


def _is_finite(kernel: Array) -> bool:
    return all_parts(lambda part: np.isfinite(part).all(), kernel)


def compare_folded(ours: Effective, theirs: Effective) -> Iterator[Difference]:
    """Yield what the target's constants should be for its effective values to be right.

    Args:
        ours: The source's effective kernel and bias.
        theirs: The target's.

    Yields:
        Differences of a kernel, of the scale or epsilon that would explain it as well, and
        of a bias: for each, the constant nearest to the result.
    """
    kernel = _kernel_in_layout(ours, theirs)
    if kernel is None:
        return
    if _changed(kernel, theirs.kernel, theirs).any():
        yield from _kernel_differences(kernel, ours, theirs)
    gap = _bias_gap(ours, theirs)
    if gap.any():
        yield from _bias_difference(gap, ours, theirs)


def _kernel_in_layout(ours: Effective, theirs: Effective) -> Array | None:
    """Return the source's effective kernel in the shape of the target's, None for none.

    Layers merged into one have more channels than one of them.
    """
    wanted, found = ours.kernel, theirs.kernel
    channels = {ours.bias.size, theirs.bias.size}
    if len(channels - {1}) > 1:
        return None
    if wanted.shape == found.shape:
        return _flattened_otherwise(wanted, found)
    if theirs.main is None:
        return _broadcast(wanted, found)
    if wanted.size != found.size or wanted.ndim == found.ndim:
        return in_layout_of(found, wanted)
    return wanted.reshape(found.shape) if _bare(wanted) == _bare(found) else None


def _broadcast(wanted: Array, found: Array) -> Array | None:
    if wanted.size != 1 and found.size != 1:
        return None
    return np.broadcast_to(
        wanted.reshape(()) if wanted.size == 1 else wanted, _larger(wanted, found)
    )


def _larger(one: Array, other: Array) -> tuple[int, ...]:
    return one.shape if one.size > other.size else other.shape


def _bare(array: Array) -> tuple[int, ...]:
    return tuple(size for size in array.shape if size != 1)


def _flattened_otherwise(wanted: Array, found: Array) -> Array:
    """Return a dense kernel with its inputs in the order of the target's flattening.

    A Flatten over NHWC and one over NCHW give their elements in two orders, and the weight
    behind each is ordered to match.
    """
    if wanted.ndim != 2 or equal(wanted, found):  # noqa: PLR2004 - dense kernels
        return wanted
    inputs = wanted.shape[1]
    rows = np.linspace(0, len(wanted) - 1, min(len(wanted), TELLING_ROWS)).astype(int)
    parts = [n for n in range(2, inputs // 2 + 1) if inputs % n == 0]
    apart = {n: deviation(_regrouped(wanted[rows], n), found[rows]) for n in parts}
    best = min(parts, key=apart.__getitem__, default=1)
    clear = apart.get(best, np.inf) < REGROUPED * deviation(wanted[rows], found[rows])
    return _regrouped(wanted, best) if clear else wanted


REGROUPED = 0.5
"""Share of the deviation that another order of the inputs may leave: numbers in any wrong
order lie apart as far as in any other."""

TELLING_ROWS = 64
"""Rows of a dense kernel that decide on the order of its inputs: the others follow it."""


def _regrouped(kernel: Array, part: int) -> Array:
    """Return a dense kernel whose inputs are read as two axes and exchanged."""
    outputs, inputs = kernel.shape
    split = kernel.reshape(outputs, part, inputs // part)
    return split.swapaxes(1, 2).reshape(outputs, inputs)


def _changed(wanted: Array, found: Array, theirs: Effective) -> Array:
    """Return, per channel, whether kernels differ by more than folding noise."""
    limit = _noise(theirs)
    both = np.broadcast_arrays(wanted, found)
    changed = [_gapes(one, other, limit) for one, other in slabs(*both)]
    return np.concatenate([NOTHING, *changed]) if both[0].ndim else changed[0]


NOTHING = np.zeros(0, dtype=bool)
"""The channels of a kernel that has none."""


def _gapes(wanted: Array, found: Array, limit: float) -> Array:
    """Return, per channel of a slab, whether kernels differ by more than a share."""
    one, other = wanted.astype(np.float64), found.astype(np.float64)
    axes = tuple(range(1, found.ndim))
    scale = np.max(np.abs(one), axis=axes, initial=0.0) if axes else np.abs(one)
    gap = np.abs(one - other)
    worst = np.max(gap, axis=axes, initial=0.0) if axes else gap
    return np.asarray(worst > scale * limit)


def _noise(theirs: Effective) -> float:
    knobs = (*theirs.scales, *theirs.shifts)
    held = [knob.node.constants[knob.slot] for knob in knobs]
    if theirs.main is not None:
        held.append(theirs.main.constants[1])
    return noise(*held) if held else noise(np.zeros((), np.float32))


def _bias_gap(ours: Effective, theirs: Effective) -> Array:
    """Return how far the biases are apart, per channel; 0 where folding explains it."""
    gap = np.asarray(ours.bias - theirs.bias)
    scale = np.maximum(np.maximum(ours.rounding, theirs.rounding), np.abs(theirs.bias))
    return np.where(np.abs(gap) > scale * _noise(theirs), gap, 0.0)


def _kernel_differences(
    kernel: Array, ours: Effective, theirs: Effective
) -> Iterator[Difference]:
    ratio = _ratio(kernel, theirs.kernel) if theirs.scales else None
    if ratio is not None:
        yield from _epsilon_difference(ratio, ours, theirs)
        yield _scale_difference(ratio, ours, theirs.scales[-1])
    lost = _lost_scale(kernel, theirs)
    if lost is not None:
        yield _difference(ours, theirs.scales[-1].node, theirs.scales[-1].slot, lost)
    if theirs.main is not None:
        yield _weight_difference(kernel, ours, theirs, theirs.main)


def _ratio(wanted: Array, found: Array) -> Array | None:
    """Return the factor per channel between kernels that point the same way."""
    flat, other = (
        (k.reshape(k.shape[0], -1) if k.ndim else k.reshape(1, 1)).astype(np.float64)
        for k in (wanted, found)
    )
    norms = np.sum(other * other, axis=1)
    if not np.all(norms > 0):
        return None
    ratio = np.asarray(np.sum(flat * other, axis=1) / norms)
    rest = np.abs(flat - other * ratio[:, None]).max(axis=1)
    if np.any(rest > ONE_DIRECTION * np.abs(flat).max(axis=1)):
        return None
    return ratio if wanted.ndim else ratio[0]


def _lost_scale(wanted: Array, theirs: Effective) -> Array | None:
    """Return the one scale with what its zeros should be; None where they tell nothing.

    A channel that is scaled by zero says no more how large it was, but the weight before
    the scale still points the way.
    """
    if len(theirs.scales) != 1 or theirs.main is None or np.all(theirs.scale):
        return None
    knob = theirs.scales[0]
    factor = _ratio(wanted, theirs.weight)
    if factor is None or knob.node.op not in {"BatchNormalization", "Mul"}:
        return None
    if knob.node.op == "BatchNormalization":
        epsilon = float(knob.node.attributes.get("epsilon", 1e-5))  # type: ignore[arg-type]  # the schema says FLOAT
        factor = factor * np.sqrt(knob.node.constants[4].astype(np.float64) + epsilon)
    present = knob.node.constants[knob.slot]
    return np.where(present != 0, present, _shaped(factor, present))


def _scale_difference(ratio: Array, ours: Effective, knob: Knob) -> Difference:
    present = knob.node.constants[knob.slot]
    factor = ratio if float(np.asarray(knob.gain).ravel()[0]) > 0 else 1.0 / ratio
    return _difference(ours, knob.node, knob.slot, _shaped(factor, present) * present)


def _epsilon_difference(
    ratio: Array, ours: Effective, theirs: Effective
) -> Iterator[Difference]:
    """Yield the epsilon that the source's folded kernel was made with, where one fits."""
    node = theirs.scales[-1].node
    if node.op != "BatchNormalization" or not np.all(ratio):
        return
    present = float(node.attributes.get("epsilon", 1e-5))  # type: ignore[arg-type]  # the schema says FLOAT
    variance = node.constants[4].astype(np.float64)
    solved = float(np.median((variance + present) / ratio**2 - variance))
    near = [e for e in KNOWN_EPSILONS if abs(solved - e) <= EPSILON_MATCH * e]
    if not near or near[0] == present:
        return
    expected = np.sqrt((variance + present) / (variance + near[0]))
    if np.allclose(expected, ratio, rtol=ONE_DIRECTION, atol=0):
        yield Difference(Aspect.ATTRIBUTE, "epsilon", near[0], present, _main(ours), node)


def _weight_difference(
    kernel: Array, ours: Effective, theirs: Effective, main: Node
) -> Difference:
    present = main.constants[1]
    scale = per_channel(np.broadcast_to(theirs.scale, theirs.bias.shape), kernel)
    alpha = float(main.attributes.get("alpha", 1.0)) if main.op == "Gemm" else 1.0  # type: ignore[arg-type]  # the schema says FLOAT
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = np.where(scale != 0, kernel / scale, theirs.weight) / alpha
    changed = per_channel(_changed(kernel, theirs.kernel, theirs), kernel)
    kept = np.where(changed, weight, theirs.weight / alpha)
    return _difference(ours, main, 1, as_stored(main, kept).reshape(present.shape))


def _bias_difference(
    gap: Array, ours: Effective, theirs: Effective
) -> Iterator[Difference]:
    if not theirs.shifts:
        yield from _new_bias(gap, ours, theirs)
        return
    knob = theirs.shifts[-1]
    present = knob.node.constants[knob.slot]
    gain = np.broadcast_to(knob.gain, gap.shape)
    if not np.all(gain):
        return
    yield _difference(ours, knob.node, knob.slot, present + _shaped(gap / gain, present))


def _new_bias(gap: Array, ours: Effective, theirs: Effective) -> Iterator[Difference]:
    """Yield a bias for an operator that has a slot for one and leaves it empty."""
    main = theirs.main
    if main is None or main.op == "MatMul" or not np.all(theirs.scale):
        return
    value = (gap / theirs.scale).astype(main.constants[1].dtype)
    yield Difference(Aspect.WEIGHT, "input2", value, None, _main(ours), main, 2)


def _main(whole: Effective) -> Node | None:
    if whole.main is not None:
        return whole.main
    knobs: Sequence[Knob] = (*whole.scales, *whole.shifts)
    return knobs[-1].node if knobs else None


def _difference(ours: Effective, node: Node, slot: int, value: Array) -> Difference:
    present = node.constants[slot]
    return Difference(
        Aspect.WEIGHT,
        f"input{slot}",
        fitted(np.asarray(value), present.dtype),
        present,
        _main(ours),
        node,
        slot,
    )


def _shaped(values: Array, present: Array) -> Array:
    """Return one value per channel in the shape of a constant."""
    if values.size == present.size:
        return values.reshape(present.shape)
    if values.size == 1 or present.ndim > 1:
        return values.reshape(()) if values.size == 1 else values
    return values
