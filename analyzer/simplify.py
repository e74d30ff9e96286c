"""An optional pass before everything else: both pivots through onnxsim."""

from dataclasses import replace
from importlib.util import find_spec

import onnx

from analyzer.core.errors import LoadError
from analyzer.core.graph import nodes
from analyzer.core.listing import several
from analyzer.core.types import Pivot
from analyzer.runtime.skeleton import embed

REFUSALS = (RuntimeError, ValueError, onnx.checker.ValidationError)
"""What onnxsim raises on a model that it cannot read, infer or serialize."""


def simplify(pivot: Pivot) -> Pivot:
    """Return a pivot whose graph onnxsim has simplified, with a note of what that cost.

    Its weights are copied into memory. The native runtime, the inputs and the outputs stay
    the user's own, so that a fault of onnxsim shows as a fidelity gap.

    Args:
        pivot: The model, loaded.

    Raises:
        LoadError: onnxsim is not installed, or does not take the model.
    """
    if find_spec("onnxsim") is None:
        raise LoadError(
            "--simplify needs onnxsim, which is not installed",
            hint="python -m pip install -c constraints.txt '.[optimize]'",
        )
    import onnxsim

    whole = embed(pivot.model, pivot.folder)
    try:
        model, _ = onnxsim.simplify(whole, check_n=0, certify=False)
    except REFUSALS as refusal:
        raise LoadError(
            f"onnxsim does not simplify {pivot.path}: {str(refusal).splitlines()[0]}",
            hint="compare the pair without --simplify",
        ) from refusal
    return _noted(pivot, model)


def _noted(pivot: Pivot, model: onnx.ModelProto) -> Pivot:
    """Return the simplified pivot with the layers it has left, and a note of the others."""
    names = {name for node in model.graph.node for name in node.output}
    names |= {value.name for value in model.graph.input}
    layers = {tensor: layer for tensor, layer in pivot.layers.items() if tensor in names}
    before = {layer.name for layer in pivot.layers.values()}
    lost = sorted(before - {layer.name for layer in layers.values()})
    counts = [len(nodes(one, pivot.folder)) for one in (pivot.model, model)]
    note = f"onnxsim left {counts[1]} of the {counts[0]} operators of {pivot.path}"
    losses = f", and no tensor of {several(lost)}" if lost else ""
    return replace(pivot, model=model, layers=layers, notes=(*pivot.notes, note + losses))
