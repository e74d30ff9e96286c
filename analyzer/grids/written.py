"""Grids that the target puts its own values on: do they hold what the source has there?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analyzer.core.grids import (
    READER,
    SCALE,
    WRITER,
    ZERO,
    Grid,
    GridChange,
    GridFault,
    GridSetting,
    alike,
    grid_of,
)
from analyzer.core.types import Array, Aspect, Difference, Fault, Node
from analyzer.grids.static import Statics
from analyzer.view import View
from analyzer.view.absorb import SAME_VALUES_OPS

CUT_OFF = 0.01
"""Share of values beyond a grid's ends from which no calibration meant it: percentile
calibrators leave out a thousandth or less.

Source: onnxruntime.quantization.calibrate, PercentileCalibrater, percentile=99.999."""

FEW_LEVELS = 8
"""Steps of its grid that a tensor spans at least where the grid was made for it: three of
eight bits. Fewer, and the scale is another tensor's. A calibration meets far larger values
now and then: a healthy InceptionV3 has tensors that span 15 steps on eight samples."""

SPANNED = 32
"""Steps of its grid that an input of the model spans on samples like those of the
calibration: an eighth of eight bits."""

FAR = 8.0
"""Times the range of its grid that a tensor reaches where probes are drawn at random, for
the grid to be wrong: noise excites a network otherwise than what it was calibrated on."""

ROOM = 1.125
"""Times the recorded values' range that a new grid holds: other inputs go beyond it."""

SAME_SCALE = 1.25
"""Factor up to which two scales are the same, and it is the zero point that is off."""


@dataclass(frozen=True, slots=True, eq=False)
class _Chain:
    """A tensor on a grid: who writes and reads it, what the source has there, what came."""

    writer: Node
    readers: tuple[Node, ...]
    seen: tuple[Array, ...]
    came: tuple[Array, ...] = ()

    @property
    def tensor(self) -> str:
        return self.writer.inputs[0]


def written_grids(
    fault: Fault, view: View, statics: Statics, calibrated: frozenset[str] | None
) -> Iterator[Difference]:
    """Yield grids of a region that are read otherwise than written, or do not fit.

    Args:
        fault: A root fault with recorded samples.
        view: The target's macro graph.
        statics: The target's constants.
        calibrated: The integers whose grids were made for such samples; None: all are.
    """
    fitting = calibrated is None or _is_as_calibrated(fault, view)
    for writer in fault.target.nodes:
        grid = grid_of(writer) if writer.op == WRITER else None
        if grid is None or not grid.is_per_tensor:
            continue
        met = calibrated is None or writer.outputs[0] in calibrated
        chain, far = _chain(fault, writer, grid, view), 1.0 if met else FAR
        unfit = _unfit(chain, grid, view, statics, far) if fitting else ()
        for change in (*_misread(chain, grid, statics), *unfit):
            source = _source_of(fault, (*chain.readers, writer))
            yield Difference(
                Aspect.GRID, change.fault, None, None, source, writer, grid=change
            )


def _readers(writer: Node, view: View) -> Iterator[Node]:
    """Yield what takes a tensor off its grid, in whatever layout."""
    waiting = list(writer.outputs)
    while waiting:
        for node in view.readers.get(waiting.pop(), ()):
            if node.op == READER:
                yield node
            elif node.op in SAME_VALUES_OPS:
                waiting += [name for name in node.outputs if name]


def _chain(fault: Fault, writer: Node, grid: Grid, view: View) -> _Chain:
    """Return a tensor with what the source has there, rectified where the grid does that.

    A grid that begins at zero is a ReLU for what is put on it.
    """
    readers = tuple(_readers(writer, view))
    after = [name for node in readers for name in _same_values(node.outputs[0], view)]
    observed = [sample.observed for sample in fault.recorded]
    came = tuple(one[name] for one in observed for name in after if name in one)
    seen = tuple(_seen(fault, after)) or tuple(_seen(fault, (writer.inputs[0],)))
    if grid.ends[0] == 0.0:
        seen = tuple(np.maximum(value, 0.0) for value in seen)
    return _Chain(writer, readers, seen, came)


