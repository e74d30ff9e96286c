"""A repaired torch program, in the child: the user's own, changed where it was repaired."""

from collections.abc import Iterator, Sequence
from typing import Any
from zipfile import ZipFile

import torch
from torch.fx.node import map_arg

from analyzer.core.errors import ExportError
from analyzer.frontends.child.from_program import refuse_code
from analyzer.frontends.child.words import one_line
from rewriter.export.child.fx_constants import fake_mode
from rewriter.export.child.fx_mending import mend
from rewriter.export.child.sides import sides
from rewriter.export.child.tied import HINT

EXTRA = "extra/"
"""The folder of an archive for what a user saved beside the program."""


def export(
    path: str, out: str, *, pivots: Sequence[str], trust_code: bool
) -> tuple[str, ...]:
    """Write a saved torch program with a repair in it, and return what is to be noted.

    Args:
        path: The user's ``.pt2`` file.
        out: Where the repaired one goes.
        pivots: Files of the pivot before and after the repair, and the folder that the
            external locations of both are relative to.
        trust_code: Whether it is loaded even where it holds code.

    Raises:
        ExportError: The program cannot say the repair.
        LoadError: The file holds code.
    """
    if not trust_code:
        refuse_code(path)
    extra = dict.fromkeys(_extra(path), "")
    program = torch.export.load(path, extra_files=extra)
    mend(program, sides(*pivots))
    work_out_sizes(program)
    torch.export.save(program, out, extra_files=extra)
    return ()


def _extra(path: str) -> Iterator[str]:
    with ZipFile(path) as archive:
        for name in archive.namelist():
            inner = name.partition("/")[2]
            if inner.startswith(EXTRA) and inner != EXTRA:
                yield inner.removeprefix(EXTRA)


def work_out_sizes(program: Any) -> None:
    """Note the sizes of every tensor of a changed program anew, the free ones free.

    It is what another export would do, and leaves every name as it is.

    Args:
        program: The `torch.export.ExportedProgram`; it is changed.

    Raises:
        ExportError: A call does not fit what it reads.
    """
    with fake_mode(program):
        for node in program.graph.nodes:
            if node.op == "call_function":
                node.meta["val"] = _result(node)


def _result(node: Any) -> Any:
    arguments, named = map_arg((node.args, node.kwargs), lambda one: one.meta.get("val"))
    try:
        return node.target(*arguments, **named)
    except Exception as surprise:  # an operator may refuse in any way
        raise ExportError(
            f"the repaired program does not fit together at {node.name} "
            f"({one_line(surprise)})",
            hint=HINT,
        ) from surprise
