"""A repaired torch module of the user's code, in the child: a program, and a script."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils import _pytree as pytree

from analyzer.core.errors import ExportError, LoadError
from analyzer.frontends.child.from_factory import product_of
from analyzer.frontends.child.from_module import Built, built, exported_module, module_of
from rewriter.export.child.fx_mending import mend
from rewriter.export.child.fx_work import Mended
from rewriter.export.child.patch_orders import ordered, turns
from rewriter.export.child.patch_script import Spoken, places, spoken
from rewriter.export.child.patch_text import written
from rewriter.export.child.sides import sides
from rewriter.export.child.tied import HINT
from rewriter.export.child.torch_program import work_out_sizes

CLOSE = 1e-4
"""Relative difference up to which a patched module computes what the program does: both run
the same operators, which round in another order where their memory lies otherwise."""

SEED = 0


def export(path: str, out: str, *, pivots: Sequence[str], script: str) -> tuple[str, ...]:
    """Write a module's program with a repair in it, and a script that mends the module.

    Args:
        path: ``file.py:factory``.
        out: Where the ``.pt2`` file goes.
        pivots: Files of the pivot before and after the repair, and the folder that the
            external locations of both are relative to.
        script: Where the script goes, beside `out`.

    Returns:
        What the script cannot say, if there is such, in sentences.

    Raises:
        ExportError: The program cannot say the repair.
        LoadError: The user's code does not run.
    """
    made = built(path)
    program, mended, said = repaired(made, pivots)
    torch.export.save(program, out)
    if said.unsaid or mended.fresh:
        return (_unsaid(path, said),)
    weights = sorted(mended.weights)
    Path(script).write_text(written(path, said.lines, weights), encoding="utf-8")
    if not computes(script, program, made):
        Path(script).unlink()
        return (_unsaid(path, said),)
    return ("The script beside it changes the module itself.",)


def repaired(made: Built, pivots: Sequence[str]) -> tuple[Any, Mended, Spoken]:
    """Return a module's program with a repair in it, what was done, and that in Python.

    Args:
        made: The module, whose weights are changed too.
        pivots: Files of the pivot before and after the repair, and their folder.

    Raises:
        ExportError: The program cannot say the repair.
    """
    made.module.eval()
    with torch.no_grad():
        program, _ = exported_module(made.module, made.positional, dict(made.named))
    known, were = places(program), turns(program)
    mended = mend(program, sides(*pivots))
    work_out_sizes(program)
    modules = {name: place.module for name, place in known.items() if place.alone}
    orders = ordered(program, mended, were, modules)
    return program, mended, spoken(made.module, program, mended, known, orders)


def _unsaid(path: str, said: Spoken) -> str:
    named = ", ".join(said.unsaid) or "the repair"
    return f"No patch script is written for {path}: {named} stands in its own code."


def computes(script: str, program: Any, made: Built, weights: Any = None) -> bool:
    """Return whether the module that a script mends gives what the mended program does.

    Args:
        script: The script.
        program: The mended program.
        made: The module and its example inputs, as the user's code builds them.
        weights: What to load into the module first, by name; None: nothing.

    Raises:
        ExportError: The script does not run.
    """
    try:
        patched = module_of(script, product_of(f"{script}:factory"))
    except LoadError as surprise:
        raise ExportError(surprise.problem, hint=HINT) from surprise
    if weights is not None:
        patched.module.load_state_dict(weights)
    patched.module.eval()
    given = (made.positional, dict(made.named))
    random = torch.Generator().manual_seed(SEED)
    drawn = pytree.tree_map(lambda leaf: _drawn(leaf, random), given)
    own = program.module(check_guards=False)
    with torch.no_grad():
        expected = [own(*one, **other) for one, other in (given, drawn)]
        try:
            found = [patched.module(*one, **other) for one, other in (given, drawn)]
        except RuntimeError:  # a hook does not fit what its module reads
            return False
    return all(map(_close, found, expected))


def _drawn(leaf: Any, random: Any) -> Any:
    """Return a float tensor of other values, anything else as it is."""
    if not isinstance(leaf, torch.Tensor) or not leaf.dtype.is_floating_point:
        return leaf
    return torch.randn(leaf.shape, generator=random).to(leaf.dtype)


def _close(one: Any, other: Any) -> bool:
    both = pytree.tree_leaves(one), pytree.tree_leaves(other)
    return len(both[0]) == len(both[1]) and all(
        first.shape == second.shape and torch.allclose(first, second, CLOSE, CLOSE)
        for first, second in zip(*both, strict=True)
        if isinstance(first, torch.Tensor)
    )