def _is_as_calibrated(fault: Fault, view: View) -> bool:
    """Return whether the grids of the model's inputs were made for such samples."""
    return all(
        beyond(values, grid.ends, step) <= CUT_OFF and np.ptp(values) >= SPANNED * step
        for name in view.inputs
        for node in view.readers.get(name, ())
        if (grid := grid_of(node)) is not None and grid.is_per_tensor
        for step in (float(grid.scale.ravel()[0]),)
        for values in (s.inputs[name] for s in fault.recorded if name in s.inputs)
    )


def _seen(fault: Fault, names: Sequence[str]) -> Iterator[Array]:
    """Yield what the source has, sample by sample, in the first of some tensors it has."""
    for sample in fault.recorded:
        known = {**sample.inputs, **sample.expected}
        found = next((known[name] for name in names if name in known), None)
        if found is not None and found.dtype.kind == "f" and np.isfinite(found).all():
            yield found


def _same_values(name: str, view: View) -> Iterator[str]:
    """Yield a tensor and those that hold the same in another layout."""
    waiting = [name]
    while waiting:
        one = waiting.pop()
        yield one
        for node in view.readers.get(one, ()):
            if node.op in SAME_VALUES_OPS:
                waiting += [output for output in node.outputs if output]


def _misread(chain: _Chain, grid: Grid, statics: Statics) -> Iterator[GridChange]:
    """Yield both ways of letting a tensor be read by the grid it was written with."""
    others = [(node, grid_of(node)) for node in chain.readers]
    wrong = [(node, other) for node, other in others if other and not alike(grid, other)]
    if not wrong:
        return
    first = wrong[0][1]
    seen = _range(chain.seen) if chain.seen else grid.ends
    reading = tuple(
        one
        for node, other in wrong
        for one in (
            *_settings(node, grid, (other, grid)),
            *_factors(node, grid, statics),
        )
    )
    share = len(wrong) / len(chain.readers)
    tensor = chain.readers[0].outputs[0]
    yield GridChange(GridFault.MISREAD, tensor, first, grid, seen, share, reading)
    writing = tuple(_settings(chain.writer, first, (grid, first)))
    if all(alike(first, other) for _, other in wrong) and len(wrong) == len(chain.readers):
        tensor = chain.tensor
        yield GridChange(GridFault.MISREAD, tensor, grid, first, seen, share, writing)


def _unfit(
    chain: _Chain, grid: Grid, view: View, statics: Statics, far: float
) -> Iterator[GridChange]:
    """Yield the grid that holds what the source has, where this one does not."""
    if not chain.seen:
        return
    low, high = _range(chain.seen)
    step = float(grid.scale.ravel()[0])
    share = max(beyond(v, grid.ends, step) for v in chain.seen)
    share = share if times(low, high, grid, step) >= far else 0.0
    let_pass = max((beyond(v, (low, high), step) for v in chain.came), default=0.0)
    coarse = high - low < FEW_LEVELS / far * step
    if high <= low or (max(share, let_pass) <= CUT_OFF and not coarse):
        return
    right = _fitting(grid, _with_room(low, chain.seen), _with_room(high, chain.seen))
    ratio = float(right.scale.ravel()[0]) / (ROOM * step)
    moved = not np.array_equal(right.zero.ravel(), grid.zero.ravel())
    alike = moved and 1 / SAME_SCALE <= ratio <= SAME_SCALE
    kind = GridFault.ZERO_POINT if alike else GridFault.CLIPS
    if max(share, let_pass) <= CUT_OFF:
        kind = GridFault.COARSE
    elif share <= CUT_OFF:
        kind = GridFault.ZERO_POINT
    yield GridChange(
        kind,
        chain.tensor,
        grid,
        right,
        (low, high),
        max(share, let_pass),
        (
            *_settings(chain.writer, right, (grid, right)),
            *(s for one in chain.readers for s in _settings(one, right, (grid, right))),
            *_biases(chain.readers, float(right.scale.ravel()[0]), view, statics),
        ),
    )


