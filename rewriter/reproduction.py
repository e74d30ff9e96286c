"""A guilty region as a small model of its own, with what goes in and what should come out.

The layout is that of ONNX's backend tests: ``model.onnx`` beside ``test_data_set_0`` with
``input_0.pb`` and ``output_0.pb``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import numpy_helper

from analyzer.core.errors import PivotfixError
from analyzer.core.graph import reads
from analyzer.core.types import Array, Fault, Feeds, Pivot
from analyzer.runtime.isolate import fed_name
from analyzer.runtime.metrics import relative_error
from analyzer.runtime.region import extract
from analyzer.runtime.session import open_session
from analyzer.runtime.value_types import type_of
from rewriter.export.onnx_file import write_whole
from rewriter.verify import in_parts

SAMPLE = "test_data_set_0"


@dataclass(frozen=True, slots=True, eq=False)
class Reproduction:
    """A region of one side.

    Attributes:
        model: The region alone; its weights may stand in files of `folder`.
        folder: What external locations are relative to.
        inputs: Array by input name, in the model's order.
        expected: Array by output name, in the model's order: what the source gives.
        error: Relative error of what it gives, over the largest magnitude expected.
    """

    model: onnx.ModelProto
    folder: Path
    inputs: Mapping[str, Array]
    expected: Mapping[str, Array]
    error: float


def reproductions(
    both: tuple[Pivot, Pivot], fault: Fault, probe: Feeds
) -> tuple[Reproduction, Reproduction] | None:
    """Return the region of both sides on the worst sample; None where it cannot be cut out.

    Args:
        both: The source, and the target that the fault was found in.
        fault: The fault of the main graph.
        probe: Any sample, by source input name: sizes may be computed from it.
    """
    if not fault.recorded:
        return None
    worst = fault.recorded[0]
    try:
        return (
            _reproduction(both[0], worst.source_inputs, worst.source_outputs, probe),
            _reproduction(both[1], worst.inputs, worst.expected, worst.inputs),
        )
    except (PivotfixError, LookupError):  # a loop written out has other names in the file
        return None


def _reproduction(
    pivot: Pivot, inputs: Feeds, expected: Feeds, probe: Feeds
) -> Reproduction:
    """Return one side's region.

    Raises:
        RunError: It does not load, or does not run.
        KeyError: It needs a tensor that was not recorded.
    """
    whole = in_parts(pivot.model, {*inputs, *expected})
    part = extract(whole, tuple(inputs), tuple(expected), arrays=inputs)
    cuts = {fed_name(name): array for name, array in inputs.items()}
    fed = {**probe, **inputs, **cuts}
    needed = {value.name: fed[value.name] for value in _wanted(part)}
    for value in part.graph.input:
        value.type.CopyFrom(type_of(needed[value.name], needed[value.name].shape))
    for value in part.graph.output:
        value.type.CopyFrom(type_of(expected[value.name], expected[value.name].shape))
    part.producer_name = pivot.model.producer_name
    part.producer_version = pivot.model.producer_version
    given = open_session(part, pivot.folder).run(needed, tuple(expected))
    errors = (relative_error(given[name], array) for name, array in expected.items())
    error = max(errors, default=0.0)
    return Reproduction(part, pivot.folder, needed, dict(expected), error)


def _wanted(part: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """Return the inputs that must be fed; those that hold a weight, or nobody reads, go."""
    graph = part.graph
    read = {name for node in graph.node for name in reads(node)}
    read |= {value.name for value in graph.output}
    held = {tensor.name for tensor in graph.initializer}
    wanted = [one for one in graph.input if one.name in read - held]
    del graph.input[:]
    graph.input.extend(wanted)
    return list(graph.input)


def write_reproduction(one: Reproduction, folder: Path) -> None:
    """Write a region as a backend test.

    Args:
        one: The region.
        folder: Where; created.

    Raises:
        ExportError: The disk refuses.
    """
    (folder / SAMPLE).mkdir(parents=True)
    write_whole(one.model, one.folder, folder / "model.onnx")
    for kind, arrays in (("input", one.inputs), ("output", one.expected)):
        for place, (name, array) in enumerate(arrays.items()):
            made = numpy_helper.from_array(array, name).SerializeToString()
            (folder / SAMPLE / f"{kind}_{place}.pb").write_bytes(made)
