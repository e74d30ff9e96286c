"""Saved torch programs, in the child: scanned, loaded, exported and run by torch."""

import io
import json
from collections.abc import Iterator
from functools import partial
from pickle import UnpicklingError
from typing import Any
from zipfile import ZipFile

import torch

from analyzer.core.errors import LoadError
from analyzer.frontends.child.export import flat_call, pivot_of
from analyzer.frontends.child.loaded import Loaded
from analyzer.frontends.child.native_values import native_values
from analyzer.frontends.child.remake import remaking
from analyzer.frontends.child.words import converted
from analyzer.frontends.safety import dangers

PICKLED = (".pt", ".pkl")
"""How members that torch unpickles are named, here and in older archives."""

COMPILED = ("data/aotinductor/", "data/executorch/", "data/mtia/")
"""Folders of an archive whose content is machine code."""

OPAQUE = ("opaque_obj_", "custom_obj_")
"""How constants are named that torch unpickles whatever they are."""


def load(path: str, *, trust_code: bool) -> Loaded:
    """Return a saved torch program with its pivot.

    Args:
        path: A ``.pt2`` file.
        trust_code: Whether it is loaded even where it holds code.

    Raises:
        LoadError: It holds code.
    """
    if not trust_code:
        refuse_code(path)
    program = torch.export.load(path)
    module = program.module(check_guards=False)
    pivot, layers, lowered = converted(path, "torch.onnx", lambda: pivot_of(program))
    return Loaded(
        pivot,
        flat_call(program, module, pivot),
        layers,
        remake=remaking(program, module, pivot),
        values=partial(native_values, lowered),
    )


def refuse_code(path: str) -> None:
    """Raise where a program's file holds what torch would run while it loads or runs it.

    Args:
        path: A ``.pt2`` file.

    Raises:
        LoadError: It does; the message says what.
    """
    with ZipFile(path) as archive:
        danger = next(_dangers(archive), None)
    if danger:
        raise LoadError(
            f"{path} holds code that loading it would run: {danger}",
            hint="save it again from a source you trust, or add --trust-code",
        )


def _dangers(archive: ZipFile) -> Iterator[str]:
    """Yield a sentence for each member that torch would run code for."""
    for name in archive.namelist():
        inner = name.partition("/")[2] or name
        if inner.startswith(COMPILED):
            yield f"its member {name} is machine code"
        elif inner.endswith(".json"):
            document = json.loads(archive.read(name))
            yield from dangers(document)
            yield from _pickled(archive, name, document)
        elif inner.endswith(PICKLED):
            yield from _unpickled(name, archive.read(name))


def _pickled(archive: ZipFile, config: str, document: Any) -> Iterator[str]:
    """Yield dangers of the weights and constants that a config says are pickled."""
    entries = document.get("config") if isinstance(document, dict) else None
    for entry in (entries or {}).values():
        member = str(entry["path_name"])
        if member.startswith(OPAQUE):
            yield f"its constant {member} is an object of any class"
        elif entry.get("use_pickle"):
            name = config.rpartition("/")[0] + "/" + member
            yield from _unpickled(name, archive.read(name))


def _unpickled(name: str, content: bytes) -> Iterator[str]:
    """Yield a sentence where a pickle holds more than tensors and plain containers."""
    if not content:
        return
    try:
        torch.load(io.BytesIO(content), weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as surprise:
        said = str(surprise).split("\n", 1)[0]
        yield f"its member {name} is a pickle of more than tensors ({said})"
