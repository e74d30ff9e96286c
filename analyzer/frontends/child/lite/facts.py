"""What a TFLite file says of its graphs: tensors, their grids and values, operators."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from analyzer.core.errors import LoadError
from analyzer.core.types import Array

NOTHING = -1
"""How an operator says that an optional input is absent."""

FREE = -1
"""The size of an axis that is free."""

NAMES = {number: name for name, number in vars(schema.BuiltinOperator).items()}
"""Name of each operator by its number in the schema."""

TYPES = {number: name for name, number in vars(schema.TensorType).items()}
"""Name of each element type by its number in the schema."""

PACKED = "INT4"
"""The type of which a byte holds two, the lower half first."""

PLAIN = {
    name: np.dtype(name.lower())
    for name in (
        *("FLOAT16", "FLOAT32", "FLOAT64", "BOOL", "INT8", "INT16", "INT32", "INT64"),
        *("UINT8", "UINT16", "UINT32", "UINT64"),
    )
}
"""The element types that NumPy and ONNX both have."""


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """How integers stand for floats: ``(integer - zero) * scale``.

    Attributes:
        scale: Float32, one number or one for each index along `axis`.
        zero: Integers of the tensor's dtype, as many as scales.
        axis: The axis along which scales differ.
    """

    scale: Array
    zero: Array
    axis: int

    @property
    def is_per_tensor(self) -> bool:
        """Whether one scale holds for all."""
        return self.scale.size == 1


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """A tensor of a graph.

    Attributes:
        name: Its own name, or one made of its place where another tensor has that.
        dtype: Element type; None where neither NumPy nor ONNX has it.
        sizes: Of each axis, `FREE` where it is free.
        grid: What its integers stand for, if they do.
        value: Its constant value; None where it is computed.
        starts_at_zero: Whether it is a state, which is zero before the first operator.
    """

    name: str
    dtype: np.dtype[np.generic] | None
    sizes: tuple[int, ...]
    grid: Grid | None
    value: Array | None
    starts_at_zero: bool


@dataclass(frozen=True, slots=True, eq=False)
class Operator:
    """An operator of a graph.

    Attributes:
        place: Its index in the order they run.
        kind: Its name in the schema, such as ``CONV_2D``; of a custom one, its own.
        options: Its options table, untyped.
        inputs: Indices of the tensors it reads, `NOTHING` where one is absent.
        outputs: Indices of the tensors it gives.
    """

    place: int
    kind: str
    options: Any
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A graph: the model's own is the first, the others are bodies and branches.

    Attributes:
        name: Its name in the file, may be empty.
        tensors: All it has.
        operators: In the order they run.
        inputs: Indices of its inputs.
        outputs: Indices of its outputs.
    """

    name: str
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def graphs(tree: Any) -> tuple[Graph, ...]:
    """Return the graphs of a flatbuffer.

    Args:
        tree: Its `schema.ModelT`, references checked.

    Raises:
        LoadError: A constant's bytes do not fill its shape, or it is stored as sparse, or
            a zero point is none of its tensor's integers.
    """
    taken: set[str] = set()
    return tuple(_graph(tree, graph, taken) for graph in tree.subgraphs)


def _graph(tree: Any, graph: Any, taken: set[str]) -> Graph:
    operators = enumerate(_list(graph.operators))
    return Graph(
        (graph.name or b"").decode("utf-8", "replace"),
        tuple(_tensors(tree, graph, taken)),
        tuple(_operator(tree, place, operator) for place, operator in operators),
        _indices(graph.inputs),
        _indices(graph.outputs),
    )


def _tensors(tree: Any, graph: Any, taken: set[str]) -> Iterator[Tensor]:
    for place, tensor in enumerate(_list(graph.tensors)):
        own = tensor.name.decode("utf-8", "replace") or "tensor"
        name = own
        while name in taken:
            name = f"{name}@{place}"
        taken.add(name)
        yield _tensor(tree, tensor, name)


def _tensor(tree: Any, tensor: Any, name: str) -> Tensor:
    declared = tensor.shape if tensor.shapeSignature is None else tensor.shapeSignature
    kind = TYPES.get(tensor.type, "")
    dtype = np.dtype(np.int8) if kind == PACKED else PLAIN.get(kind)
    value = _value(tree, tensor, name, (kind, dtype))
    return Tensor(
        name,
        dtype,
        _indices(declared),
        None if dtype is None else _grid(tensor, name, dtype),
        value,
        bool(tensor.isVariable),
    )


def _value(
    tree: Any, tensor: Any, name: str, kind: tuple[str, np.dtype[np.generic] | None]
) -> Array | None:
    octets = tree.buffers[tensor.buffer].data
    called, dtype = kind
    shape = _indices(tensor.shape)
    if octets is None or dtype is None:
        return None
    if tensor.sparsity is not None:
        raise LoadError(
            f"the constant {name} is stored as sparse, which no importer here reads",
            hint="convert the model without sparse weights",
        )
    if len(octets) == 0 and np.prod(shape) != 0:
        return None
    plain = np.asarray(octets, np.uint8)
    stored = unpacked(plain)[: int(np.prod(shape))] if called == PACKED else plain
    if stored.size != int(np.prod(shape)) * dtype.itemsize:
        raise LoadError(
            f"the constant {name} has {stored.size} bytes, its shape {list(shape)} of "
            f"{dtype} takes {int(np.prod(shape)) * dtype.itemsize}",
            hint="convert or download the model again",
        )
    return np.ascontiguousarray(stored).view(dtype).reshape(shape)


def unpacked(octets: Array) -> Array:
    """Return integers of four bits, two from each byte, as int8.

    Args:
        octets: uint8, one axis; the lower half of a byte comes first.
    """
    halves = np.stack([octets << 4, octets], axis=1).astype(np.uint8)
    return np.asarray(halves.reshape(-1).view(np.int8) >> 4)


def _grid(tensor: Any, name: str, dtype: np.dtype[np.generic]) -> Grid | None:
    own = tensor.quantization
    if own is None or own.scale is None or not np.size(own.scale) or dtype.kind not in "iu":
        return None
    scale = np.asarray(own.scale, np.float32)
    zero = np.zeros(scale.size, dtype)
    if own.zeroPoint is not None and np.size(own.zeroPoint):
        told = np.broadcast_to(np.asarray(own.zeroPoint), scale.shape)
        zero = told.astype(dtype)
        _refuse_outside(name, told, zero)
    return Grid(scale, zero, int(own.quantizedDimension))


def _refuse_outside(name: str, told: Array, held: Array) -> None:
    wrong = told[told != held]
    if wrong.size:
        raise LoadError(
            f"the zero point of the tensor {name} is {wrong[0]}, which {held.dtype} does "
            "not hold: no integer of it stands for zero",
            hint="convert the model again: the file mixes signed and unsigned integers",
        )


def _operator(tree: Any, place: int, operator: Any) -> Operator:
    code = tree.operatorCodes[operator.opcodeIndex]
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    name = NAMES.get(number, f"operator code {number}")
    custom = (code.customCode or b"").decode("utf-8", "replace")
    return Operator(
        place,
        f"CUSTOM {custom}" if name == "CUSTOM" else name,
        operator.builtinOptions,
        _indices(operator.inputs),
        _indices(operator.outputs),
    )


def _indices(values: Any) -> tuple[int, ...]:
    return tuple(int(one) for one in _list(values))


def _list(values: Any) -> Sequence[Any]:
    """Return a vector of the flatbuffer, which is None where the file leaves it out."""
    return () if values is None else values
