"""A pivot as MLIR text: the torch-onnx form, its nodes' names as locations.

It is what ``iree-import-onnx`` makes of an ONNX file, operator by operator, with the one
thing that it leaves out: where each operator comes from.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from analyzer.core.graph import node_name, opsets
from analyzer.core.inference import inferred
from analyzer.core.tensors import tensor_value
from analyzer.core.types import Array
from analyzer.runtime.order import forward_order

ELEMENTS = {
    TensorProto.FLOAT: "f32",
    TensorProto.DOUBLE: "f64",
    TensorProto.FLOAT16: "f16",
    TensorProto.BFLOAT16: "bf16",
    TensorProto.INT64: "si64",
    TensorProto.INT32: "si32",
    TensorProto.INT16: "si16",
    TensorProto.INT8: "si8",
    TensorProto.UINT64: "ui64",
    TensorProto.UINT32: "ui32",
    TensorProto.UINT16: "ui16",
    TensorProto.UINT8: "ui8",
    TensorProto.BOOL: "i1",
}
"""How torch-mlir writes ONNX's element types."""

_ELEMENTS: Mapping[int, str] = {int(kind): word for kind, word in ELEMENTS.items()}

INLINE = 16
"""Elements up to which a constant is written out where it stands; others go to the end."""

ALIGNMENT = "08000000"
"""Eight bytes, as the four little-endian bytes that begin a resource."""

PLAIN = re.compile(r"[A-Za-z_][\w$.]*")
"""What needs no quotes in MLIR."""


@dataclass(slots=True)
class _Names:
    """SSA names and types by tensor name, and the constants kept for the end."""

    values: dict[str, str]
    types: Mapping[str, str]
    resources: dict[str, Array] = field(default_factory=dict)
    count: int = 0

    def fresh(self) -> str:
        """Return a name that nothing has yet."""
        self.count += 1
        return f"%{self.count - 1}"

    def kind(self, name: str) -> str:
        """Return the type of a tensor; an absent one has none."""
        return self.types.get(name, "!torch.vtensor") if name else "!torch.none"

    def value(self, name: str) -> str:
        """Return the SSA name of a tensor."""
        return self.values.get(name, "%none") if name else "%none"


def mlir_lines(model: onnx.ModelProto, folder: Path) -> Iterator[str]:
    """Yield the lines of a model's MLIR module.

    Args:
        model: The proto; its weights are read one by one.
        folder: The folder its external locations are relative to.

    Source: the torch-onnx form of torch-mlir, https://github.com/llvm/torch-mlir,
    docs/importers/onnx_importer.md.
    """
    graph = model.graph
    names = _Names({}, _types(model))
    weights = {tensor.name: tensor for tensor in graph.initializer}
    inputs = [value.name for value in graph.input if value.name not in weights]
    names.values |= {name: f"%arg{place}" for place, name in enumerate(inputs)}
    arguments = ", ".join(f"{names.values[name]}: {names.kind(name)}" for name in inputs)
    results = [value.name for value in graph.output]
    kinds = ", ".join(names.kind(name) for name in results)
    yield "module {"
    yield f"  func.func @{_symbol(graph.name)}({arguments}) -> ({kinds}) attributes {{"
    yield f"      {_meta(model)}}} {{"
    yield "    %none = torch.constant.none"
    for tensor in graph.initializer:
        value = tensor_value(tensor, folder)
        yield from _constant(tensor.name, value, tensor.data_type, names)
    for place in forward_order(graph.node):  # a file may have them in any order
        yield from _operator(graph.node[place], names, "    ")
    given = ", ".join(names.value(name) for name in results)
    yield f"    return {given} : {kinds}" if results else "    return"
    yield "  }"
    yield "}"
    yield from _resources(names.resources)


