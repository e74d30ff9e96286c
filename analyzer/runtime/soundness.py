"""Whether a parsed ONNX file is whole: bytes that merely happen to parse are not.

What is refused here is a damaged file. A sound file that a runtime does not load or run is
no error but a finding, and passes.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from math import prod
from pathlib import Path

import onnx
from onnx import AttributeProto, TensorProto, helper

from analyzer.core.errors import LoadError
from analyzer.core.graph import node_name
from analyzer.core.tensors import external_location, is_external
from analyzer.runtime.order import cycle_place

BITS: Mapping[int, int] = {
    TensorProto.INT4: 4,
    TensorProto.UINT4: 4,
    TensorProto.FLOAT4E2M1: 4,
    TensorProto.INT2: 2,
    TensorProto.UINT2: 2,
}
"""Bits of the element types that share a byte."""

PARTS: Mapping[int, int] = {TensorProto.COMPLEX64: 2, TensorProto.COMPLEX128: 2}
"""Numbers that one element is stored as, where it is not one."""

LARGEST_INPUT = 1 << 28
"""Elements above which an input's declared sizes are damage: a gigabyte of float32."""

DAMAGED = "download or convert the model again"


def check(model: onnx.ModelProto, path: Path) -> None:
    """Refuse a model that can only be a damaged file.

    Args:
        model: The model, its weights embedded or external.
        path: The file it was read from; external locations are relative to its folder.

    Raises:
        LoadError: Its names are no text, its weights do not fill their shapes or cannot be
            reached, its attributes have no type, or its graph is empty or has a cycle.
    """
    if not model.graph.node and not model.graph.output:
        raise LoadError(f"{path} parses but holds no graph", hint=DAMAGED)
    if not model.opset_import or not model.HasField("ir_version"):
        raise LoadError(f"{path} does not declare its opset or IR version", hint=DAMAGED)
    if not all(isinstance(name, str) for name in _names(model)):
        raise LoadError(f"{path} has a name that is no text", hint=DAMAGED)
    for nodes in node_lists(model):
        _check_attributes(nodes, path)
        _check_order(nodes, path)
    for tensor in tensors(model):
        _check_tensor(tensor, path)
    for value in model.graph.input:
        _check_input(value, path)


def graphs(model: onnx.ModelProto) -> Iterator[onnx.GraphProto]:
    """Yield the main graph and every subgraph inside it or inside a function."""
    pending = [model.graph]
    pending.extend(chain.from_iterable(map(_subgraphs, model.functions)))
    while pending:
        graph = pending.pop()
        yield graph
        pending.extend(_subgraphs(graph))


def _subgraphs(owner: onnx.GraphProto | onnx.FunctionProto) -> Iterator[onnx.GraphProto]:
    """Yield the graphs that are attributes of some nodes."""
    for node in owner.node:
        for attribute in node.attribute:
            yield from attribute.graphs
            if attribute.HasField("g"):
                yield attribute.g


def node_lists(model: onnx.ModelProto) -> Iterator[Sequence[onnx.NodeProto]]:
    """Yield the nodes of each graph, subgraph and function."""
    yield from (graph.node for graph in graphs(model))
    yield from (function.node for function in model.functions)


def tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Yield every weight: initializers and attributes, those of subgraphs included."""
    for graph in graphs(model):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)
    for node in chain.from_iterable(node_lists(model)):
        for attribute in node.attribute:
            yield from attribute.tensors
            if attribute.HasField("t") or attribute.type == AttributeProto.TENSOR:
                yield attribute.t


def _names(model: onnx.ModelProto) -> Iterator[object]:
    """Yield every name that stages go by; protobuf gives bytes for what is no UTF-8."""
    yield from (model.producer_name, model.producer_version, model.doc_string, model.domain)
    yield from (entry.domain for entry in model.opset_import)
    yield from _notes(model)
    yield from (name for call in model.functions for name in (call.name, call.domain))
    for graph in graphs(model):
        yield from (graph.name, graph.doc_string)
        yield from (tensor.name for tensor in graph.initializer)
        for value in chain(graph.input, graph.output, graph.value_info):
            yield value.name
            yield from (size.dim_param for size in value.type.tensor_type.shape.dim)
    for node in chain.from_iterable(node_lists(model)):
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        yield from (attribute.name for attribute in node.attribute)
        yield from (node.doc_string, *_notes(node))


def _notes(owner: onnx.ModelProto | onnx.NodeProto) -> Iterator[object]:
    """Yield the keys and values of the metadata that a model or a node carries."""
    for entry in owner.metadata_props:
        yield from (entry.key, entry.value)


def _check_attributes(nodes: Sequence[onnx.NodeProto], path: Path) -> None:
    """Refuse attributes without a type, and Constant nodes that give nothing."""
    for node in nodes:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.UNDEFINED:
                name = f"attribute {attribute.name} of node {node_name(node)}"
                raise LoadError(f"{path}: {name} has no type", hint=DAMAGED)
        if node.op_type == "Constant" and not (node.output and node.output[0]):
            raise LoadError(f"{path}: a Constant node has no output", hint=DAMAGED)


def _check_order(nodes: Sequence[onnx.NodeProto], path: Path) -> None:
    """Refuse nodes that wait for each other; merely unsorted ones pass."""
    place = cycle_place(nodes)
    if place is not None:
        raise LoadError(
            f"{path}: its graph has a cycle, through node {node_name(nodes[place])}",
            hint="an ONNX graph computes forwards only; " + DAMAGED,
        )


def _check_tensor(tensor: onnx.TensorProto, path: Path) -> None:
    """Refuse a weight whose values do not fill its shape or cannot be reached."""
    whose = f"{path}: initializer {tensor.name or '(unnamed)'}"
    if not tensor.data_type or tensor.data_type not in helper.get_all_tensor_dtypes():
        raise LoadError(
            f"{whose} has the unknown element type {tensor.data_type}", hint=DAMAGED
        )
    if any(size < 0 for size in tensor.dims):
        raise LoadError(f"{whose} has the shape {list(tensor.dims)}", hint=DAMAGED)
    if is_external(tensor):
        _check_external(tensor, path, whose)
        return
    got, want = _stored(tensor), _wanted(tensor)
    if got != want:
        unit = "bytes" if tensor.HasField("raw_data") else "values"
        raise LoadError(
            f"{whose} of shape {list(tensor.dims)} wants {want} {unit} and has {got}",
            hint=DAMAGED,
        )


def _stored(tensor: onnx.TensorProto) -> int:
    """Return how many bytes or entries of its own field a weight has."""
    if tensor.HasField("raw_data"):
        return len(tensor.raw_data)
    field: str = helper.tensor_dtype_to_field(tensor.data_type)
    return len(getattr(tensor, field))


def _wanted(tensor: onnx.TensorProto) -> int:
    """Return how many bytes or entries of its own field a weight's shape wants."""
    count: int = prod(tensor.dims)
    if tensor.HasField("raw_data") or tensor.data_type in BITS:
        return byte_size(tensor.data_type, count)
    return count * PARTS.get(tensor.data_type, 1)


def byte_size(kind: int, count: int) -> int:
    """Return how many bytes a number of elements of an ONNX element type takes."""
    bits = BITS.get(kind, 0) or 8 * int(helper.tensor_dtype_to_np_dtype(kind).itemsize)
    return -(-count * bits // 8)


def _check_external(tensor: onnx.TensorProto, path: Path, whose: str) -> None:
    """Refuse external values that are outside the model's folder, missing or too few."""
    try:
        location, offset, length = external_location(tensor)
    except ValueError as surprise:
        raise LoadError(
            f"{whose} has an offset or length that is no number", hint=DAMAGED
        ) from surprise
    file = _inside(location, path, whose)
    size = byte_size(tensor.data_type, prod(tensor.dims))
    there = file.stat().st_size - offset
    if offset < 0 or there < size or (length not in {-1, size}):
        raise LoadError(
            f"{whose} wants {size} bytes at byte {offset} of {file}, which holds"
            f" {file.stat().st_size}",
            hint="restore the model's external data file beside it",
        )


def _inside(location: str, path: Path, whose: str) -> Path:
    """Return the file of an external location, which must lie in the model's folder."""
    folder = path.parent
    file = folder / location
    outside = Path(location).is_absolute() or ".." in Path(location).parts
    if not location or outside or not file.resolve().is_relative_to(folder.resolve()):
        raise LoadError(
            f"{whose} points at {location or 'no file'}, outside the model's folder",
            hint=f"put its external data into {folder} and save the model again",
        )
    if not file.is_file():
        raise LoadError(
            f"{whose} is in {file}, and there is no such file",
            hint="put the model's external data file back beside it",
        )
    return file


def _check_input(value: onnx.ValueInfoProto, path: Path) -> None:
    """Refuse an input that declares more elements than any sample has."""
    sizes = [size.dim_value for size in value.type.tensor_type.shape.dim]
    if prod(size for size in sizes if size > 0) > LARGEST_INPUT:
        whose = f"{path}: input {value.name}"
        raise LoadError(f"{whose} declares the sizes {sizes}", hint=DAMAGED)
