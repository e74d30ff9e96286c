"""A file patched by its own framework, in its own process."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx

from analyzer.core.types import Pivot
from analyzer.frontends.exporting import Exporter, export


def patched(
    target: Pivot,
    repaired: onnx.ModelProto,
    out: Path,
    exporter: Exporter,
    settings: Mapping[str, Any],
) -> tuple[str, ...]:
    """Let a framework write a file with a repair in it; return what is to be noted.

    The child is given both pivots, whose weights stay where they are, and the layers.

    Args:
        target: The model as it was loaded.
        repaired: Its pivot after the repair.
        out: Where it goes; nothing else knows of it yet.
        exporter: Who writes it.
        settings: What else it takes, as JSON can hold it.

    Raises:
        ExportError: It cannot say the repair, or its framework fails.
    """
    with tempfile.TemporaryDirectory(prefix="pivotfix-") as folder:
        before, after, weights = both_pivots(target, repaired, Path(folder))
        layers = {tensor: layer.name for tensor, layer in target.layers.items()}
        told = {"before": before, "after": after, "weights": weights, "layers": layers}
        return export(str(target.path), out, exporter, {**told, **settings})


def both_pivots(target: Pivot, repaired: onnx.ModelProto, place: Path) -> list[str]:
    """Write a pivot as it was and as it is, its weights left where they are.

    Args:
        target: The model as it was loaded.
        repaired: Its pivot after the repair.
        place: The folder to write into.

    Returns:
        Where each is, and the folder that their weights lie in.
    """
    files = [place / "before.onnx", place / "after.onnx"]
    for file, model in zip(files, (target.model, repaired), strict=True):
        file.write_bytes(model.SerializeToString())
    return [*map(str, files), str(target.folder)]