def _meta(model: onnx.ModelProto) -> str:
    fields = (
        f"torch.onnx_meta.ir_version = {model.ir_version} : si64",
        f"torch.onnx_meta.opset_version = {opsets(model).get('', 0)} : si64",
        f"torch.onnx_meta.producer_name = {_quoted(model.producer_name)}",
        f"torch.onnx_meta.producer_version = {_quoted(model.producer_version)}",
    )
    return ", ".join(fields)


def _types(model: onnx.ModelProto) -> dict[str, str]:
    """Return the type of each tensor as torch-mlir writes it, as far as it is implied."""
    graph = inferred(model, values=True)
    found = {
        tensor.name: _tensor(tensor.data_type, list(tensor.dims))
        for tensor in graph.initializer
    }
    values = [*graph.input, *graph.value_info, *graph.output]
    return found | {value.name: _type(value.type) for value in values}


def _type(kind: onnx.TypeProto) -> str:
    if kind.HasField("sequence_type"):
        return f"!torch.list<{_type(kind.sequence_type.elem_type)[1:]}>"
    if kind.HasField("optional_type"):
        return f"!torch.optional<{_type(kind.optional_type.elem_type)[1:]}>"
    tensor = kind.tensor_type
    if not tensor.HasField("shape"):
        return _tensor(tensor.elem_type, None)
    sizes = [
        axis.dim_value if axis.HasField("dim_value") else None for axis in tensor.shape.dim
    ]
    return _tensor(tensor.elem_type, sizes)


def _tensor(kind: int, sizes: Sequence[int | None] | None) -> str:
    element = _ELEMENTS.get(kind)
    if element is None:
        return "!torch.vtensor"
    if sizes is None:
        return f"!torch.vtensor<*,{element}>"
    listed = ",".join("?" if size is None else str(size) for size in sizes)
    return f"!torch.vtensor<[{listed}],{element}>"


def _constant(name: str, value: Array, kind: int, names: _Names) -> Iterator[str]:
    names.values[name] = names.fresh()
    literal = _literal(name, value, kind, names)
    yield (
        f'    {names.values[name]} = torch.operator "onnx.Constant"() '
        f"{{torch.onnx.value = {literal}}} : () -> {names.kind(name)} loc({_quoted(name)})"
    )


def _operator(node: onnx.NodeProto, names: _Names, indent: str) -> Iterator[str]:
    """Yield the lines of one operator, those of its subgraphs inside it."""
    given = ", ".join(names.value(name) for name in node.input)
    reads = ", ".join(names.kind(name) for name in node.input)
    outputs = [name for name in node.output if name]
    own = names.fresh()
    many = f":{len(outputs)}" if len(outputs) > 1 else ""
    names.values |= {
        name: f"{own}#{place}" if many else own for place, name in enumerate(outputs)
    }
    gives = ", ".join(names.kind(name) for name in outputs)
    graphs = [one for one in node.attribute if one.HasField("g")]
    plain = [one for one in node.attribute if not one.HasField("g") and not one.graphs]
    settings = ", ".join(f"torch.onnx.{one.name} = {_setting(one, names)}" for one in plain)
    domain = f"{node.domain}." if node.domain not in {"", "ai.onnx"} else ""
    head = (
        f'{indent}{own}{many} = torch.operator "onnx.{domain}{node.op_type}"({given}) '
        f"{f'{{{settings}}} ' if settings else ''}: ({reads}) -> "
        f"{f'({gives})' if many or not outputs else gives}"
    )
    where = f"loc({_quoted(node_name(node))})"
    if not graphs:
        yield f"{head} {where}"
        return
    yield f"{head} {{"
    for place, one in enumerate(graphs):
        yield from _region(one.g, names, f"{indent}  ")
        yield f"{indent}}}, {{" if place < len(graphs) - 1 else f"{indent}}} {where}"


