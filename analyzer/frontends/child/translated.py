"""Which operators of a torch program its exporter translates wrongly, one by one.

Each operator's part of the ONNX form is fed what torch itself gives before it: what
deviates there is the translation of this very operator, whatever came before it.
"""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper

from analyzer.core.errors import RunError
from analyzer.core.types import Array, Feeds
from analyzer.frontends.child.native_values import native_values
from analyzer.runtime.metrics import relative_error
from analyzer.runtime.session import open_session

OWN = "/translated"
"""Behind the name of a tensor: what the ONNX form gives, not torch."""

ROUNDING = {"f8": 1e-9, "f4": 1e-4, "f2": 2e-2}
"""Relative error up to which one operator in two runtimes is put down to rounding: some
thousand units in the last place of each float. Integers and booleans are right or wrong."""


def mistranslated(
    program: Any, model: onnx.ModelProto, samples: tuple[Feeds, ...]
) -> dict[str, float]:
    """Return the relative error of each wrongly translated node, by the node's name.

    Args:
        program: The `torch.export.ExportedProgram` that was translated.
        model: Its ONNX form, whose tensors bear the names of the program's nodes.
        samples: Samples by input name.
    """
    worst: dict[str, float] = {}
    for feeds in samples:
        for name, error in _errors(model, native_values(program, feeds)):
            worst[name] = max(error, worst.get(name, 0.0))
    return worst


def _errors(model: onnx.ModelProto, native: Feeds) -> Iterator[tuple[str, float]]:
    apart = _apart(model, native)
    names = [value.name for value in apart.graph.output]
    fed = {value.name: native[value.name] for value in apart.graph.input}
    with tempfile.TemporaryDirectory() as folder:
        try:
            observed = open_session(apart, Path(folder)).run(fed, names)
        except RunError:
            return  # what does not run is told as that
    for name, value in observed.items():
        expected = native[name.removesuffix(OWN)]
        error = relative_error(value, expected)
        if error > _rounding(expected):
            yield name.removesuffix(OWN), float(error)


def _rounding(value: Array) -> float:
    return ROUNDING.get(f"{value.dtype.kind}{value.dtype.itemsize}", 0.0)


def _apart(model: onnx.ModelProto, native: Feeds) -> onnx.ModelProto:
    """Return a model cut at every tensor that torch has a value for."""
    held = {tensor.name for tensor in model.graph.initializer}
    known = {name: value for name, value in native.items() if name not in held}
    apart = onnx.ModelProto()
    apart.CopyFrom(model)
    made = []
    for node in apart.graph.node:
        for place, name in enumerate(node.output):
            if name in known:
                node.output[place] = name + OWN
                made.append(name)
    read = {name for node in apart.graph.node for name in _reads(node)} & known.keys()
    graph = apart.graph
    _declare(graph.input, {name: known[name] for name in sorted(read)})
    _declare(graph.output, {name + OWN: known[name] for name in made})
    inner = [value for value in graph.value_info if value.name not in known]
    del graph.value_info[:]
    graph.value_info.extend(inner)
    return apart


def _reads(node: onnx.NodeProto) -> Iterator[str]:
    yield from node.input
    for attribute in node.attribute:
        for inner in (*attribute.graphs, attribute.g):
            for deeper in inner.node:
                yield from _reads(deeper)


def _declare(place: Any, values: Mapping[str, Array]) -> None:
    del place[:]
    place.extend(
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(np.dtype(value.dtype)), None
        )
        for name, value in values.items()
    )
