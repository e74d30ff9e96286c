"""A repaired ONNX model on disk: embedded weights embedded again, external ones external.

The proto may be a skeleton whose weights are references into a file. They are copied from
there piece by piece, so that no model has to fit in memory.
"""

import filecmp
import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import onnx
from google.protobuf.message import Message

from analyzer.core.errors import ExportError
from analyzer.core.tensors import external_location, is_external
from analyzer.core.types import Pivot
from analyzer.runtime.wire import LENGTH, encoded
from rewriter.export.beside import replacing
from rewriter.export.native_format import CHUNK, NativeFormat, copied, ends_in
from rewriter.export.onnx_facts import facts

LARGEST = 2**31 - 1
"""Bytes of the largest proto that protobuf reads back.

Source: https://protobuf.dev/programming-guides/proto-limits"""

SMALLEST_MOVED = 1024
"""Bytes from which a new weight goes to a side file when the proto gets too large."""

RAW = 9
"""The field of a tensor that holds its raw bytes."""

CARRIERS = {
    "ModelProto": ("graph", "functions"),
    "GraphProto": ("node", "initializer", "sparse_initializer"),
    "FunctionProto": ("node",),
    "NodeProto": ("attribute",),
    "AttributeProto": ("t", "tensors", "g", "graphs", "sparse_tensor", "sparse_tensors"),
    "SparseTensorProto": ("values", "indices"),
}
"""Which fields of which message may hold weights."""


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes that stand in another file."""

    path: Path
    offset: int
    length: int

    def __len__(self) -> int:
        """Return the number of bytes."""
        return self.length


Piece = bytes | Span


@dataclass(frozen=True, slots=True)
class _Placing:
    """Where each weight goes: into the proto, into a side file, or it stays where it is."""

    folder: Path
    inline: Collection[str] | None
    side: str = ""

    def takes_in(self, tensor: onnx.TensorProto) -> bool:
        """Return whether an external tensor becomes embedded."""
        if not is_external(tensor):
            return False
        return self.inline is None or external_location(tensor)[0] in self.inline


def write(original: Path, model: onnx.ModelProto, out: Path) -> None:
    """Write an edited copy of the user's ``.onnx`` file, laid out as the user's is.

    Args:
        original: The user's file, which the skeleton's embedded weights point into.
        model: The edited skeleton.
        out: Where it goes. Side files are copied along where `out` is in another folder.

    Raises:
        ExportError: The folder or the disk refuses, or a side file would be replaced.
    """
    copy_sides(original, model, out)
    _write(model, _Placing(original.parent, {original.name}), out)


def copy(target: Pivot, out: Path) -> None:
    """Write a target that needs no repair: its very bytes, its side files beside them.

    Args:
        target: The model.
        out: Where it goes.

    Raises:
        ExportError: The disk refuses, or a side file would be replaced.
    """
    copy_sides(target.path, target.model, out)
    copied(target, out)


def copy_sides(original: Path, model: onnx.ModelProto, out: Path) -> None:
    """Copy the files of external weights along to another folder.

    Args:
        original: The user's file.
        model: What is to be written beside them.
        out: Where it goes.

    Raises:
        ExportError: A side file would be replaced, or the disk refuses.
    """
    shared = original.parent.samefile(out.parent)
    sides = () if shared else _sides(model, original.name)
    for location in sides:
        _refuse_clobbering(original.parent / location, out.parent / location)
    for location in sides:
        _copy_side(original.parent / location, out.parent / location)


def write_whole(model: onnx.ModelProto, folder: Path, out: Path) -> None:
    """Write a model with its weights inside, or in one side file if they are too many.

    Args:
        model: The model; its external locations are relative to `folder`.
        folder: See `model`.
        out: Where it goes.

    Raises:
        ExportError: The folder or the disk refuses.
    """
    _write(model, _Placing(folder, None), out)


def _write(model: onnx.ModelProto, placing: _Placing, out: Path) -> None:
    moved: list[Piece] = []
    pieces = _pieces(model, placing, moved)
    if sum(map(len, pieces)) > LARGEST:
        outside = _Placing(placing.folder, placing.inline, f"{out.name}.data")
        pieces = _pieces(model, outside, moved)
        with replacing(out.with_name(outside.side)) as file:
            _pour(moved, file)
    with replacing(out) as file:
        _pour(pieces, file)


def _pieces(message: Message, placing: _Placing, moved: list[Piece]) -> list[Piece]:
    """Return a message as bytes, in pieces, each weight where `placing` wants it.

    Args:
        message: The model, or a part of it.
        placing: Where weights go.
        moved: What goes to the side file, in order; it grows.
    """
    if isinstance(message, onnx.TensorProto):
        return _tensor_pieces(message, placing, moved)
    carriers = _carriers(message)
    if not carriers:
        return [message.SerializeToString(deterministic=True)]
    rest = type(message)()
    rest.CopyFrom(message)
    for name in carriers:
        rest.ClearField(name)
    pieces: list[Piece] = [rest.SerializeToString(deterministic=True)]
    for name in carriers:
        number = message.DESCRIPTOR.fields_by_name[name].number
        for part in _parts(message, name):
            inner = _pieces(part, placing, moved)
            pieces += [_opening(number, sum(map(len, inner))), *inner]
    return pieces


def _carriers(message: Message) -> tuple[str, ...]:
    """Return the fields of a message that are set and may hold weights."""
    names = CARRIERS.get(message.DESCRIPTOR.name, ())
    present = {field.name for field, _ in message.ListFields()}
    return tuple(name for name in names if name in present)


def _parts(message: Message, name: str) -> Sequence[Message]:
    """Return the messages in a field, one or many."""
    content = getattr(message, name)
    return (content,) if isinstance(content, Message) else content


def _opening(number: int, length: int) -> bytes:
    """Return what stands before a field's content on the wire."""
    return encoded(number << 3 | LENGTH) + encoded(length)


