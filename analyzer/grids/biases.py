"""Biases on another grid than integer kernels take for granted: input's times weight's.

A file may state any scale for the integers of a bias. A runtime that puts an operator and
the grids around it into one kernel of integers adds them to the products as they are, and
computes something else than what is written.

Source: https://onnx.ai/onnx/operators/onnx__QLinearConv.html, input B.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from analyzer.comparison import Compared
from analyzer.core.errors import RunError
from analyzer.core.grids import READER, SCALE, GridChange, GridFault, GridSetting, grid_of
from analyzer.core.report import OutputPair
from analyzer.core.types import (
    Aspect,
    Difference,
    Fault,
    Feeds,
    Node,
    Pivot,
    Region,
)
from analyzer.differences.undo import undo
from analyzer.grids.static import Statics
from analyzer.outputs import NativeRuns
from analyzer.prepared import Prepared
from analyzer.runtime.metrics import relative_error
from analyzer.runtime.session import open_session
from analyzer.view import View

FUSED = frozenset({"Conv", "Gemm"})
"""Operators of which ONNX Runtime makes one kernel of integers, bias included."""

APART = 0.01
"""Relative difference of two scales that float32 does not make."""

LEFT = 2.0
"""Times the error of a model as it is written that it makes as it runs: an operator in one
kernel rounds once less, or elsewhere."""

MOST_SAMPLES = 2
"""Samples on which the mended model is run: each costs a run of the whole."""


def bias_faults(
    pair: Prepared, compared: Compared, runs: NativeRuns, outputs: Sequence[OutputPair]
) -> tuple[Fault, ...]:
    """Return the fault of biases that a runtime reads by another grid than is written.

    Args:
        pair: The pair.
        compared: What comparing the values of the models gave.
        runs: What both gave natively.
        outputs: The same, compared.
    """
    wrong = [one for one in outputs if not one.within and one.permutation is None]
    target = pair.cut.target
    if not wrong or target.framework != "onnx" or pair.sides[1].model is not target.model:
        return ()
    found = tuple(_off_their_grid(compared.target, Statics(target.model, target.folder)))
    if not found or not compared.outputs[1]:
        return ()
    names = [(one.source, one.target) for one in wrong]
    run, written = (
        [_error(want, got, names) for want, got in zip(runs.source, rows, strict=False)]
        for rows in (runs.target, compared.outputs[1])
    )
    worst = int(np.argmax(run))
    floor = LEFT * max(written)
    if run[worst] <= floor:
        return ()
    shown = dict.fromkeys((worst, 0))
    samples = [(pair.fed[place], runs.source[place]) for place in shown]
    for some in _narrowest_first(found):
        cure = _cure(target, some, samples[:MOST_SAMPLES], names)
        if cure is not None and cure <= floor:
            cured = replace(_together(some), cure=cure)
            nodes = tuple(one.target_node for one in some if one.target_node is not None)
            return (_fault(compared, cured, nodes, names, (run, floor)),)
    return ()


def _narrowest_first(found: Sequence[Difference]) -> Iterator[tuple[Difference, ...]]:
    """Yield the biases of one kind of operator, then all: a runtime may check the rest."""
    kinds = {one.target_node.op for one in found if one.target_node is not None}
    for kind in sorted(kinds):
        yield tuple(d for d in found if d.target_node and d.target_node.op == kind)
    if len(kinds) > 1:
        yield tuple(found)


def _off_their_grid(view: View, statics: Statics) -> Iterator[Difference]:
    """Yield the biases whose scale is not their input's times their weight's."""
    for node in view.nodes:
        giver = view.giver.get(node.inputs[0]) if node.inputs else None
        if node.op not in FUSED or giver is None or giver.op != READER:
            continue
        weight, bias = (statics.reader(one) for one in (*node.inputs[1:3], "", "")[:2])
        change = None
        if weight is not None and bias is not None:
            change = _changed(giver, weight, bias)
        if change is not None:
            kind = change.fault
            yield Difference(Aspect.GRID, kind, None, None, None, node, grid=change)


def _together(found: Sequence[Difference]) -> Difference:
    """Return the largest bias that is off, with what sets all of them right.

    They are off for one reason, and what is written in between shows in none alone.
    """
    grids = [one.grid for one in found if one.grid is not None]
    settings = tuple(setting for grid in grids for setting in grid.settings)
    worst = max(range(len(grids)), key=lambda place: max(map(abs, grids[place].seen)))
    return replace(found[worst], grid=replace(grids[worst], settings=settings))


def _changed(given: Node, weight: Node, bias: Node) -> GridChange | None:
    """Return the bias on the grid that kernels take for granted; None where it is."""
    step, own, old = grid_of(given), grid_of(weight), grid_of(bias)
    integers = bias.constants[0]
    if step is None or own is None or old is None or integers.dtype != np.int32:
        return None
    taken = (step.scale.ravel() * own.scale.ravel()).astype(np.float64)
    if taken.size not in {1, integers.size} or old.scale.size not in {1, integers.size}:
        return None
    if np.all(np.abs(taken - old.scale.ravel()) <= APART * np.abs(taken)):
        return None
    held = integers.ravel() * old.scale.ravel()
    scale = np.broadcast_to(taken, held.shape) if old.scale.size > 1 else taken
    limits = np.iinfo(np.int32)
    made = np.clip(np.round(held / taken), limits.min, limits.max).astype(np.int32)
    if old.scale.size == 1 and taken.size > 1:
        return None  # one scale cannot say what a scale a channel does
    stored = bias.constants[SCALE]
    settings = (
        GridSetting(bias, 0, made.reshape(integers.shape)),
        GridSetting(bias, SCALE, scale.astype(stored.dtype).reshape(stored.shape)),
    )
    right = replace(old, scale=scale.reshape(old.scale.shape))
    seen = float(held.min()), float(held.max())
    return GridChange(GridFault.BIAS, bias.outputs[0], old, right, seen, 1.0, settings)


def _error(ours: Feeds, theirs: Feeds, names: Sequence[tuple[str, str]]) -> float:
    """Return the largest relative error of some outputs on one sample."""
    return max(relative_error(theirs[right], ours[left]) for left, right in names)


def _cure(
    target: Pivot,
    found: Sequence[Difference],
    samples: Sequence[tuple[Feeds, Feeds]],
    names: Sequence[tuple[str, str]],
) -> float | None:
    """Return the error of the target as it runs with the biases on their kernels' grid."""
    model = target.model
    for one in found:
        model = undo(model, one) or model
    try:
        session = open_session(model, target.folder, optimize=True)
        return max(
            _error(wanted, session.run(fed, [right for _, right in names]), names)
            for fed, wanted in samples
        )
    except RunError:  # nothing is proven of a model that stops
        return None


def _fault(
    compared: Compared,
    found: Difference,
    nodes: tuple[Node, ...],
    names: Sequence[tuple[str, str]],
    seen: tuple[Sequence[float], float],
) -> Fault:
    """Return both models as the regions of a fault that no isolated run shows."""
    run, floor = seen
    left, right = (tuple(each) for each in zip(*names, strict=True))
    return Fault(
        Region((), tuple(compared.source.inputs), left),
        Region(nodes, tuple(compared.target.inputs), right),
        (),
        (),
        (),
        (found,),
        (),
        (),
        max(run),
        floor,
        max(run),
        sum(error > floor for error in run),
        len(run),
        (),
        guilty=tuple(name for node in nodes for name in node.outputs)[:4],
    )
