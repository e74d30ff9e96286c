"""Which part of a model does ONNX Runtime's optimizer change?

The outputs of a plain, optimized run are compared with those of the run in which every
tensor is looked at. Where they differ, ever smaller parts of the model are run both ways,
each fed what it reads in the run as it is written, and onnx.reference says who is right.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import numpy_helper

from analyzer.compiled import compiled_values
from analyzer.core.errors import RunError
from analyzer.core.graph import reads
from analyzer.core.tensors import tensor_value
from analyzer.core.types import Array, Feeds
from analyzer.judge import NEGLIGIBLE, ROUNDING
from analyzer.runtime.dump import dump, instrument
from analyzer.runtime.isolate import fed_name
from analyzer.runtime.metrics import relative_error
from analyzer.runtime.noise import noise_floor
from analyzer.runtime.order import forward_order
from analyzer.runtime.reference import reference_values
from analyzer.runtime.region import extract, needed
from analyzer.runtime.session import open_session

Errors = dict[str, float]
"""Relative error of each tensor that a part gives."""

MOST_SHRUNK = 32
"""Nodes of a part that are left out one by one, at most; no fusion is as large."""


@dataclass(frozen=True, slots=True, eq=False)
class Changed:
    """A part of a model that gives something else when it is optimized.

    Attributes:
        nodes: Its nodes, in the order they are computed.
        tensor: The tensor that differs.
        error: How far, relative to the largest value of the run as it is written.
        by_reference: How far the run as it is written and the optimized one are from
            onnx.reference in float64, same unit; None where it cannot compute the part.
        by_compiler: The same of what IREE compiles; None also where it is not installed.
    """

    nodes: tuple[onnx.NodeProto, ...]
    tensor: str
    error: float
    by_reference: tuple[float, float] | None
    by_compiler: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Written:
    """A model with every tensor of the run as it is written."""

    model: onnx.ModelProto
    folder: Path
    nodes: tuple[onnx.NodeProto, ...]
    values: Feeds


def changed_part(model: onnx.ModelProto, folder: Path, feeds: Feeds) -> Changed | None:
    """Return the smallest part found that the optimizer changes; None where it does none.

    Args:
        model: The whole model.
        folder: The folder its external locations are relative to.
        feeds: One sample, by input name.
    """
    try:
        values = dump(open_session(instrument(model), folder), feeds)
    except RunError:
        return None
    order = forward_order(model.graph.node)
    nodes = tuple(model.graph.node[place] for place in order)
    written = _Written(model, folder, nodes, values)

    def deviates(first: int, end: int) -> bool:
        return bool(_deviations(written, first, end))

    window = first_window(len(nodes), deviates)
    return None if window is None else _smallest(written, *window)


def first_window(
    count: int, deviates: Callable[[int, int], bool]
) -> tuple[int, int] | None:
    """Return the shortest stretch of a sequence, ending first, that deviates.

    Args:
        count: Length of the sequence.
        deviates: Says it of the stretch from one place up to another.

    Returns:
        Its first place and the one behind its last; None where the whole does not deviate.

    Source: bisection, as in A. Zeller, Yesterday, my program worked. Today, it does not.
    Why?, ESEC/FSE 1999.
    """
    if not deviates(0, count):
        return None
    right, wrong = 0, count
    while wrong - right > 1:
        middle = (right + wrong) // 2
        right, wrong = (right, middle) if deviates(0, middle) else (middle, wrong)
    first, beyond = 0, wrong
    while beyond - first > 1:
        middle = (first + beyond) // 2
        first, beyond = (middle, beyond) if deviates(middle, wrong) else (first, middle)
    return first, wrong


def _deviations(written: _Written, first: int, end: int) -> Errors:
    """Return the tensors that a stretch of nodes gives otherwise when it is optimized."""
    inside = written.nodes[first:end]
    made = {name for node in inside for name in node.output if name}
    later = {name for node in written.nodes[end:] for name in reads(node)}
    later |= {value.name for value in written.model.graph.output}
    results = [name for name in written.values if name in made & later]
    before = {name for node in written.nodes[:first] for name in node.output if name}
    return _changed(written, before, results)


def _changed(written: _Written, cut: set[str], results: Sequence[str]) -> Errors:
    """Return the results that differ, fed what was written, by more than rounding."""
    if not results:
        return {}
    inputs = {value.name for value in written.model.graph.input} | cut
    fed = {name: written.values[name] for name in written.values if name in inputs}
    part = extract(written.model, tuple(fed), results, arrays=fed)
    given = {**fed, **{fed_name(name): value for name, value in fed.items()}}
    try:
        found = open_session(part, written.folder, optimize=True).run(given, results)
    except RunError:  # what cannot be cut here may be cut elsewhere
        return {}
    errors = {name: relative_error(found[name], written.values[name]) for name in found}
    wrong = {name: error for name, error in errors.items() if error > NEGLIGIBLE}
    if not wrong:
        return {}
    read = {value.name for value in part.graph.input}
    edges = {name: value for name, value in fed.items() if {name, fed_name(name)} & read}
    floors = noise_floor(written.model, written.folder, [edges], list(wrong))
    return {
        name: error
        for name, error in wrong.items()
        if error > ROUNDING * floors.get(name, 0.0)
    }


def _smallest(written: _Written, first: int, end: int) -> Changed | None:
    """Return a stretch without the nodes that it deviates without, and the reference."""
    errors = _deviations(written, first, end)
    tensor = max(errors, key=lambda name: errors[name])
    cut = {name for node in written.nodes[:first] for name in node.output if name}
    inside = needed(written.model.graph, cut, [tensor])
    for node in inside[:MOST_SHRUNK]:
        wider = cut | {name for name in node.output if name and name != tensor}
        if tensor not in node.output and _changed(written, wider, [tensor]):
            cut = wider
    left = {id(node) for node in needed(written.model.graph, cut, [tensor])}
    names = {
        name
        for node in written.model.graph.node
        if id(node) in left
        for name in node.output
    }
    nodes = tuple(node for node in written.nodes if set(node.output) & names)
    error = _changed(written, cut, [tensor]).get(tensor, errors[tensor])
    return Changed(nodes, tensor, error, *_votes(written, cut, tensor))


def _votes(
    written: _Written, cut: set[str], tensor: str
) -> tuple[tuple[float, float] | None, tuple[float, float] | None]:
    """Return how far both runs of a part are from onnx.reference, and from IREE."""
    inputs = {value.name for value in written.model.graph.input} | cut
    fed = {name: value for name, value in written.values.items() if name in inputs}
    part = extract(written.model, tuple(fed), [tensor], arrays=fed)
    for weight in part.graph.initializer:
        value = tensor_value(weight, written.folder)
        weight.CopyFrom(numpy_helper.from_array(value, weight.name))
    both = {**fed, **{fed_name(name): value for name, value in fed.items()}}
    names = (value.name for value in part.graph.input)
    given = {name: both[name] for name in names if name in both}
    optimized = open_session(part, written.folder, optimize=True).run(given, [tensor])
    runs = written.values[tensor], optimized[tensor]
    return (
        _distances(runs, (reference_values(part, given) or {}).get(tensor)),
        _distances(runs, (compiled_values(part, given) or {}).get(tensor)),
    )


def _distances(
    runs: tuple[Array, Array], right: Array | None
) -> tuple[float, float] | None:
    if right is None:
        return None
    return relative_error(runs[0], right), relative_error(runs[1], right)
