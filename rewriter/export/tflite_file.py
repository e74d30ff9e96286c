"""A TFLite flatbuffer as an object tree: read, grown by new parts, and packed again."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Protocol, cast

import numpy as np

from analyzer.core.errors import ExportError
from analyzer.core.types import Array

IDENTIFIER = b"TFL3"
ALIGNMENT = 16
"""Bytes that a weight's start is aligned to, so that kernels may read it mapped.

Source: `Buffer.data (force_align: 16)` in TensorFlow's schema.fbs."""

LAST_OLD_CODE = 127
"""Operator codes above this do not fit the field that old runtimes read."""

NOTHING = -1
"""How an operator says that an optional input is absent."""

OUTSIDE = 1
"""Buffers whose offset is above this keep their bytes behind the flatbuffer."""


class FbTensor(Protocol):
    """A tensor of the flatbuffer; `buffer` 0 is the empty one."""

    name: bytes
    shape: Array | None
    shapeSignature: Array | None  # noqa: N815  # the schema's name
    type: int
    buffer: int
    quantization: object


class FbOperator(Protocol):
    """An operator of the flatbuffer; its inputs and outputs are tensor indices."""

    opcodeIndex: int  # noqa: N815  # the schema's name
    inputs: Array
    outputs: Array
    builtinOptions: object  # noqa: N815  # the schema's name
    builtinOptionsType: int  # noqa: N815  # the schema's name


class FbGraph(Protocol):
    """A graph of the flatbuffer, its operators in the order they run."""

    tensors: list[FbTensor]
    operators: list[FbOperator]
    inputs: Array
    outputs: Array


class FbBuffer(Protocol):
    """The bytes behind tensors."""

    data: Array | None
    offset: int


class FbCode(Protocol):
    """A kind of operator."""

    builtinCode: int  # noqa: N815  # the schema's name
    deprecatedBuiltinCode: int  # noqa: N815  # the schema's name


class FbModel(Protocol):
    """The root of the tree."""

    subgraphs: list[FbGraph]
    buffers: list[FbBuffer]
    operatorCodes: list[FbCode]  # noqa: N815  # the schema's name


@dataclass(frozen=True, slots=True, eq=False)
class Flatbuffer:
    """A model's tree, changed in place until it is packed, and the schema it follows."""

    model: FbModel
    schema: ModuleType

    @property
    def graph(self) -> FbGraph:
        """The graph that runs."""
        return self.model.subgraphs[0]


def read(path: Path) -> Flatbuffer:
    """Return a flatbuffer's object tree.

    Args:
        path: A ``.tflite`` file that was loaded before.

    Raises:
        ExportError: Its weights lie outside the flatbuffer, which cannot be packed.
    """
    flatbuffer = parsed(path.read_bytes())
    if any(buffer.offset > OUTSIDE for buffer in flatbuffer.model.buffers):
        raise ExportError(
            f"{path} keeps weights behind its flatbuffer, which cannot be rewritten here",
            hint="write the repaired model with -o to an .onnx file",
        )
    return flatbuffer


def parsed(content: bytes) -> Flatbuffer:
    """Return the object tree of a flatbuffer's bytes.

    Args:
        content: Those of a ``.tflite`` file that was loaded before.
    """
    from ai_edge_litert import schema_py_generated as schema

    root = schema.Model.GetRootAs(bytearray(content), 0)
    return Flatbuffer(cast("FbModel", schema.ModelT.InitFromObj(root)), schema)


def description(path: Path) -> str:
    """Return what a ``.tflite`` file says of itself; empty where it says nothing.

    Args:
        path: A file that was loaded before.
    """
    from ai_edge_litert import schema_py_generated as schema

    said = schema.Model.GetRootAs(bytearray(path.read_bytes()), 0).Description()
    return "" if said is None else cast("bytes", said).decode("utf-8", "replace")


