"""The bytes of a repaired flatbuffer: the user's own where only stored values changed."""

from collections.abc import Callable, Iterator
from typing import Protocol, cast

import numpy as np

from analyzer.core.types import Array
from rewriter.export.tflite_file import FbBuffer, FbTensor, Flatbuffer, packed, parsed

GRID = {"scale": "ScaleAsNumpy", "zeroPoint": "ZeroPointAsNumpy"}
"""What a tensor's grid stores, and how the file's own bytes of it are had."""

Change = tuple[Array, Array]
"""Bytes or numbers in the file, and what is to stand there."""


class FbPlace(Protocol):
    """A part of the file that tells where its bytes are."""

    Buffers: Callable[[int], "FbPlace"]
    Subgraphs: Callable[[int], "FbPlace"]
    Tensors: Callable[[int], "FbPlace"]
    Quantization: Callable[[], "FbPlace | None"]
    DataAsNumpy: Callable[[], object]


def written(flatbuffer: Flatbuffer, content: bytes) -> bytes:
    """Return the bytes of a repaired tree.

    Where nothing but weights and grids changed, and none of them its size, they are the
    user's bytes with the new values over the old ones; else the tree is packed anew.

    Args:
        flatbuffer: The repaired tree.
        content: The user's bytes.
    """
    whole = packed(flatbuffer)
    if not _has_its_parts(flatbuffer, parsed(content)):
        return whole
    same = bytearray(content)
    for there, wanted in _changes(flatbuffer, same):
        if there.size != wanted.size:
            return whole
        there[:] = wanted
    return bytes(same) if packed(parsed(bytes(same))) == whole else whole


def _has_its_parts(flatbuffer: Flatbuffer, own: Flatbuffer) -> bool:
    """Return whether a tree has as many buffers and tensors as the user's own."""
    ours, theirs = flatbuffer.model, own.model
    tensors = [[len(one.tensors) for one in model.subgraphs] for model in (ours, theirs)]
    return len(ours.buffers) == len(theirs.buffers) and tensors[0] == tensors[1]


def _changes(flatbuffer: Flatbuffer, content: bytearray) -> Iterator[Change]:
    """Yield what stands in the file where a tree stores values, and those values."""
    root = cast("FbPlace", flatbuffer.schema.Model.GetRootAs(content, 0))
    for index, buffer in enumerate(flatbuffer.model.buffers):
        yield from _octets(root.Buffers(index), buffer)
    for number, graph in enumerate(flatbuffer.model.subgraphs):
        for index, tensor in enumerate(graph.tensors):
            yield from _grid(root.Subgraphs(number).Tensors(index), tensor)


def _octets(place: FbPlace, buffer: FbBuffer) -> Iterator[Change]:
    there = place.DataAsNumpy()
    if buffer.data is not None and isinstance(there, np.ndarray):
        yield there, np.asarray(buffer.data, np.uint8)


def _grid(place: FbPlace, tensor: FbTensor) -> Iterator[Change]:
    if tensor.quantization is None:
        return
    for name, read in GRID.items():
        wanted = getattr(tensor.quantization, name)
        there = getattr(place.Quantization(), read, lambda: None)()
        if wanted is not None and isinstance(there, np.ndarray):
            yield there, np.asarray(wanted, there.dtype)
