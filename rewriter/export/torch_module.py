"""A repaired torch module of the user's code: its program, and a script that mends it."""

from pathlib import Path

import onnx

from analyzer.core.errors import ExportError
from analyzer.core.types import Pivot
from analyzer.frontends.exporting import Exporter
from analyzer.frontends.factory import FORM
from rewriter.export.anew import TORCH, anew, plain
from rewriter.export.native_format import NativeFormat
from rewriter.export.torch_program import exported, script_beside

EXPORTER = Exporter(
    family="factory",
    module="rewriter.export.child.torch_module",
    needs=("torch", "onnxscript"),
    extra="torch",
)

HINT = "write the repaired model with -o to an .onnx file"


def claims(path: str) -> bool:
    """Return whether a path is of Python code, with or without the function in it."""
    return FORM.fullmatch(path) is not None or path.endswith(".py")


def write(target: Pivot, repaired: onnx.ModelProto, out: Path) -> tuple[str, ...]:
    """Write a module's program with a repair in it, and a script that mends the module.

    Args:
        target: The imported model.
        repaired: The model after the edits.
        out: Where the program goes; the script goes beside it.

    Returns:
        What is to be noted, in sentences.

    Raises:
        ExportError: The program cannot say an edit, or the disk refuses.
    """
    _check(target, repaired)
    return exported(target.code, EXPORTER, (target, repaired), out, scripted=True)


def _check(target: Pivot, _repaired: onnx.ModelProto) -> None:
    if target.framework != "torch":
        raise ExportError(
            f"{target.code} is a function of {target.framework}, which has no file that a "
            "repair could be written into",
            hint=HINT,
        )


def _copy(target: Pivot, _out: Path) -> None:
    raise ExportError(
        f"{target.code} needs no repair, and its code is no file that could be copied",
        hint="export it with torch.export.save, or give -o a name that ends in .onnx",
    )


FORMAT = NativeFormat(
    "torch",
    ".pt2",
    claims,
    write,
    _check,
    _copy,
    beside=script_beside,
    anew=anew(TORCH, plain),
)
