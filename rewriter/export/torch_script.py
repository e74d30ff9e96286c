"""A repaired TorchScript archive: the user's own with other weights, or scripted anew."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx

from analyzer.core.errors import ExportError, LoadError
from analyzer.core.graph import nodes
from analyzer.core.types import Pivot
from analyzer.frontends.exporting import Exporter
from analyzer.frontends.pickled import Kind, content_of
from rewriter.export.anew import anew
from rewriter.export.changes import Changes, changes
from rewriter.export.evaluated import evaluated
from rewriter.export.facts import torch_facts
from rewriter.export.native_format import NativeFormat
from rewriter.export.torch_program import exported

PATCHED = Exporter(
    family="torch",
    module="rewriter.export.child.torch_script",
    needs=("torch",),
    extra="torch",
)

SCRIPTED = replace(PATCHED, module="rewriter.export.torch_graph.scripted")


def write(target: Pivot, repaired: onnx.ModelProto, out: Path) -> tuple[str, ...]:
    """Write the user's archive with other weights in it; all else in it stays.

    Args:
        target: The imported model.
        repaired: The model after the edits.
        out: Where the archive goes.

    Returns:
        What is to be noted, in sentences.

    Raises:
        ExportError: The repair is more than other weights, or the disk refuses.
    """
    more = {"trust_code": target.trusted}
    return exported(str(target.path), PATCHED, (target, repaired), out, more=more)


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
    both = (nodes(model, target.folder) for model in (target.model, repaired))
    before, after = (tuple(evaluated(one)) for one in both)
    ends = [[one.name for one in model.graph.output] for model in (target.model, repaired)]
    check_weights_alone(changes(before, after, (ends[0], ends[1])))


def _like(target: Pivot) -> Mapping[str, Any]:
    """Return what the archive is called like, and what was saved beside it."""
    return {"script": str(target.path), "trust_code": target.trusted}


def _is_script(path: str, suffix: str) -> bool:
    """Return whether a file with a suffix is TorchScript, and no bare weights."""
    if not path.lower().endswith(suffix) or not Path(path).is_file():
        return False
    try:
        return content_of(Path(path)).kind is Kind.SCRIPT
    except (LoadError, OSError):  # whoever reads it says what is wrong
        return False


PT = NativeFormat(
    "torch",
    ".pt",
    lambda path: _is_script(path, ".pt"),
    write,
    _check,
    anew=anew(SCRIPTED, _like),
    facts=torch_facts,
)

PTH = replace(PT, suffix=".pth", claims=lambda path: _is_script(path, ".pth"))
