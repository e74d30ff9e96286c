"""What is seen in one model: its pivot, inputs, operators and the layers behind them."""

from collections import Counter
from collections.abc import Iterator

from analyzer.core.graph import opsets
from analyzer.core.types import Pivot, TensorSpec
from analyzer.reports.numbers import counted

MOST_OPERATORS = 12
MOST_LAYERS = 12
"""Kinds of operators and layers listed without ``-v``."""


def render_pivot(pivot: Pivot, *, verbosity: int = 0) -> str:
    """Return a model's pivot as text.

    Args:
        pivot: The model, loaded.
        verbosity: 1 to list every operator kind and layer, -1 for the first line alone.
    """
    lines = tuple(_lines(pivot, everything=verbosity > 0))
    return "\n".join(lines[:1] if verbosity < 0 else lines) + "\n"


def _lines(pivot: Pivot, *, everything: bool) -> Iterator[str]:
    nodes = pivot.model.graph.node
    yield f"{pivot.path}: {pivot.framework}, pivot of {counted(len(nodes), 'node')}"
    yield f"sha256: {pivot.sha256}"
    domains = sorted(opsets(pivot.model).items())
    listed = (f"{domain or 'ai.onnx'} {version}" for domain, version in domains)
    yield f"opsets: {', '.join(listed)}"
    yield from (f"input {_spec(spec)}" for spec in pivot.inputs)
    yield from (f"output {_spec(spec)}" for spec in pivot.outputs)
    yield from _operators(pivot, everything=everything)
    yield from _layers(pivot, everything=everything)
    yield from _steps(pivot, everything=everything)
    yield from (f"note: {note}" for note in pivot.notes)
    if pivot.refusal is not None:
        yield f"note: {pivot.refusal.problem}"


def _spec(spec: TensorSpec) -> str:
    if spec.shape is None:
        return f"{spec.name}: {spec.dtype}, any shape"
    sizes = ", ".join("?" if size is None else str(size) for size in spec.shape)
    return f"{spec.name}: {spec.dtype} [{sizes}]"


def _operators(pivot: Pivot, *, everything: bool) -> Iterator[str]:
    kinds = Counter(node.op_type for node in pivot.model.graph.node).most_common()
    listed = kinds if everything else kinds[:MOST_OPERATORS]
    shown = ", ".join(f"{kind} {count}" for kind, count in listed)
    more = len(kinds) - len(listed)
    yield f"operators: {shown or 'none'}" + (f" and {more} kinds more" if more else "")


def _layers(pivot: Pivot, *, everything: bool) -> Iterator[str]:
    names = tuple(dict.fromkeys(layer.name for layer in pivot.layers.values()))
    tensors = counted(len(pivot.layers), "tensor")
    yield f"layers: {counted(len(names), 'name')} known for {tensors}"
    for name in names if everything else names[:MOST_LAYERS]:
        owned = (tensor for tensor, layer in pivot.layers.items() if layer.name == name)
        yield f"  {name}: {', '.join(owned)}"
    if not everything and len(names) > MOST_LAYERS:
        yield f"  and {len(names) - MOST_LAYERS} more; -v shows them"


def _steps(pivot: Pivot, *, everything: bool) -> Iterator[str]:
    """Yield how far each quantized layer is from the framework's, the farthest first."""
    if not pivot.steps:
        return
    apart = _by_layer(pivot)
    exact = sum(alone <= ONE_STEP for alone, _ in apart.values())
    yield (
        f"quantized: {exact} of {counted(len(apart), 'layer')} within {ONE_STEP} step of "
        f"{pivot.framework}, fed its integers (in brackets: in a run of the whole)"
    )
    ranked = sorted(apart, key=lambda name: apart[name], reverse=True)
    for name in ranked if everything else ranked[:MOST_LAYERS]:
        alone, whole = apart[name]
        yield f"  {name}: {alone} ({whole})"
    if not everything and len(ranked) > MOST_LAYERS:
        yield f"  and {len(ranked) - MOST_LAYERS} more; -v shows them"


ONE_STEP = 1
"""Steps that a value may round to either side."""


def _by_layer(pivot: Pivot) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for tensor, (alone, whole) in pivot.steps.items():
        name = pivot.layers[tensor].name if tensor in pivot.layers else tensor
        before = found.get(name, (0, 0))
        found[name] = max(before[0], alone), max(before[1], whole)
    return found
