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
        before, after = (Path(folder) / name for name in ("before.onnx", "after.onnx"))
        before.write_bytes(target.model.SerializeToString())
        after.write_bytes(repaired.SerializeToString())
        layers = {tensor: layer.name for tensor, layer in target.layers.items()}
        told = {
            "before": str(before),
            "after": str(after),
            "weights": str(target.folder),
            "layers": layers,
            **settings,
        }
        return export(str(target.path), out, exporter, told)
