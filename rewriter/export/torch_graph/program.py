"""ONNX as a ``.pt2``: this is what the child process is asked to import."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx.inliner import inline_local_functions
from torch._dynamo.exc import UserError

from analyzer.core.errors import ExportError
from analyzer.core.types import Array
from rewriter.export.torch_graph.examples import (
    as_tensors,
    drawn,
    given,
    open_axes,
    shapes,
    signed,
)
from rewriter.export.torch_graph.functions import is_defined
from rewriter.export.torch_graph.network import Network, key, versions
from rewriter.export.torch_graph.table import table

OPEN_SIZES = (32, 5, 224)
"""What an open axis is tried with: most images and sentences take the first, short position
tables the second, deep pyramids of pools the third."""

ONNX_INSTEAD = "the repaired model is whole as ONNX: give OUT the suffix .onnx"


def export(onnx_path: str, out: str, **settings: Any) -> list[str]:
    """Write an ONNX model as a torch program, each of its open axes dynamic.

    Args:
        onnx_path: The model.
        out: The ``.pt2`` to write.
        settings: ``samples``, an ``.npz`` with an array per input, tells the sizes that it
            is traced with.

    Returns:
        What is to be said of it, in sentences.

    Raises:
        ExportError: Torch cannot say the model; every operator that it lacks is named.
    """
    model = onnx.load(onnx_path)
    network = network_of(model)
    inputs = as_tensors(_runs(network, model, settings.get("samples", "")))
    signed(network, network.names_in)
    program, notes = _traced(network, model, inputs)
    torch.export.save(program, out)
    return notes


def network_of(model: onnx.ModelProto) -> Network:
    """Return a model as a torch module.

    Args:
        model: Any; operators that the table lacks are spelled out where ONNX defines them
            by others.

    Raises:
        ExportError: Operators lack.
    """
    if model.functions:
        model = inline_local_functions(model)
    lacking = sorted(set(_lacking(model.graph, versions(model.opset_import))))
    if lacking:
        raise ExportError(
            f"the export to torch has no operator {', '.join(lacking)}", hint=ONNX_INSTEAD
        )
    return Network(model)


def _lacking(graph: onnx.GraphProto, opsets: Mapping[str, int]) -> Iterator[str]:
    for node in graph.node:
        known = key(node) in table() or is_defined(node, opsets.get(node.domain, 1))
        if not known:
            yield key(node)
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from _lacking(attribute.g, opsets)


def _runs(network: Network, model: onnx.ModelProto, samples: str) -> list[Array]:
    """Return inputs that the network runs on; to run, it takes in what it computes with."""
    if samples:
        candidates = [given(model, Path(samples))]
    else:
        candidates = [drawn(model, size) for size in OPEN_SIZES]
    for arrays in candidates[:-1]:
        try:
            _run(network, arrays)
        except (RuntimeError, IndexError, ValueError):  # a size that does not fit
            continue
        return arrays
    _run(network, candidates[-1])
    return candidates[-1]


def _run(network: Network, arrays: list[Array]) -> None:
    with torch.no_grad():
        network(*as_tensors(arrays))


def _traced(
    network: Network, model: onnx.ModelProto, inputs: tuple[Any, ...]
) -> tuple[Any, list[str]]:
    """Return the program, and which open axes torch could not leave open."""
    names = [axis for shape in shapes(model).values() for axis in shape]
    choices = torch.export.Dim.DYNAMIC, torch.export.Dim.AUTO
    if not any(isinstance(axis, str) for axis in names):
        return torch.export.export(network, inputs), []
    try:
        return _exported(network, model, inputs, choices[0]), []
    except UserError:  # torch says so where it would fix an axis
        program = _exported(network, model, inputs, choices[1])
    return program, list(_fixed(program, model))


def _exported(
    network: Network, model: onnx.ModelProto, inputs: tuple[Any, ...], choice: Any
) -> Any:
    return torch.export.export(
        network, inputs, dynamic_shapes=open_axes(model, choice), strict=False
    )


def _fixed(program: Any, model: onnx.ModelProto) -> Iterator[str]:
    slots = program.graph_signature.user_inputs
    traced = {
        node.name: node.meta["val"] for node in program.graph.nodes if node.name in slots
    }
    for slot, (name, shape) in zip(slots, shapes(model).items(), strict=True):
        for place, axis in enumerate(shape):
            size = traced[slot].shape[place]
            if isinstance(axis, str) and isinstance(size, int):
                yield f"axis {place} of {name} was open, and is fixed to {size} in the .pt2"