def packed(flatbuffer: Flatbuffer) -> bytes:
    """Return a tree as the bytes of a ``.tflite`` file.

    Args:
        flatbuffer: The tree.
    """
    import flatbuffers

    schema, model = flatbuffer.schema, flatbuffer.model

    class Aligned(schema.BufferT):  # type: ignore[misc,name-defined]  # the schema is untyped
        """A buffer that packs its bytes aligned; the generated one forgets to."""

        def Pack(self, builder: flatbuffers.Builder) -> int:  # noqa: N802  # overridden
            """Write the buffer and return where it stands."""
            start = 0 if self.data is None else _aligned_vector(builder, self.data)
            schema.BufferStart(builder)
            if self.data is not None:
                schema.BufferAddData(builder, start)
            return cast("int", schema.BufferEnd(builder))

    model.buffers = [cast("FbBuffer", Aligned(data=one.data)) for one in model.buffers]
    builder = flatbuffers.Builder(1024)
    builder.Finish(cast("_Packable", model).Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


class _Builder(Protocol):
    head: int
    Bytes: bytearray

    def StartVector(self, size: int, count: int, alignment: int) -> int: ...  # noqa: N802

    def EndVector(self) -> int: ...  # noqa: N802


class _Packable(Protocol):
    def Pack(self, builder: object) -> int: ...  # noqa: N802


def _aligned_vector(builder: _Builder, octets: Array) -> int:
    content = np.asarray(octets, np.uint8).tobytes()
    builder.StartVector(1, len(content), ALIGNMENT)
    builder.head -= len(content)
    builder.Bytes[builder.head : builder.head + len(content)] = content
    return builder.EndVector()


def kind(flatbuffer: Flatbuffer, operator: FbOperator) -> str:
    """Return an operator's name as the schema has it, such as ``CONV_2D``.

    Args:
        flatbuffer: The tree.
        operator: One of its operators.
    """
    code = flatbuffer.model.operatorCodes[operator.opcodeIndex]
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    names = vars(flatbuffer.schema.BuiltinOperator).items()
    return next((name for name, value in names if value == number), "CUSTOM")


def option(operator: FbOperator, name: str) -> object:
    """Return an operator's option, None where it has no such option.

    Args:
        operator: The operator.
        name: The option's name in the schema.
    """
    return getattr(operator.builtinOptions, name, None)


def set_option(operator: FbOperator, name: str, value: object) -> None:
    """Set an operator's option.

    Args:
        operator: The operator.
        name: The option's name in the schema.
        value: A number or a truth value.
    """
    setattr(operator.builtinOptions, name, value)


def tensor_name(tensor: FbTensor) -> str:
    """Return a tensor's name."""
    return tensor.name.decode("utf-8", "replace")


def value(flatbuffer: Flatbuffer, index: int) -> Array | None:
    """Return a tensor's constant value; None where it is computed.

    Args:
        flatbuffer: The tree.
        index: The tensor.

    Returns:
        An array of the tensor's shape and dtype.
    """
    if index == NOTHING:
        return None
    tensor = flatbuffer.graph.tensors[index]
    octets = flatbuffer.model.buffers[tensor.buffer].data
    dtype = dtypes(flatbuffer.schema).get(tensor.type)
    if octets is None or len(octets) == 0 or dtype is None:
        return None
    shape = () if tensor.shape is None else tuple(int(size) for size in tensor.shape)
    return np.asarray(octets, np.uint8).view(dtype).reshape(shape)


def dtypes(schema: ModuleType) -> Mapping[int, np.dtype[np.generic]]:
    """Return the NumPy dtype of each of the schema's plain tensor types."""
    names = ("float32", "float16", "float64", "int8", "int16", "int32", "int64", "uint8")
    plain = {getattr(schema.TensorType, name.upper()): np.dtype(name) for name in names}
    return {**plain, schema.TensorType.BOOL: np.dtype(bool)}


def set_value(
    flatbuffer: Flatbuffer, operator: FbOperator, slot: int, array: Array
) -> None:
    """Give an operator's constant input a value; others that read it keep theirs.

    Args:
        flatbuffer: The tree.
        operator: The reader.
        slot: Which of its inputs, an absent one at most one behind the last.
        array: The value, in the dtype and layout of the flatbuffer.
    """
    inputs = [int(index) for index in operator.inputs]
    inputs += [NOTHING] * (slot + 1 - len(inputs))
    old = inputs[slot]
    name = f"{_first_output(flatbuffer, operator)}_{slot}"
    if old != NOTHING:
        name = tensor_name(flatbuffer.graph.tensors[old])
    if old == NOTHING or _is_shared(flatbuffer, old):
        inputs[slot] = add_constant(flatbuffer, name, array)
        operator.inputs = np.array(inputs, np.int32)
        return
    tensor = flatbuffer.graph.tensors[old]
    flatbuffer.model.buffers[tensor.buffer].data = _octets(array)
    tensor.shape = np.array(array.shape, np.int32)


def _first_output(flatbuffer: Flatbuffer, operator: FbOperator) -> str:
    return tensor_name(flatbuffer.graph.tensors[int(operator.outputs[0])])


def _is_shared(flatbuffer: Flatbuffer, index: int) -> bool:
    """Return whether anything else reads a tensor or its bytes."""
    graphs = flatbuffer.model.subgraphs
    graph = flatbuffer.graph
    reads = sum(int(i) == index for one in graph.operators for i in one.inputs)
    bytes_of = graph.tensors[index].buffer
    tensors = sum(tensor.buffer == bytes_of for one in graphs for tensor in one.tensors)
    return reads > 1 or tensors > 1 or index in {int(i) for i in graph.outputs}


def _octets(array: Array) -> Array:
    return np.frombuffer(np.ascontiguousarray(array).tobytes(), np.uint8)


def add_constant(flatbuffer: Flatbuffer, name: str, array: Array) -> int:
    """Return the index of a new constant tensor.

    Args:
        flatbuffer: The tree, which grows.
        name: What to call it.
        array: Its value, in the dtype and layout of the flatbuffer.
    """
    buffer = flatbuffer.schema.BufferT(data=_octets(array))
    flatbuffer.model.buffers.append(buffer)
    place = len(flatbuffer.model.buffers) - 1
    return _add_tensor(flatbuffer, name, array.shape, array.dtype, place)


def add_tensor(flatbuffer: Flatbuffer, name: str, like: int, shape: Sequence[int]) -> int:
    """Return the index of a new computed tensor.

    Args:
        flatbuffer: The tree, which grows.
        name: What to call it.
        like: The tensor whose element type it has.
        shape: Its sizes; the runtime derives them anew.
    """
    dtype = dtypes(flatbuffer.schema)[flatbuffer.graph.tensors[like].type]
    return _add_tensor(flatbuffer, name, shape, dtype, 0)


def _add_tensor(
    flatbuffer: Flatbuffer,
    name: str,
    shape: Sequence[int],
    dtype: np.dtype[np.generic],
    buffer: int,
) -> int:
    graph, schema = flatbuffer.graph, flatbuffer.schema
    taken = {tensor_name(tensor) for tensor in graph.tensors}
    unique = next(one for one in _numbered(name) if one not in taken)
    codes = {known: code for code, known in dtypes(schema).items()}
    tensor = schema.TensorT(
        shape=np.array(shape, np.int32),
        type=codes[dtype],
        buffer=buffer,
        name=unique.encode(),
        hasRank=True,
    )
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _numbered(name: str) -> Iterable[str]:
    yield name
    yield from (f"{name}_{count}" for count in range(2, 1_000_000))


def make_operator(
    flatbuffer: Flatbuffer,
    name: str,
    options: tuple[str, Mapping[str, object]],
    inputs: Sequence[int],
    output: int,
) -> FbOperator:
    """Return a new operator, not yet in the graph.

    Args:
        flatbuffer: The tree, whose operator codes may grow.
        name: The operator's name in the schema.
        options: The name of its options table, empty for none, and the options set in it.
        inputs: Tensors it reads.
        output: The tensor it gives.
    """
    schema = flatbuffer.schema
    table, values = options
    made = schema.OperatorT(
        opcodeIndex=_code(flatbuffer, name),
        inputs=np.array(inputs, np.int32),
        outputs=np.array([output], np.int32),
    )
    if table:
        made.builtinOptionsType = getattr(schema.BuiltinOptions, table)
        made.builtinOptions = getattr(schema, f"{table}T")(**values)
    return cast("FbOperator", made)


def _code(flatbuffer: Flatbuffer, name: str) -> int:
    """Return the index of an operator code, a new one where the model has none like it."""
    number = getattr(flatbuffer.schema.BuiltinOperator, name)
    codes = flatbuffer.model.operatorCodes
    for index, code in enumerate(codes):
        if max(code.builtinCode, code.deprecatedBuiltinCode) == number:
            return index
    codes.append(
        flatbuffer.schema.OperatorCodeT(
            builtinCode=number, deprecatedBuiltinCode=min(number, LAST_OLD_CODE), version=1
        )
    )
    return len(codes) - 1
