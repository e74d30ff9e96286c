"""A repaired torch file by another name: TorchScript, or bare weights, as its content says.

What bare weights cannot say goes into a script beside them.
"""

from dataclasses import replace
from pathlib import Path

import onnx

from analyzer.core.errors import ExportError
from analyzer.core.graph import nodes
from analyzer.core.types import Pivot
from analyzer.frontends.exporting import Exporter
from analyzer.frontends.pickled import Kind, content_of
from rewriter.export.changes import Changes, changes
from rewriter.export.facts import torch_facts
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


def check_weights_alone(found: Changes) -> None:
    """Refuse a repair of TorchScript that is more than other values of weights.

    Args:
        found: What the repair changed.

    Raises:
        ExportError: It is; the message names the first such operator.
    """
    others = [(one.node, f"its {one.attribute}") for one in found.attributes]
    others += [(one.node, "what it reads") for one in found.wires]
    others += [(one, "that it is there") for one in (*found.removed, *found.added)]
    for node, what in others[:1]:
        raise ExportError(
            f"the repair of {node.name} ({node.op}) cannot go into a TorchScript file: "
            f"{what} stands in compiled code, and only weights can be changed",
            hint="write the repaired model with -o to an .onnx file",
        )


def _check(target: Pivot, repaired: onnx.ModelProto) -> None:
    if content_of(target.path).kind is not Kind.SCRIPT:
        return
    before, after = (nodes(model, target.folder) for model in (target.model, repaired))
    ends = [[one.name for one in model.graph.output] for model in (target.model, repaired)]
    check_weights_alone(changes(before, after, (ends[0], ends[1])))


PT = NativeFormat(
    "torch", ".pt", ends_in(".pt"), write, _check, beside=script_beside, facts=torch_facts
)

PTH = replace(PT, suffix=".pth", claims=ends_in(".pth"))
