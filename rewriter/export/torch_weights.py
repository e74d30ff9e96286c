"""A repaired torch file by another name: TorchScript, or bare weights, as its content says.

What bare weights cannot say goes into a script beside them.
"""

from pathlib import Path

import onnx

from analyzer.core.types import Pivot
from analyzer.frontends.exporting import Exporter
from analyzer.frontends.pickled import Kind, content_of
from rewriter.export.native_format import NativeFormat, ends_in
from rewriter.export.torch_program import exported, script_beside

SCRIPT = Exporter(
    family="torch",
    module="rewriter.export.child.torch_script",
    needs=("torch",),
    extra="torch",
)

WEIGHTS = Exporter(
    family="torch",
    module="rewriter.export.child.torch_weights",
    needs=("torch", "onnxscript"),
    extra="torch",
)


def write(target: Pivot, repaired: onnx.ModelProto, out: Path) -> tuple[str, ...]:
    """Write the user's file with a repair in it, and a script for what it cannot say.

    Args:
        target: The imported model.
        repaired: The model after the edits.
        out: Where the file goes; the script goes beside it.

    Returns:
        What is to be noted, in sentences.

    Raises:
        ExportError: The file cannot say an edit, nor can a script, or the disk refuses.
    """
    if content_of(target.path).kind is Kind.SCRIPT:
        return exported(str(target.path), SCRIPT, (target, repaired), out)
    more = {"model": target.code}
    return exported(
        str(target.path), WEIGHTS, (target, repaired), out, more=more, scripted=True
    )


PT = NativeFormat("torch", ".pt", ends_in(".pt"), write, beside=script_beside)

PTH = NativeFormat("torch", ".pth", ends_in(".pth"), write, beside=script_beside)
