"""A repaired file of bare weights, in the child: the user's own, and a script if needed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from analyzer.core.errors import ExportError
from analyzer.core.types import Array
from analyzer.frontends.child.from_module import built
from analyzer.frontends.child.from_weights import fitting, read
from rewriter.export.child.patch_text import written
from rewriter.export.child.tied import HINT, sharing, write_all
from rewriter.export.child.torch_module import computes, repaired


def export(
    path: str,
    out: str,
    *,
    pivots: Sequence[str],
    script: str,
    model: str,
) -> tuple[str, ...]:
    """Write a file of weights with a repair in it; a script says what no weight can.

    Args:
        path: The user's file.
        out: Where the repaired one goes.
        pivots: Files of the pivot before and after the repair, and the folder that the
            external locations of both are relative to.
        script: Where the script goes, beside `out`.
        model: ``file.py:factory`` of the module that the weights belong to.

    Returns:
        What is to be noted, in sentences.

    Raises:
        ExportError: Neither weights nor a script can say the repair.
        LoadError: The user's code does not run, or the file does not fit it.
    """
    made, saved = built(model), read(path)
    own = fitting(path, saved, made)
    made.module.load_state_dict(own)
    program, mended, said = repaired(made, pivots)
    if said.unsaid or mended.fresh:
        raise _unsaid(model, ", ".join(said.unsaid) or "a new constant")
    write_all(own, _of_all_names(mended.weights, made.module.state_dict()), own)
    torch.save(saved, out)
    if not said.lines:
        return ()
    Path(script).write_text(written(model, said.lines, ()), encoding="utf-8")
    weights = fitting(out, read(out), made)
    if not computes(script, program, made, weights):
        Path(script).unlink()
        raise _unsaid(model, "the repair")
    told = "What weights cannot say is in the script beside it, which builds the module"
    return (f"{told}: --model SCRIPT:factory.",)


def _unsaid(model: str, what: str) -> ExportError:
    return ExportError(
        f"a file of weights cannot say the repair, nor can a script from outside: {what} "
        f"stands in the code of {model}",
        hint=HINT,
    )


def _of_all_names(weights: Mapping[str, Array], own: Mapping[str, Any]) -> dict[str, Array]:
    """Return new values under every name that a module has for the same tensor.

    A file may hold such a tensor once for each name, and the last one counts.
    """
    return {
        name: value
        for known, value in weights.items()
        for name in sharing(own, [known])
        if name == known or (name not in weights and _is_one(own[name], own[known]))
    }


def _is_one(tensor: Any, other: Any) -> bool:
    """Return whether tensors that share memory are the same part of it."""
    places = [(one.storage_offset(), one.shape, one.stride()) for one in (tensor, other)]
    return places[0] == places[1]
