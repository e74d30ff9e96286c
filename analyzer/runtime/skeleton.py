"""An ONNX file without its weights: they stay there, and the proto points at them.

The file is mapped and scanned; every embedded weight becomes an external reference into the
same file. A model of gigabytes becomes a proto of kilobytes, in milliseconds.
"""

import mmap
from dataclasses import dataclass
from math import prod
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from analyzer.core.errors import LoadError
from analyzer.core.tensors import external_location, is_external
from analyzer.runtime.soundness import byte_size, check, tensors
from analyzer.runtime.wire import (
    LENGTH,
    Buffer,
    Field,
    MalformedError,
    fields,
    message,
)

SMALLEST_MOVED = 1024
"""Bytes from which a weight leaves the proto; below, its reference would be as large."""

SMALLEST_SCANNED = 1 << 20
"""Bytes from which a node is searched for weights in its attributes and subgraphs."""

DEEPEST = 64
"""Nesting of messages that is followed; protobuf itself refuses more than 100."""

NESTED = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor"},
    "function": {7: "node"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph"},
}
"""Which fields of which message hold messages that can hold weights.

Source: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto"""

RAW, LOCATION, EXTERNAL_ENTRY = 9, 14, 13
"""Fields of a tensor: its raw bytes, where they are, and an entry that says it."""


def read_skeleton(path: Path) -> onnx.ModelProto:
    """Return an ONNX model whose large weights are references into the file itself.

    Args:
        path: An ``.onnx`` file; its folder is what the references are relative to.

    Returns:
        The model as it stands in the file, in the file's order. Embedded weights of 1 KiB
        and more are external data at their offset in `path`.

    Raises:
        LoadError: It is no whole ONNX model, its weights do not fill their shapes, its
            external data are missing or outside its folder, or its graph has a cycle.
    """
    model = _parsed(path)
    check(model, path)
    return model


def _parsed(path: Path) -> onnx.ModelProto:
    """Return the skeleton of a file, not yet checked."""
    try:
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            model = onnx.ModelProto()
            model.ParseFromString(_Scan(content, _own_name(path)).model())
            return model
    except (MalformedError, DecodeError) as surprise:
        raise LoadError(
            f"{path} is no ONNX model, or only a part of one ({surprise})",
            hint="download or convert the model again",
        ) from surprise
    except (OSError, ValueError) as surprise:
        raise LoadError(
            f"{path} cannot be read ({surprise})", hint="name a file that has content"
        ) from surprise


def _own_name(path: Path) -> str:
    """Return the location for weights of a file; empty where they have to be copied.

    A runtime refuses external data behind a link that leads out of the model's folder.
    """
    inside = path.resolve().is_relative_to(path.parent.resolve())
    return path.name if inside else ""


@dataclass(frozen=True, slots=True)
class _Scan:
    """A mapped file and the location that its weights get."""

    content: Buffer
    location: str

    def model(self) -> bytes:
        """Return the whole file without its large weights."""
        if not self.location:
            return self.content[:]
        return self._message("model", 0, len(self.content), 0)

    def _message(self, kind: str, start: int, end: int, depth: int) -> bytes:
        """Return a message without the large weights inside it."""
        if depth > DEEPEST:
            raise MalformedError("messages are nested too deep")
        if kind == "tensor":
            return self._tensor(start, end)
        pieces = []
        for field in fields(self.content, start, end):
            inner = NESTED[kind].get(field.number, "") if field.kind == LENGTH else ""
            if inner and self._is_large(inner, field):
                part = self._message(inner, field.content, field.end, depth + 1)
                pieces.append(message(field.number, part))
            else:
                pieces.append(self.content[field.start : field.end])
        return b"".join(pieces)

    @staticmethod
    def _is_large(kind: str, field: Field) -> bool:
        """Return whether a message is large enough to be searched."""
        smallest = SMALLEST_SCANNED if kind == "node" else SMALLEST_MOVED
        return field.end - field.content >= smallest

    def _tensor(self, start: int, end: int) -> bytes:
        """Return a tensor whose raw bytes, where they are many, are only pointed at."""
        parts = list(fields(self.content, start, end))
        raw = [part for part in parts if part.number == RAW and part.kind == LENGTH]
        if len(raw) != 1 or raw[0].end - raw[0].content < SMALLEST_MOVED:
            return self.content[start:end]
        if any(part.number in {LOCATION, EXTERNAL_ENTRY} for part in parts):
            return self.content[start:end]
        kept = (part for part in parts if part.number != RAW)
        pieces = (self.content[part.start : part.end] for part in kept)
        return b"".join(pieces) + self._reference(raw[0])

    def _reference(self, raw: Field) -> bytes:
        """Return the tensor fields that point at raw bytes in the file."""
        where = onnx.TensorProto(data_location=onnx.TensorProto.EXTERNAL)
        where.external_data.add(key="location", value=self.location)
        where.external_data.add(key="offset", value=str(raw.content))
        where.external_data.add(key="length", value=str(raw.end - raw.content))
        return bytes(where.SerializeToString())


def embed(model: onnx.ModelProto, folder: Path) -> onnx.ModelProto:
    """Return a copy of a model that holds all its values itself.

    Args:
        model: A model, of less than two gigabytes with its weights.
        folder: The folder its external locations are relative to.

    Raises:
        LoadError: External data are missing or too short.
    """
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    for tensor in tensors(whole):
        if is_external(tensor):
            tensor.raw_data = _external_bytes(tensor, folder)
            tensor.ClearField("external_data")
            tensor.ClearField("data_location")
    return whole


def _external_bytes(tensor: onnx.TensorProto, folder: Path) -> bytes:
    """Return the bytes of an external tensor."""
    location, offset, _ = external_location(tensor)
    size = byte_size(tensor.data_type, prod(tensor.dims))
    try:
        with (folder / location).open("rb") as file:
            file.seek(offset)
            values = file.read(size)
    except OSError as surprise:
        raise LoadError(
            f"{folder / location} holds initializer {tensor.name} but cannot be read"
            f" ({surprise.strerror})",
            hint="put the model's external data file back beside it",
        ) from surprise
    if len(values) < size:
        raise LoadError(
            f"{folder / location} ends before the values of initializer {tensor.name}",
            hint="restore the model's external data file beside it",
        )
    return values
