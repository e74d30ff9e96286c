"""Local functions opened up, so that faults inside them have a name."""

from dataclasses import replace

import onnx
from onnx import inliner

from analyzer.core.types import Pivot


def inlined(pivot: Pivot) -> Pivot:
    """Return the pivot with its local functions replaced by their bodies.

    The tensors between function calls keep their names; the user's own file keeps its
    functions, since only what is analysed is opened up.
    """
    return replace(pivot, model=opened(pivot.model)) if pivot.model.functions else pivot


def opened(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model without local functions; the same one where it has none."""
    return inliner.inline_local_functions(model) if model.functions else model
