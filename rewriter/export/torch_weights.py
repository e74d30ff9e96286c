"""Repaired weights of torch, and a script beside them for what no weight can say."""

from dataclasses import replace
from pathlib import Path

import onnx

from analyzer.core.types import Pivot
from analyzer.frontends.exporting import Exporter
from rewriter.export.facts import torch_facts
from rewriter.export.native_format import NativeFormat, ends_in
from rewriter.export.torch_program import exported, script_beside

WEIGHTS = Exporter(
    family="torch",
    module="rewriter.export.child.torch_weights",
    needs=("torch", "onnxscript"),
    extra="torch",
)


def write(target: Pivot, repaired: onnx.ModelProto, out: Path) -> tuple[str, ...]:
    """Write the user's weights with a repair in them, and a script for all else.

    Args:
        target: The imported model.
        repaired: The model after the edits.
        out: Where the file goes; the script goes beside it.

    Returns:
        What is to be noted, in sentences.

    Raises:
        ExportError: Neither weights nor a script can say an edit, or the disk refuses.
    """
    both, more = (target, repaired), {"model": target.code}
    return exported(str(target.path), WEIGHTS, both, out, more=more, scripted=True)


PT = NativeFormat(
    "torch", ".pt", ends_in(".pt"), write, beside=script_beside, facts=torch_facts
)

PTH = replace(PT, suffix=".pth", claims=ends_in(".pth"))