def _region(graph: onnx.GraphProto, names: _Names, indent: str) -> Iterator[str]:
    """Yield the lines of a subgraph; it sees the names around it, and they not its own."""
    kinds = {value.name: _type(value.type) for value in graph.input}
    kinds |= {value.name: _type(value.type) for value in (*graph.value_info, *graph.output)}
    own = _Names(dict(names.values), {**names.types, **kinds}, names.resources, names.count)
    inputs = [(value.name, own.fresh()) for value in graph.input]
    own.values |= dict(inputs)
    if inputs:
        listed = ", ".join(f"{given}: {own.kind(name)}" for name, given in inputs)
        yield f"{indent}^bb0({listed}):"
    for tensor in graph.initializer:
        value = numpy_helper.to_array(tensor)
        own.types = {**own.types, tensor.name: _tensor(tensor.data_type, value.shape)}
        yield from _constant(tensor.name, value, tensor.data_type, own)
    for node in graph.node:
        yield from _operator(node, own, indent)
    results = [value.name for value in graph.output]
    given = ", ".join(own.value(name) for name in results)
    listed = ", ".join(own.kind(name) for name in results)
    yield f"{indent}torch.operator_terminator {given} : {listed}"
    names.count = own.count


def _setting(attribute: onnx.AttributeProto, names: _Names) -> str:
    """Return an attribute's value as torch-mlir writes it."""
    value = helper.get_attribute_value(attribute)
    if isinstance(value, onnx.TensorProto):
        array = numpy_helper.to_array(value)
        return _literal(attribute.name, array, value.data_type, names)
    if isinstance(value, list):
        return f"[{', '.join(_scalar(one) for one in value)}]"
    return _scalar(value)


def _scalar(value: object) -> str:
    match value:
        case int():
            return f"{value} : si64"
        case float():
            return f"{_decimal(value)} : f32"
        case bytes():
            return _quoted(value.decode(errors="replace"))
        case _:
            return _quoted(str(value))


def _literal(name: str, value: Array, kind: int, names: _Names) -> str:
    """Return a constant, or where it stands at the end of the module."""
    sizes = "".join(f"{size}x" for size in value.shape)
    element = _ELEMENTS.get(kind, "")
    shaped = f"tensor<{sizes}{element or 'i8'}>"
    if value.size <= INLINE and element:
        return f"dense<{_nested(value) if value.size else ''}> : {shaped}"
    taken = f"_{re.sub(r'[^A-Za-z0-9_]', '_', name)}_{len(names.resources)}"
    names.resources[taken] = value
    return f"dense_resource<{taken}> : {shaped}"


def _nested(value: Array) -> str:
    if value.ndim:
        return f"[{', '.join(_nested(row) for row in value)}]"
    if value.dtype == np.bool_:
        return "true" if value else "false"
    return str(int(value)) if value.dtype.kind in "iu" else _decimal(float(value))


def _decimal(number: float) -> str:
    """Return a float32 as MLIR reads it; what is not finite as its bits."""
    if not np.isfinite(number):
        return f"0x{np.float32(number).view(np.uint32):08X}"
    return f"{number:.9e}"


def _resources(resources: Mapping[str, Array]) -> Iterator[str]:
    """Yield the constants that do not stand where they are used."""
    if not resources:
        return
    yield "{-#"
    yield "  dialect_resources: {"
    yield "    builtin: {"
    last = len(resources) - 1
    for place, (name, value) in enumerate(resources.items()):
        comma = "," if place < last else ""
        stored = np.ascontiguousarray(value).tobytes().hex().upper()
        yield f'      {name}: "0x{ALIGNMENT}{stored}"{comma}'
    yield "    }"
    yield "  }"
    yield "#-}"


def _symbol(name: str) -> str:
    return name if PLAIN.fullmatch(name) else _quoted(name or "main_graph")


def _quoted(text: str) -> str:
    """Return a string literal of MLIR; what it cannot hold stands as two hex digits."""
    stored = (
        chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\{byte:02X}"  # noqa: PLR2004 - printable ASCII
        for byte in text.encode()
    )
    return f'"{"".join(stored)}"'
