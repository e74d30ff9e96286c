"""Large constants kept apart while tf2onnx works, so that it copies names and not weights.

tf2onnx copies its whole graph for each pass of its optimizer, a dozen and more per model,
and writes each constant into two messages of each copy. It reads and makes constants with
`onnx.numpy_helper` alone; there, a large one is exchanged for a stand-in of its dtype and
shape that holds a digest. Equal constants have equal stand-ins, so what tf2onnx compares
compares as before.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from analyzer.core.types import Array

LARGE = 1 << 14
"""Bytes from which a constant is kept apart: shapes, axes and scales, which tf2onnx and
shape inference look at in their own ways, are far smaller."""

MARK = b"\0stands in\0"
"""How the content of a stand-in begins; no tensor of `LARGE` bytes is as short."""

Values = dict[bytes, Array]


@contextmanager
def values_apart() -> Iterator[Values]:
    """Let large constants be kept apart by whoever makes them with `numpy_helper`.

    Yields:
        The values that stand-ins made in this context stand for, as they come to be.
    """
    values: Values = {}
    to_array, from_array = numpy_helper.to_array, numpy_helper.from_array

    def value(tensor: onnx.TensorProto, *rest: Any, **more: Any) -> Array:
        known = values.get(tensor.raw_data) if tensor.raw_data.startswith(MARK) else None
        return to_array(tensor, *rest, **more) if known is None else known

    def constant(array: Any, name: str | None = None) -> onnx.TensorProto:
        return (
            stand_in(array, name, values) if _is_large(array) else from_array(array, name)
        )

    numpy_helper.to_array, numpy_helper.from_array = value, constant
    try:
        yield values
    finally:
        numpy_helper.to_array, numpy_helper.from_array = to_array, from_array


def put_back(model: onnx.ModelProto, values: Values) -> None:
    """Give every stand-in of a model the content that it stands for.

    Args:
        model: What was made in the context of `values_apart`; it is changed.
        values: What that context gave.
    """
    for tensor in _tensors(model.graph):
        if tensor.raw_data in values:
            tensor.raw_data = values[tensor.raw_data].tobytes()


def _is_large(array: Any) -> bool:
    return array.dtype.kind in "biuf" and array.nbytes >= LARGE


def stand_in(array: Array, name: str | None, values: Values) -> onnx.TensorProto:
    """Return a tensor that stands for an array, which is kept, once for equal ones.

    Args:
        array: Any shape, of a dtype of NumPy's own.
        name: The tensor's.
        values: Where the array is kept.
    """
    kept = np.ascontiguousarray(array).view()
    kept.flags.writeable = False
    described = f"{kept.dtype.str} {array.shape} ".encode()
    digest = hashlib.blake2b(described, digest_size=32)
    digest.update(kept.reshape(-1).view(np.uint8).data)
    content = MARK + digest.digest()
    values.setdefault(content, kept.reshape(array.shape))
    kind = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
    return onnx.TensorProto(name=name, dims=array.shape, data_type=kind, raw_data=content)


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Yield every constant of a graph and of those within it."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield attribute.t
            yield from attribute.tensors
            for inner in (attribute.g, *attribute.graphs):
                yield from _tensors(inner)
