"""A repaired TorchScript archive, in the child: the user's own, with other weights."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZipFile

import numpy as np
import torch

from analyzer.core.errors import ExportError
from analyzer.core.types import Array
from analyzer.frontends.child.export import as_array
from analyzer.frontends.child.from_script import refuse_code
from rewriter.export.changes import ConstantChange, changes
from rewriter.export.child.fx_constants import HINT
from rewriter.export.child.sides import sides
from rewriter.export.layouts import holders, relaid
from rewriter.export.torch_script import check_weights_alone
from rewriter.export.zip_members import overwrite

TRACED = "traced_inputs"
"""How the members are named that hold the inputs of a trace."""

STORED = "data/"
"""The folder of an archive for the bytes of tensors."""

EXTRA = "/extra/"
"""The folder of an archive for what a user saved beside the module."""


def export(path: str, out: str, *, pivots: Sequence[str]) -> tuple[str, ...]:
    """Write a TorchScript archive with a repair of its weights in it.

    Args:
        path: The user's archive.
        out: Where the repaired one goes.
        pivots: Files of the pivot before and after the repair, and the folder that the
            external locations of both are relative to.

    Returns:
        What is to be noted: nothing.

    Raises:
        ExportError: The repair is no new value of a weight, or the old one is not found.
        LoadError: The archive holds code.
    """
    refuse_code(path)
    both = sides(*map(Path, pivots))
    found = changes(both.before, both.after, both.outputs)
    check_weights_alone(found)
    module, extra = opened(path)
    _write(module, found.constants)
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


def _write(module: Any, wanted: tuple[ConstantChange, ...]) -> None:
    state = module.state_dict()
    arrays = {name: as_array(value) for name, value in state.items()}
    given: dict[str, Array] = {}
    for one in wanted:
        name = _name(arrays, one)
        new = relaid(arrays[name].astype(one.old.dtype), one.old, one.new)
        if new is None or not np.array_equal(given.setdefault(name, new), new):
            raise _unfound(one, "is read by others, which keep it")
        with torch.no_grad():
            state[name].copy_(torch.from_numpy(np.array(new)).to(state[name].dtype))


def _name(arrays: Mapping[str, Array], one: ConstantChange) -> str:
    """Return the weight that holds a constant's old value; its name breaks a tie only."""
    found = holders(arrays, one.old)
    named = [name for name in found if name == one.tensor]
    if len(found) == 1 or named:
        return (named or list(found))[0]
    raise _unfound(one, "is no weight of its own" if not found else "could be several")


def _unfound(one: ConstantChange, why: str) -> ExportError:
    return ExportError(
        f"the value of {one.tensor} that {one.node.name} reads {why} in the TorchScript "
        "file",
        hint=HINT,
    )
