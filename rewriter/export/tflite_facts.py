"""What a flatbuffer states beside what it computes."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol, cast

from rewriter.export.facts import digest
from rewriter.export.tflite_file import FbBuffer, FbGraph, FbTensor, read


class FbNamed(Protocol):
    """An input or output of a signature."""

    name: bytes


class FbSignature(Protocol):
    """A signature."""

    signatureKey: bytes  # noqa: N815  # the schema's name
    inputs: list[FbNamed] | None
    outputs: list[FbNamed] | None


class FbMetadata(Protocol):
    """A piece of metadata."""

    name: bytes
    buffer: int


class FbStated(Protocol):
    """The root of the tree, as far as it states something beside its operators."""

    description: bytes | None
    signatureDefs: list[FbSignature] | None  # noqa: N815  # the schema's name
    metadata: list[FbMetadata] | None
    subgraphs: list[FbGraph]
    buffers: list[FbBuffer]


def facts(path: Path) -> Mapping[str, str]:
    """Return signatures, metadata, description and what is quantized, by what they are.

    Args:
        path: A ``.tflite`` file that was loaded before.
    """
    model = cast("FbStated", read(path).model)
    return {
        "description": (model.description or b"").decode("utf-8", "replace"),
        **dict(_signatures(model)),
        **dict(_metadata(model)),
        "integer grids": _grids(model),
    }


def _signatures(model: FbStated) -> Iterator[tuple[str, str]]:
    for one in model.signatureDefs or ():
        sides = (one.inputs or (), one.outputs or ())
        told = (", ".join(each.name.decode() for each in side) for side in sides)
        yield f"signature {one.signatureKey.decode()}", " -> ".join(told)


def _metadata(model: FbStated) -> Iterator[tuple[str, str]]:
    for one in model.metadata or ():
        octets = model.buffers[one.buffer].data
        content = b"" if octets is None else bytes(bytearray(octets))
        yield f"metadata {one.name.decode()}", digest(content)


def _grids(model: FbStated) -> str:
    tensors = [one for graph in model.subgraphs for one in graph.tensors]
    return f"{sum(map(_is_quantized, tensors))} of {len(tensors)} tensors"


def _is_quantized(tensor: FbTensor) -> bool:
    grid = tensor.quantization
    return grid is not None and getattr(grid, "scale", None) is not None
