"""Casts to single precision in the conversion of a double model, and what they cost.

Each region behind one of them is right to within its rounding, which is that of float32;
together they lose what lies below a large offset. Only the outputs show it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import onnx

from analyzer.comparison import Compared
from analyzer.core.errors import RepairError
from analyzer.core.report import OutputPair
from analyzer.core.types import (
    Aspect,
    Difference,
    Fault,
    Node,
    Pivot,
    Region,
    Sample,
    Status,
)
from analyzer.differences.undo import undo
from analyzer.matching.ends import target_feeds
from analyzer.outputs import NativeRuns
from analyzer.prepared import Prepared
from analyzer.runtime.region import region_error

SINGLE, DOUBLE = onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE

MOST_SAMPLES = 2
"""Samples on which the casts are undone: each costs a run of the whole model."""


def narrowing_faults(
    pair: Prepared, compared: Compared, runs: NativeRuns, outputs: Sequence[OutputPair]
) -> tuple[Fault, ...]:
    """Return the fault of casts that narrow a double model, without which it is right.

    Args:
        pair: The pair.
        compared: What comparing the values of the models gave.
        runs: What both gave natively.
        outputs: The same, compared.
    """
    wrong = [one for one in outputs if not one.within and one.permutation is None]
    faulty = any(one.status is Status.FAULT for one in compared.faults)
    if faulty or not wrong or not _is_double(pair.source):
        return ()
    casts = [node for node in compared.target.nodes if _narrows(node)]
    if not casts or any(map(_narrows, compared.source.nodes)):
        return ()
    fault = _whole(pair, compared, runs, wrong)
    tried = (*((cast,) for cast in casts), casts)
    found = (_undone(fault, pair.cut.target, nodes) for nodes in tried)
    first = next((one for one in found if one.is_explained), None)
    return () if first is None else (first,)


def _is_double(source: Pivot) -> bool:
    return any(spec.dtype == "float64" for spec in source.inputs)


def _narrows(node: Node) -> bool:
    return node.op == "Cast" and node.attributes.get("to") == SINGLE


def _whole(
    pair: Prepared, compared: Compared, runs: NativeRuns, wrong: Sequence[OutputPair]
) -> Fault:
    """Return both models as the regions of a fault."""
    worst = max(wrong, key=lambda one: one.relative_error)
    names = [(one.source, one.target) for one in wrong]
    samples = tuple(_samples(pair, runs, names))
    sides = compared.source, compared.target
    left, right = (
        Region(tuple(side.nodes), tuple(side.inputs), tuple(name[n] for name in names))
        for n, side in enumerate(sides)
    )
    return Fault(
        left,
        right,
        (),
        (),
        (),
        (),
        (),
        (),
        worst.relative_error,
        worst.noise_floor,
        worst.relative_error,
        len(runs.target),
        len(runs.target),
        samples,
    )


def _samples(
    pair: Prepared, runs: NativeRuns, names: Sequence[tuple[str, str]]
) -> Iterator[Sample]:
    for feeds, ours, theirs in zip(
        pair.cut.samples[:MOST_SAMPLES], runs.source, runs.target, strict=False
    ):
        yield Sample(
            feeds,
            {left: ours[left] for left, _ in names},
            target_feeds(feeds, pair.cut.inputs, pair.cut.target),
            {right: ours[left] for left, right in names},
            {right: theirs[right] for _, right in names},
        )


def _undone(fault: Fault, target: Pivot, casts: Sequence[Node]) -> Fault:
    """Return the fault with the word of what is left without some casts."""
    joint = len(casts) > 1
    found = tuple(
        Difference(Aspect.DTYPE, "to", DOUBLE, SINGLE, None, cast, jointly=joint)
        for cast in casts
    )
    model: onnx.ModelProto | None = target.model
    try:
        for one in found:
            model = None if model is None else undo(model, one)
    except RepairError:  # a cast in a body is no node of the main graph
        return fault
    if model is None:
        return fault
    cure = region_error(model, target.folder, fault.recorded, fault.target.outputs)
    names = (name for cast in casts for name in cast.outputs)
    return replace(
        fault,
        differences=tuple(replace(one, cure=cure) for one in found),
        guilty=tuple(names)[:4],
    )
