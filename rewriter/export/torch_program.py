"""A repaired torch program: the user's own ``.pt2``, changed where it was repaired."""

import shutil
import tempfile
from pathlib import Path

import onnx

from analyzer.core.types import Pivot
from analyzer.frontends.exporting import Exporter, export
from rewriter.export.beside import replacing
from rewriter.export.native_format import CHUNK, NativeFormat, ends_in

EXPORTER = Exporter(
    family="torch",
    module="rewriter.export.child.torch_program",
    needs=("torch", "onnxscript"),
    extra="torch",
)


def write(target: Pivot, repaired: onnx.ModelProto, out: Path) -> tuple[str, ...]:
    """Write the user's program with a repair in it; all else in it stays.

    Weights are found by their exact old value, arguments of calls are changed where they
    say what was imported, calls are put in and taken out; names, signature and free sizes
    survive.

    Args:
        target: The imported model.
        repaired: The model after the edits.
        out: Where the program goes.

    Returns:
        What is to be noted, in sentences.

    Raises:
        ExportError: The program cannot say an edit, or the disk refuses.
    """
    with tempfile.TemporaryDirectory(prefix="pivotfix-") as folder:
        place = Path(folder)
        settings = pivots(target, repaired, place)
        made = place / "program.pt2"
        notes = export(str(target.path), made, EXPORTER, settings)
        with made.open("rb") as content, replacing(out) as file:
            shutil.copyfileobj(content, file, CHUNK)
    return notes


def pivots(target: Pivot, repaired: onnx.ModelProto, place: Path) -> dict[str, str]:
    """Write a pivot as it was and as it is, and return where, as an exporter takes it.

    Args:
        target: The imported model.
        repaired: The model after the edits.
        place: A folder for both.
    """
    both = {"before": target.model, "after": repaired}
    for name, model in both.items():
        (place / f"{name}.onnx").write_bytes(model.SerializeToString())
    files = {name: str(place / f"{name}.onnx") for name in both}
    return {**files, "folder": str(target.folder)}


FORMAT = NativeFormat("torch", ".pt2", ends_in(".pt2"), write)
