"""The values that both models are given in a place that no run can compare."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import onnx

from analyzer.core.errors import RunError
from analyzer.core.graph import reads
from analyzer.core.options import Options
from analyzer.core.tensors import dtype_name
from analyzer.core.types import Array, Feeds, Node, Pivot, TensorSpec
from analyzer.gaps import Gap, incomparable, is_random
from analyzer.matching.layouts import SAME, Layout, best_layout, layouts
from analyzer.matching.values import SAME_VALUES
from analyzer.probes.synthetic import draw_synthetic
from analyzer.runtime.region import run_region
from analyzer.runtime.value_types import type_of

DTYPES = ("float32", "int64", "int32", "bool", "float16", "float64", "uint8", "int8")
"""What an operator of unknown code may give, the commonest first."""

Samples = Sequence[dict[str, Array]]


def fill(
    pivots: tuple[Pivot, Pivot],
    gap: Gap,
    ends: tuple[str, str],
    fed: tuple[Samples, Samples],
    stream: int,
) -> Layout:
    """Add a value in the place of one tensor to each sample; return how it is laid out.

    Args:
        pivots: Source and target.
        gap: Where the tensor is given.
        ends: The tensor, the source's first.
        fed: Samples by source and by target name; both are added to.
        stream: Tells what is drawn here from what is drawn elsewhere.

    Raises:
        RunError: What stands before the gap does not run.
    """
    if gap.twin is None:
        return _computed(pivots, ends, fed)
    known = _like(pivots[0], gap.node, ends[0], fed[0][0])
    like = _like(pivots[1], gap.twin, ends[1], fed[1][0])
    close = best_layout(known, like, limit=SAME_VALUES)
    first = next((one for one in layouts(known.shape, like.shape)), SAME)
    layout = close[0] if close and not close[0].shape else first
    for ours, theirs, value in zip(
        *fed, _values(pivots, gap, ends, fed[0], known, stream), strict=True
    ):
        ours[ends[0]] = value
        theirs[ends[1]] = _moved(value, layout)
    return layout


def _computed(
    pivots: tuple[Pivot, Pivot], ends: tuple[str, str], fed: tuple[Samples, Samples]
) -> Layout:
    """Add what the target computes there, in the source's layout where that is declared."""
    layout = SAME
    for place, (ours, theirs) in enumerate(zip(*fed, strict=True)):
        right = pivots[1]
        value = run_region(right.model, right.folder, theirs, [ends[1]])[ends[1]]
        if place == 0:
            spec = _declared(pivots[0].model, ends[0])
            shape = value.shape if spec is None else _sizes(spec, value.shape)
            orders = (one for one in layouts(shape, value.shape) if one.shape is None)
            layout = next(orders, SAME)
        theirs[ends[1]] = value
        ours[ends[0]] = _back(value, layout)
    return layout


def _values(
    pivots: tuple[Pivot, Pivot],
    gap: Gap,
    ends: tuple[str, str],
    samples: Samples,
    known: Array,
    stream: int,
) -> Iterator[Array]:
    """Yield what stands in a tensor's place, sample by sample, in the source's layout."""
    if is_random(gap.node):
        yield known
        for feeds in samples[1:]:
            yield _like(pivots[0], gap.node, ends[0], feeds)
        return
    specs = (_declared(one.model, name) for one, name in zip(pivots, ends, strict=True))
    spec = next((one for one in specs if one is not None), None)
    shape = known.shape if spec is None else _sizes(spec, known.shape)
    dtypes = DTYPES if spec is None or spec.dtype not in DTYPES else (spec.dtype,)
    part = _readable(pivots[0], {*samples[0], ends[0]})
    drawn = (
        _drawn(part, TensorSpec(ends[0], dtype, shape), samples, stream) for dtype in dtypes
    )
    yield from next((one for one in drawn if one is not None), _plain(shape, samples))


def _plain(shape: tuple[int, ...], samples: Samples) -> Sequence[Array]:
    """Return values for a tensor of which nothing is known."""
    rng = np.random.default_rng(len(samples))
    return [rng.standard_normal(shape).astype(np.float32) for _ in samples]


def _drawn(
    part: Pivot, spec: TensorSpec, samples: Samples, stream: int
) -> Sequence[Array] | None:
    """Return values of a dtype that those who read them take; None where they do not."""
    wanted = [one.name for one in part.outputs]
    model = onnx.ModelProto()
    model.CopyFrom(part.model)
    sizes = [size for size in spec.shape or () if isinstance(size, int)]
    like = np.zeros(sizes, spec.dtype)
    model.graph.input.append(onnx.ValueInfoProto(name=spec.name, type=type_of(like)))

    def run(feeds: Feeds) -> Feeds:
        return run_region(part.model, part.folder, {**samples[0], **feeds}, wanted)

    fed = replace(part, model=model, inputs=(spec,), run_native=run)
    values = draw_synthetic(fed, Options(), count=len(samples), stream=stream)
    try:
        run(values[0])
    except RunError:
        return None
    return [one[spec.name] for one in values]


def _readable(pivot: Pivot, known: set[str]) -> Pivot:
    """Return a pivot whose outputs are what can be computed once some tensors are given."""
    firsts = set(incomparable(pivot.model))
    nodes = pivot.model.graph.node
    unknown = {one for node in nodes if firsts & set(node.output) for one in node.output}
    lost, outputs = unknown - known, []
    for node in nodes:
        if not lost.isdisjoint(reads(node)):
            lost |= set(node.output)
        elif unknown.isdisjoint(node.output):
            outputs += [TensorSpec(one, "unknown", None) for one in node.output if one]
    return replace(pivot, outputs=tuple(outputs))


def _like(pivot: Pivot, node: Node, name: str, feeds: Feeds) -> Array:
    """Return an array of the size of a node's output: one draw of it, or what it reads."""
    if not is_random(node):
        fixed = set(node.constants)
        name = next(n for slot, n in enumerate(node.inputs) if n and slot not in fixed)
    if name in feeds:
        return feeds[name]
    return run_region(pivot.model, pivot.folder, feeds, [name])[name]


def _declared(model: onnx.ModelProto, name: str) -> TensorSpec | None:
    """Return what a model declares of an inner tensor; None where it says nothing."""
    for value in (*model.graph.value_info, *model.graph.output):
        kind = value.type.tensor_type
        if value.name == name and kind.elem_type:
            sizes = [axis.dim_value or None for axis in kind.shape.dim]
            shape = tuple(sizes) if kind.HasField("shape") else None
            return TensorSpec(name, dtype_name(kind.elem_type), shape)
    return None


def _sizes(spec: TensorSpec, like: tuple[int, ...]) -> tuple[int, ...]:
    """Return declared sizes, those that are open as another tensor has them, else one."""
    if spec.shape is None:
        return like
    found = []
    for axis, size in enumerate(spec.shape):
        other = like[axis] if axis < len(like) else 1
        found.append(size if isinstance(size, int) else other)
    return tuple(found)


def _moved(value: Array, layout: Layout) -> Array:
    order = layout.permutation
    return value if order is None else np.ascontiguousarray(value.transpose(order))


def _back(value: Array, layout: Layout) -> Array:
    order = layout.permutation
    if order is None:
        return value
    return np.ascontiguousarray(value.transpose(np.argsort(order)))