def times(low: float, high: float, grid: Grid, step: float) -> float:
    """Return how many times a grid's range some values reach, on the worse side of zero."""
    least, most = grid.ends
    return max(high / max(most, step), low / min(least, -step))


def beyond(values: Array, ends: tuple[float, float], step: float) -> float:
    """Return the share of values that lie more than a step beyond some ends."""
    return float(np.mean((values < ends[0] - step) | (values > ends[1] + step)))


def _with_room(end: float, seen: Sequence[Array]) -> float:
    """Return an end of a range with room beyond it, unless values were clipped to it."""
    met = sum(int(np.count_nonzero(value == end)) for value in seen)
    return end if met > 1 else end * ROOM


def _range(seen: Sequence[Array]) -> tuple[float, float]:
    low, high = (float(min(v.min() for v in seen)), float(max(v.max() for v in seen)))
    return min(low, 0.0), max(high, 0.0)


def _fitting(grid: Grid, low: float, high: float) -> Grid:
    """Return the grid of the same type that holds a range, zero on it.

    Source: B. Jacob et al., Quantization and Training of Neural Networks for Efficient
    Integer-Arithmetic-Only Inference, CVPR 2018, section 3.
    """
    step = (high - low) / (grid.high - grid.low) or 1.0
    zero = float(np.clip(np.round(grid.low - low / step), grid.low, grid.high))
    shape = grid.scale.shape
    return replace(
        grid, scale=np.full(shape, step), zero=np.full(shape, zero).astype(np.int64)
    )


def _settings(node: Node, grid: Grid, change: tuple[Grid, Grid]) -> Iterator[GridSetting]:
    """Yield what makes a node use a grid; the zero point only where it changes."""
    was, now = change
    scale = node.constants[SCALE]
    yield GridSetting(node, SCALE, grid.scale.astype(scale.dtype).reshape(scale.shape))
    if not np.array_equal(was.zero.ravel(), now.zero.ravel()):
        old = node.constants.get(ZERO, np.zeros(scale.shape, np.uint8))
        zero = np.broadcast_to(grid.zero.reshape(-1), (old.size,)).reshape(old.shape)
        yield GridSetting(node, ZERO, np.array(zero, old.dtype))


def _factors(reader: Node, grid: Grid, statics: Statics) -> Iterator[GridSetting]:
    """Yield the scale of an input where the grid of a bias is made of it."""
    for product, slot in statics.products(reader.inputs[SCALE]):
        scale = product.constants[slot]
        yield GridSetting(
            product, slot, grid.scale.astype(scale.dtype).reshape(scale.shape)
        )


def _biases(
    readers: Sequence[Node], step: float, view: View, statics: Statics
) -> Iterator[GridSetting]:
    """Yield the biases on the grid that runtimes take for granted: input's times weight's.

    Args:
        readers: What takes the input off its grid.
        step: The input's new scale.
        view: The target's macro graph.
        statics: The target's constants.

    Source: https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/quantization_spec
    """
    for reader in readers:
        for node in (n for out in reader.outputs for n in view.readers.get(out, ())):
            names = node.inputs[1:3]
            weight, bias = (statics.reader(name) for name in (*names, "", "")[:2])
            if bias is None or weight is None or bias.constants[0].dtype != np.int32:
                continue
            if SCALE not in bias.constants or SCALE not in weight.constants:
                continue  # a scale that the file computes from both
            old = bias.constants[SCALE]
            scale = np.broadcast_to(weight.constants[SCALE] * step, old.shape)
            held = bias.constants[0] * old.astype(np.float64)
            integers = np.round(held / scale).astype(np.int32)
            yield GridSetting(bias, 0, integers)
            yield GridSetting(bias, SCALE, scale.astype(old.dtype))


def _source_of(fault: Fault, nodes: Sequence[Node]) -> Node | None:
    """Return the source's node behind what some target nodes give or read."""
    names = {name for node in nodes for name in (*node.outputs, *node.inputs[:1])}
    ours = {pair.source for pair in fault.results if pair.target in names}
    found = (node for node in fault.source.nodes if ours.intersection(node.outputs))
    return next(found, None)
