"""A TFLite flatbuffer, looked at before any native code reads it."""

from collections.abc import Iterator
from pathlib import Path
from struct import error as struct_error
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from analyzer.core.errors import LoadError

IDENTIFIER = b"TFL3"
NONE = -1
"""How an operator says that an optional input is absent."""

BROKEN = (struct_error, IndexError, ValueError, TypeError, AttributeError, MemoryError)
"""What the generated reader raises on a broken file: it trusts every offset it meets."""


def read(path: str) -> Any:
    """Return a flatbuffer's object tree, its references checked.

    Args:
        path: A ``.tflite`` file.

    Raises:
        LoadError: It is no TFLite flatbuffer, is cut short, or refers to what it has not.
    """
    content = Path(path).read_bytes()
    if content[4:8] != IDENTIFIER:
        raise LoadError(
            f"{path} is not a TFLite model: it starts with {content[:8]!r}, where "
            f"{IDENTIFIER!r} should follow four bytes",
            hint="convert or download the model again",
        )
    try:
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(bytearray(content), 0))
        surprise = next(dangling(model), None) or next(_filled(model, content), None)
    except BROKEN as error:
        raise broken(path, f"its flatbuffer cannot be followed: {error}") from error
    if surprise:
        raise broken(path, surprise)
    return model


OUTSIDE = 1
"""Buffers whose offset is above this keep their bytes behind the flatbuffer."""


def _filled(model: Any, content: bytes) -> Iterator[str]:
    """Give buffers the bytes that stand behind the tables; yield what cannot be given.

    Source: `Buffer.offset` in TensorFlow's schema.fbs, for files above 2 GiB.
    """
    for place, buffer in enumerate(_list(model.buffers)):
        if buffer.offset <= OUTSIDE:
            continue
        if buffer.offset + buffer.size > len(content):
            yield f"buffer {place} ends behind the end of the file"
            return
        buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)


def broken(path: str, surprise: str) -> LoadError:
    """Return the error for a file that is a flatbuffer by its first bytes only."""
    return LoadError(
        f"{path} is damaged ({surprise})", hint="convert or download the model again"
    )


def dangling(model: Any) -> Iterator[str]:
    """Yield a sentence for each reference to something the model has not.

    Args:
        model: A `schema.ModelT`.
    """
    if not model.subgraphs:
        yield "it holds no graph"
        return
    codes, buffers = len(_list(model.operatorCodes)), len(_list(model.buffers))
    for graph in model.subgraphs:
        tensors = len(_list(graph.tensors))
        for tensor in _list(graph.tensors):
            yield from _tensor(tensor, buffers)
        for index in (*_list(graph.inputs), *_list(graph.outputs)):
            if not 0 <= index < tensors:
                yield f"a graph's input or output is tensor {index} of {tensors}"
        for place, operator in enumerate(_list(graph.operators)):
            yield from _operator(place, operator, tensors, codes)


def _tensor(tensor: Any, buffers: int) -> Iterator[str]:
    if tensor.name is None:
        yield "a tensor has no name"
        return
    name = tensor.name.decode("utf-8")
    if not 0 <= tensor.buffer < buffers:
        yield f"tensor {name} reads buffer {tensor.buffer} of {buffers}"
    if any(size < 0 for size in _list(tensor.shape)):
        yield f"tensor {name} has a negative size"


def _operator(place: int, operator: Any, tensors: int, codes: int) -> Iterator[str]:
    if not 0 <= operator.opcodeIndex < codes:
        yield f"operator {place} has code {operator.opcodeIndex} of {codes}"
    for index in _list(operator.inputs):
        if index != NONE and not 0 <= index < tensors:
            yield f"operator {place} reads tensor {index} of {tensors}"
    for index in _list(operator.outputs):
        if not 0 <= index < tensors:
            yield f"operator {place} writes tensor {index} of {tensors}"


def _list(values: Any) -> Any:
    """Return a vector of the flatbuffer, which is None where the file leaves it out."""
    return () if values is None else values
