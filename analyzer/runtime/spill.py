"""Dumps larger than the memory they may take: in groups of tensors, each put into a file.

A group is one run of the whole model of which only some tensors are kept; the runtime lets
the others go as it computes. What is kept lies in a temporary file without a name, mapped,
so that the system may take its memory back, and nothing is left whatever happens.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from mmap import mmap
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
import onnx

from analyzer.core.inference import inferred
from analyzer.core.types import Array, Feeds
from analyzer.runtime.session import Session, open_session
from analyzer.runtime.soundness import byte_size

SHARES = 4
"""Dumps that a comparison holds at a time, at most: the source's, the target's, what an
isolated target is fed, and what it gives."""


@dataclass(frozen=True)
class Room:
    """How many bytes one dump of a model may take, and what its tensors take.

    Attributes:
        limit: Bytes; 0 for no bound.
        sizes: Bytes of each tensor on a sample; those of unknown size are left out.
    """

    limit: int
    sizes: Mapping[str, int]

    @cached_property
    def largest(self) -> int:
        """Bytes that a tensor of unknown size is taken to have."""
        return max(self.sizes.values(), default=0)

    def groups(self, names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
        """Return tensors in groups that each fit, in the order they are given.

        Args:
            names: Tensors; one that alone does not fit is a group of its own.
        """
        if not self.limit:
            return (tuple(names),)
        return tuple(self._groups(names))

    def _groups(self, names: Sequence[str]) -> Iterator[tuple[str, ...]]:
        group, held = list[str](), 0
        for name in names:
            size = self.sizes.get(name, self.largest)
            if group and held + size > self.limit:
                yield tuple(group)
                group, held = [], 0
            group.append(name)
            held += size
        yield tuple(group)


NO_BOUND = Room(0, {})
"""Everything at once."""


def room_for(model: onnx.ModelProto, feeds: Feeds, limit: int) -> Room:
    """Return the room one dump of a model may take.

    Args:
        model: The whole model; it is not changed.
        feeds: One sample: array of the declared dtype by input name.
        limit: Bytes the whole comparison may hold, 0 for no bound.
    """
    if not limit:
        return NO_BOUND
    sized = onnx.ModelProto()
    sized.CopyFrom(model)
    for value in sized.graph.input:
        if value.name in feeds:
            shape = value.type.tensor_type.shape
            del shape.dim[:]
            for size in feeds[value.name].shape:
                shape.dim.add(dim_value=size)
    del sized.graph.value_info[:]
    known = inferred(sized, values=True)
    values = (*known.input, *known.output, *known.value_info)
    sizes = {value.name: size for value in values if (size := _bytes(value)) is not None}
    return Room(max(1, limit // SHARES), sizes)


def _bytes(value: onnx.ValueInfoProto) -> int | None:
    """Return the bytes of a tensor whose every size is known, else None."""
    kind = value.type.tensor_type
    sizes = [size.dim_value for size in kind.shape.dim]
    known = all(size.HasField("dim_value") for size in kind.shape.dim)
    if not kind.elem_type or kind.elem_type == onnx.TensorProto.STRING or not known:
        return None
    return byte_size(kind.elem_type, prod(sizes))


class Spilled:
    """A model with every tensor an output, run a group of them at a time.

    Args:
        model: Its outputs are what is dumped.
        folder: The folder its external locations are relative to.
        groups: The outputs, group by group.
    """

    __slots__ = ("_folder", "_groups", "_model", "input_names")

    def __init__(
        self, model: onnx.ModelProto, folder: Path, groups: Sequence[Sequence[str]]
    ) -> None:
        self._model = model
        self._folder = folder
        self._groups = groups
        self.input_names = tuple(value.name for value in model.graph.input)

    @property
    def groups(self) -> int:
        """In how many runs the outputs are given."""
        return len(self._groups)

    def run(self, feeds: Feeds) -> dict[str, Array]:
        """Return every output for one sample, mapped from a file.

        Args:
            feeds: Array of the declared shape and dtype by input name.

        Raises:
            RunError: The runtime refuses the model or the feeds.
        """
        found: dict[str, Array] = {}
        for group in self._groups:
            session = open_session(_giving(self._model, group), self._folder)
            found |= put_away(session.run(feeds))
        return found


def _giving(model: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """Return a copy of a model that gives only some of its outputs."""
    part = onnx.ModelProto()
    part.CopyFrom(model)
    wanted = set(names)
    outputs = [value for value in model.graph.output if value.name in wanted]
    del part.graph.output[:]
    part.graph.output.extend(outputs)
    return part


def put_away(values: Feeds) -> dict[str, Array]:
    """Return arrays as they lie in a temporary file without a name, mapped.

    Args:
        values: Arrays by name; what is not of numbers, is empty or is mapped already stays
            where it is, and so does all where there is no room in the temporary folder.
    """
    try:
        return _put_away(values)
    except OSError:
        return dict(values)


def _put_away(values: Feeds) -> dict[str, Array]:
    numbers = (name for name, one in values.items() if one.dtype.kind in "fiubc")
    held = (name for name in numbers if not _is_mapped(values[name]))
    plain = {name: values[name] for name in held if values[name].size}
    rest = {name: one for name, one in values.items() if name not in plain}
    if not plain:
        return rest
    with TemporaryFile(prefix="pivotfix-") as file:
        for value in plain.values():
            np.ascontiguousarray(value).tofile(file)
        file.flush()
        content = np.memmap(file, np.uint8, "r")  # keeps the file open, which has no name
    found, start = rest, 0
    for name, value in plain.items():
        part = content[start : start + value.nbytes]
        found[name] = np.asarray(part).view(value.dtype).reshape(value.shape)
        start += value.nbytes
    return found


def _is_mapped(array: Array) -> bool:
    """Return whether an array is a view of a mapped file."""
    base: object = array
    while isinstance(base, np.ndarray):
        base = base.base
    return isinstance(base, mmap)


def open_dumping(model: onnx.ModelProto, folder: Path, room: Room) -> Session | Spilled:
    """Return what gives every output of a model, within the room there is.

    Args:
        model: An instrumented model.
        folder: The folder its external locations are relative to.
        room: Bytes that one dump may take.

    Raises:
        RunError: The runtime does not load it.
    """
    groups = room.groups([value.name for value in model.graph.output])
    if len(groups) == 1:
        return open_session(model, folder)
    return Spilled(model, folder, groups)
