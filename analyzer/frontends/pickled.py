"""What a file that torch saved holds, told from its content; nothing of it is run."""

import io
import pickletools
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from zipfile import ZipFile, is_zipfile

from analyzer.core.errors import LoadError
from analyzer.frontends.archive import BROKEN

OLD_MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
"""How files of `torch.save` begin before release 1.6: a pickled magic number."""

PREAMBLE = 3
"""Pickles before the object in an old file: the magic number, the version, the machine."""

LARGEST_PICKLE = 1 << 26
"""Bytes of a pickle that are read: names and shapes of a million tensors; the weights
themselves stand apart."""

PLAIN = frozenset(
    {
        "__builtin__.set",
        "builtins.set",
        "collections.OrderedDict",
        "_codecs.encode",
        "torch.Size",
        "torch.device",
        "torch.serialization._get_layout",
    }
)
"""What the pickles of plain weights name besides tensors and storages."""

TENSORS = ("torch._utils._rebuild_", "torch._tensor._rebuild_", "torch.nn.parameter.")
"""How functions are named that make a tensor of its storage."""

BROKEN_PICKLE = (ValueError, KeyError, IndexError, EOFError, UnicodeDecodeError)
"""What `pickletools` raises on what is no pickle."""


class Kind(Enum):
    """What a ``.pt`` file may be."""

    SCRIPT = "TorchScript"
    PROGRAM = "a program of torch.export"
    WEIGHTS = "weights"
    OBJECTS = "objects"


@dataclass(frozen=True, slots=True)
class Content:
    """What a file holds.

    Attributes:
        kind: What it is.
        classes: Full names of what its pickle names beyond tensors and containers.
        traced: Whether it is TorchScript that keeps the inputs of its trace.
    """

    kind: Kind
    classes: tuple[str, ...] = ()
    traced: bool = False


def content_of(file: Path) -> Content:
    """Return what a file of torch holds.

    Args:
        file: A ``.pt`` or ``.pth``.

    Raises:
        LoadError: It is nothing that torch saves.
    """
    if is_zipfile(file):
        return _of_archive(file)
    with file.open("rb") as opened:
        start = opened.read(LARGEST_PICKLE)
    if not start.startswith(OLD_MAGIC):
        raise LoadError(
            f"{file} is nothing that torch saves: it begins with {start[:8]!r}",
            hint="save it with torch.jit.save, torch.export.save, or torch.save of a "
            "state_dict",
        )
    return _of_classes(tuple(_named(io.BytesIO(start), skipped=PREAMBLE)))


def _of_archive(file: Path) -> Content:
    try:
        with ZipFile(file) as archive:
            inner = {name.partition("/")[2]: name for name in archive.namelist()}
            if "constants.pkl" in inner:
                return Content(Kind.SCRIPT, traced="traced_inputs.pkl" in inner)
            if any(name.startswith("models/") for name in inner):
                return Content(Kind.PROGRAM)
            if "data.pkl" not in inner:
                raise LoadError(
                    f"{file} is an archive, but none of torch: it holds no data.pkl",
                    hint="save or download the model again",
                )
            with archive.open(inner["data.pkl"]) as member:
                pickle = io.BytesIO(member.read(LARGEST_PICKLE))
    except BROKEN as surprise:
        raise LoadError(
            f"{file} is damaged ({surprise})", hint="save or download the model again"
        ) from surprise
    return _of_classes(tuple(_named(pickle)))


def _of_classes(named: tuple[str, ...]) -> Content:
    strange = tuple(dict.fromkeys(name for name in named if not _is_plain(name)))
    return Content(Kind.OBJECTS if strange else Kind.WEIGHTS, strange)


def _is_plain(name: str) -> bool:
    module, _, last = name.rpartition(".")
    of_torch = module in {"torch", "torch.storage"}
    typed = of_torch and (last.endswith("Storage") or last[:1].islower())
    return name in PLAIN or name.startswith(TENSORS) or typed


def _named(pickle: io.BytesIO, skipped: int = 0) -> Iterator[str]:
    """Yield full names of the functions and classes that a pickle names.

    Args:
        pickle: The bytes, which are only read.
        skipped: Pickles before it in the same file.
    """
    try:
        for _ in range(skipped):
            for _ in pickletools.genops(pickle):
                pass
        yield from _globals(pickle)
    except BROKEN_PICKLE:
        return  # cut short or no pickle: torch, which reads it next, says so


def _globals(pickle: io.BytesIO) -> Iterator[str]:
    texts = ["", ""]
    for opcode, argument, _ in pickletools.genops(pickle):
        if opcode.name == "GLOBAL":
            yield str(argument).replace(" ", ".")
        elif opcode.name == "STACK_GLOBAL":
            yield ".".join(texts)
        elif isinstance(argument, str):
            texts = [texts[1], argument]
