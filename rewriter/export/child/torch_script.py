"""A repaired TorchScript archive, in the child: the user's own, with other weights."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZipFile

import torch

from analyzer.core.errors import ExportError
from analyzer.core.types import Array, Node
from analyzer.frontends.child.export import as_array
from analyzer.frontends.child.from_script import refuse_code
from rewriter.export.changes import ConstantChange, changes, same
from rewriter.export.child.pivots import read
from rewriter.export.child.tied import HINT, sharing, write_all
from rewriter.export.evaluated import evaluated
from rewriter.export.layouts import holders, relaid
from rewriter.export.torch_script import check_weights_alone
from rewriter.export.zip_members import overwrite

TRACED = "traced_inputs"
"""How the members are named that hold the inputs of a trace."""

STORED = "data/"
"""The folder of an archive for the bytes of tensors."""

EXTRA = "/extra/"
"""The folder of an archive for what a user saved beside the module."""


def export(
    path: str, out: str, *, pivots: Sequence[str], trust_code: bool
) -> tuple[str, ...]:
    """Write a TorchScript archive with a repair of its weights in it.

    Args:
        path: The user's archive.
        out: Where the repaired one goes.
        pivots: Files of the pivot before and after the repair, and the folder that the
            external locations of both are relative to.
        trust_code: Whether it is loaded even where its code opens files.

    Returns:
        What is to be noted: nothing.

    Raises:
        ExportError: The repair is no new value of a weight, or the old one is not found.
        LoadError: The archive holds code.
    """
    if not trust_code:
        refuse_code(path)
    imported, repaired, weights = pivots
    both = read(imported, repaired, weights, {})
    before, after = (tuple(evaluated(one)) for one in (both.before, both.after))
    found = changes(before, after, both.outputs)
    check_weights_alone(found)
    module, extra = opened(path)
    _write(module, before, found.constants)
    torch.jit.save(module, out, _extra_files=extra)
    if not _overwritten(path, out, module):
        keep_inputs(path, out)
    return ()


def _overwritten(path: str, out: str, module: Any) -> bool:
    """Make of what was saved the user's own archive with other bytes in its weights.

    Saved anew, an archive loses what torch had noted of the code. Torch may number weights
    otherwise than it did: then the archive stays as it was saved.
    """
    own, made = _weights(path), _weights(out)
    sizes = [{name: len(content) for name, content in one.items()} for one in (own, made)]
    if sizes[0] != sizes[1]:
        return False
    with TemporaryDirectory(dir=Path(out).parent, prefix="pivotfix-") as folder:
        patched = Path(folder) / "patched"
        shutil.copyfile(path, patched)
        root = _root(path)
        differ = {f"{root}/{name}": made[name] for name in own if own[name] != made[name]}
        overwrite(patched, differ)
        known = torch.jit.load(patched, map_location="cpu").state_dict()
        state = module.state_dict()
        if known.keys() != state.keys() or not all(
            map(torch.equal, known.values(), state.values())
        ):
            return False
        patched.replace(out)
    return True


def _root(path: str) -> str:
    """Return the folder that all members of an archive are in."""
    with ZipFile(path) as archive:
        return archive.namelist()[0].partition("/")[0]


def _weights(path: str) -> dict[str, bytes]:
    """Return the bytes of each storage of an archive, by name."""
    with ZipFile(path) as archive:
        inner = ((name, name.partition("/")[2]) for name in archive.namelist())
        return {own: archive.read(name) for name, own in inner if own.startswith(STORED)}


def opened(path: str) -> tuple[Any, dict[str, str | bytes]]:
    """Return a module of the user's, and what was saved beside it by name.

    Args:
        path: The user's archive; its code is known to do no harm.
    """
    extra: dict[str, str | bytes] = dict.fromkeys(_extra(path), "")
    return torch.jit.load(path, map_location="cpu", _extra_files=extra), extra


def keep_inputs(path: str, out: str) -> None:
    """Copy the inputs of the trace, which torch drops as it saves a loaded module.

    Args:
        path: The user's archive.
        out: What was written; it is added to.
    """
    with ZipFile(path) as own, ZipFile(out, "a") as made:
        root = made.namelist()[0].partition("/")[0]
        for name in own.namelist():
            inner = name.partition("/")[2]
            if inner.startswith(TRACED):
                made.writestr(f"{root}/{inner}", own.read(name))


def _extra(path: str) -> Iterator[str]:
    with ZipFile(path) as archive:
        for name in archive.namelist():
            if EXTRA in name:
                yield name.partition(EXTRA)[2]


def _write(module: Any, before: Sequence[Node], wanted: Sequence[ConstantChange]) -> None:
    """Write weights into a module, as all want them that read them."""
    held = _Held(module.state_dict())
    moved = {(one.node.name, one.slot) for one in wanted}
    given: dict[str, Array] = {}
    for one in wanted:
        name = held.name(one)
        new = relaid(held.arrays[name].astype(one.old.dtype), one.old, one.new)
        if new is None or not same(given.setdefault(name, new), new):
            raise _unfound(one, "is read by others, which are to have another,")
        readers = held.readers(before, one)
        keeper = next((node for node, slot in readers if (node, slot) not in moved), None)
        if keeper is not None:
            raise _unfound(one, f"is also read by {keeper}, which keeps it,")
    write_all(held.tensors, given, ())


class _Held:
    """The weights of a module.

    Attributes:
        tensors: Each by name.
        arrays: Their values.
    """

    def __init__(self, tensors: Mapping[str, Any]) -> None:
        self.tensors = tensors
        self.arrays = {name: as_array(value) for name, value in tensors.items()}

    def name(self, one: ConstantChange) -> str:
        """Return the weight that holds a constant's old value; its name breaks a tie only.

        Raises:
            ExportError: None does, or it cannot be told which of several.
        """
        found = holders(self.arrays, one.old)
        if one.tensor in found:
            return one.tensor
        if found and self._are_one(found):
            return found[0]
        raise _unfound(one, "could be several" if found else "is no weight of its own")

    def readers(
        self, nodes: Sequence[Node], one: ConstantChange
    ) -> Iterator[tuple[str, int]]:
        """Yield who reads the weight that holds a constant, as name and slot.

        A matrix that is read on its side has lost its name, and is known by its value.
        """
        own = self.name(one)
        for node in nodes:
            for slot, value in node.constants.items():
                fits = value.ndim > 1 and value.size == one.old.size
                found = holders(self.arrays, value) if fits else ()
                is_own = own in found and self._are_one(found)
                if is_own or node.inputs[slot] == one.tensor:
                    yield node.name, slot

    def _are_one(self, names: Sequence[str]) -> bool:
        return set(names) <= set(sharing(self.tensors, names[:1]))


def _unfound(one: ConstantChange, why: str) -> ExportError:
    return ExportError(
        f"the value of {one.tensor} that {one.node.name} reads {why} in the TorchScript "
        "file",
        hint=HINT,
    )