def _tensor_pieces(
    tensor: onnx.TensorProto, placing: _Placing, moved: list[Piece]
) -> list[Piece]:
    """Return a tensor as bytes: embedded, moved to the side file, or as it stands."""
    if placing.takes_in(tensor):
        span = _span(tensor, placing.folder)
        bare = onnx.TensorProto()
        bare.CopyFrom(tensor)
        bare.ClearField("external_data")
        bare.ClearField("data_location")
        if placing.side and placing.inline is None:
            return [_moved(bare, span, placing, moved)]
        return [bare.SerializeToString(deterministic=True), _opening(RAW, len(span)), span]
    if placing.side and len(tensor.raw_data) >= SMALLEST_MOVED:
        bare = onnx.TensorProto()
        bare.CopyFrom(tensor)
        bare.ClearField("raw_data")
        return [_moved(bare, tensor.raw_data, placing, moved)]
    return [tensor.SerializeToString(deterministic=True)]


def _moved(
    bare: onnx.TensorProto, content: Piece, placing: _Placing, moved: list[Piece]
) -> bytes:
    """Return a tensor that points at its bytes in the side file, and queue them for it."""
    bare.data_location = onnx.TensorProto.EXTERNAL
    offset = sum(map(len, moved))
    places = {"location": placing.side, "offset": str(offset), "length": str(len(content))}
    for key, value in places.items():
        bare.external_data.add(key=key, value=value)
    moved.append(content)
    return bytes(bare.SerializeToString(deterministic=True))


def _span(tensor: onnx.TensorProto, folder: Path) -> Span:
    """Return where an external tensor's bytes stand."""
    location, offset, length = external_location(tensor)
    path = folder / location
    return Span(path, offset, path.stat().st_size - offset if length < 0 else length)


def _pour(pieces: Sequence[Piece], file: BinaryIO) -> None:
    """Write pieces to a file, spans in chunks."""
    for piece in pieces:
        if isinstance(piece, bytes):
            file.write(piece)
            continue
        with piece.path.open("rb") as content:
            content.seek(piece.offset)
            _copy(content, file, piece.length)


def _copy(content: BinaryIO, file: BinaryIO, length: int) -> None:
    left = length
    while left:
        chunk = content.read(min(CHUNK, left))
        if not chunk:
            raise ExportError(
                f"{content.name} became shorter while it was copied",
                hint="let nothing write to the target while it is repaired",
            )
        file.write(chunk)
        left -= len(chunk)


def _sides(model: onnx.ModelProto, own: str) -> tuple[str, ...]:
    """Return the files beside the model that hold weights, each once."""
    locations = (external_location(tensor)[0] for tensor in _external(model))
    return tuple(dict.fromkeys(one for one in locations if one != own))


def _external(message: Message) -> Iterator[onnx.TensorProto]:
    """Yield every tensor inside a message whose values stand in a file."""
    if isinstance(message, onnx.TensorProto):
        if is_external(message):
            yield message
        return
    for name in _carriers(message):
        for part in _parts(message, name):
            yield from _external(part)


def _refuse_clobbering(side: Path, copy: Path) -> None:
    """Refuse to replace weights that are not the target's: another model may need them."""
    if not copy.exists() or filecmp.cmp(side, copy, shallow=False):
        return
    raise ExportError(
        f"{copy} exists and is not the target's own {side.name}",
        hint="write OUT to another folder; --force replaces OUT alone",
    )


def _copy_side(side: Path, copy: Path) -> None:
    """Copy a side file, unless it is there already."""
    if copy.exists() and filecmp.cmp(side, copy, shallow=False):
        return
    copy.parent.mkdir(parents=True, exist_ok=True)
    with side.open("rb") as content, replacing(copy) as file:
        shutil.copyfileobj(content, file, CHUNK)


def _write_own(target: Pivot, repaired: onnx.ModelProto, out: Path) -> tuple[str, ...]:
    write(target.path, repaired, out)
    return ()


FORMAT = NativeFormat("onnx", ".onnx", ends_in(".onnx"), _write_own, copy=copy, facts=facts)
