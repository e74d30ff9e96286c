"""ONNX as a ``.pt2``: this is what the child process is asked to import."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx.inliner import inline_local_functions
from torch._dynamo.exc import UserError

from analyzer.core.errors import ExportError, PivotfixError
from analyzer.core.types import Array
from analyzer.frontends.child.words import one_line
from rewriter.export.torch_graph.calling import Calling, as_before, called, plainly
from rewriter.export.torch_graph.dtypes import as_array
from rewriter.export.torch_graph.examples import (
    as_tensors,
    drawn,
    dynamic,
    given,
    shapes,
    stored,
)
from rewriter.export.torch_graph.functions import is_defined
from rewriter.export.torch_graph.graph import key, versions
from rewriter.export.torch_graph.network import Network
from rewriter.export.torch_graph.table import table

OPEN_SIZES = (32, 5, 224)
"""What an open axis is tried with: most images and sentences take the first, short position
tables the second, deep pyramids of pools the third."""

Traced = tuple[Any, list[str]]
"""A torch program, or a module made of one, and what is to be said of it."""

ONNX_INSTEAD = "the repaired model is whole as ONNX: give OUT the suffix .onnx"


def export(onnx_path: str, out: str, **settings: Any) -> list[str]:
    """Write an ONNX model as a torch program, each of its open axes dynamic.

    Args:
        onnx_path: The model.
        out: The ``.pt2`` to write.
        settings: ``like``, a ``.pt2`` of the user's, tells what the arguments are called
            and how results are structured, and ``trust_code`` whether it is loaded even
            where it holds code; ``samples``, an ``.npz`` with an array per input, tells the
            sizes that the model is traced with.

    Returns:
        What is to be said of it, in sentences.

    Raises:
        ExportError: Torch cannot say the model; every operator that it lacks is named.
        LoadError: The user's program holds code.
    """
    program, notes = program_of(onnx.load(onnx_path), **settings)
    torch.export.save(program, out)
    return notes


def program_of(model: onnx.ModelProto, **settings: Any) -> Traced:
    """Return an ONNX model as a torch program.

    Args:
        model: The model.
        settings: Of `export`.

    Raises:
        ExportError: Torch cannot say the model; every operator that it lacks is named.
        LoadError: The user's program holds code.
    """
    network = network_of(model)
    names, like = network.names_in, settings.get("like", "")
    trusted = bool(settings.get("trust_code", False))
    calling = as_before(like, names, trust_code=trusted) if like else plainly(names)
    examples = list(_examples(model, calling, settings.get("samples", "")))
    return taken(lambda: _program(network, model, calling, examples))


def taken(make: Callable[[], Traced]) -> Traced:
    """Return what torch makes; where it fails, name the node that it failed at.

    Args:
        make: Calls torch.

    Raises:
        ExportError: It fails.
    """
    try:
        return make()
    except PivotfixError:
        raise
    except Exception as surprise:  # torch may raise anything at all
        where = getattr(surprise, "__notes__", ["the graph"])[0]
        raise ExportError(
            f"torch does not take {where} ({one_line(surprise)})", hint=ONNX_INSTEAD
        ) from surprise


def _program(
    network: Network, model: onnx.ModelProto, calling: Calling, examples: list[list[Array]]
) -> Traced:
    arrays = _runs(network, examples)
    network.weights.keep(calling.state)
    tensors = dict(zip(network.names_in, as_tensors(arrays), strict=True))
    return _traced(called(network, calling), model, calling, tensors)


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


def _examples(
    model: onnx.ModelProto, calling: Calling, samples: str
) -> Iterator[list[Array]]:
    """Yield inputs that the model may run on, the likeliest first."""
    if samples:
        yield given(model, stored(Path(samples)))
    if calling.examples:
        yield given(model, [as_array(one) for one in calling.examples.values()])
    yield from (drawn(model, size) for size in OPEN_SIZES)


def _runs(network: Network, candidates: list[list[Array]]) -> list[Array]:
    """Return inputs that the network runs on; running, it takes in its constants."""
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
    network: Network, model: onnx.ModelProto, calling: Calling, tensors: dict[str, Any]
) -> Traced:
    """Return the program, and which open axes torch could not leave open."""

    def traced(choice: Any) -> Any:
        positional, named = calling.given(tensors)
        axes = dynamic(model, tensors, choice).dynamic_shapes(network, positional, named)
        return torch.export.export(
            network, positional, named, dynamic_shapes=axes, strict=False
        )

    try:
        return traced(torch.export.Dim.DYNAMIC), []
    except UserError:  # torch says so where it would fix an axis
        program = traced(torch.export.Dim.AUTO)
    return program, list(_fixed(program, model, calling))


def _fixed(program: Any, model: onnx.ModelProto, calling: Calling) -> Iterator[str]:
    slots = program.graph_signature.user_inputs
    nodes = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    known, sizes = shapes(model), zip(calling.slots, slots, strict=True)
    for name, slot in ((one, slot) for one, slot in sizes if isinstance(one, str)):
        for place, axis in enumerate(known[name]):
            size = nodes[slot].meta["val"].shape[place]
            if isinstance(axis, str) and isinstance(size, int):
                yield f"axis {place} of {name} was open, and is fixed to {size} in the .pt2"
