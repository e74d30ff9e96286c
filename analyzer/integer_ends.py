"""A quantized model whose inputs or outputs are integers, as a model of floats.

Where one side takes or gives floats and the other the integers of a grid, what they have in
common is the floats. The pivot gets a QuantizeLinear before such an input and a
DequantizeLinear behind such an output, of the grid that the file itself has there, and its
native runtime is fed and read likewise. `with_integers` takes both off again.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

import numpy as np
import onnx

from analyzer.core.ends import IntegerEnd
from analyzer.core.graph import captured, nodes
from analyzer.core.grids import READER, WRITER, grid_of
from analyzer.core.report import InputPair, NotCompared
from analyzer.core.types import Feeds, Finding, Node, Pivot, TensorSpec
from analyzer.quantized_ends import Grids, with_floats
from analyzer.view.absorb import SAME_VALUES_OPS
from analyzer.view.inline import opened

BYTES = frozenset({"int8", "uint8"})
"""The integers that stand for floats at the ends of a model."""

FLOATS = frozenset({"float16", "float32", "float64"})


def with_float_ends(source: Pivot, target: Pivot) -> tuple[Pivot, Pivot]:
    """Return both models with integer ends as floats where the other side has floats.

    Ends that are integers of one type on both sides stay: they are compared as they are.
    An end whose grid the file does not tell stays, too; `untold_ends` says so.

    Args:
        source: The source.
        target: The target.
    """
    sides = (source.inputs, target.inputs), (source.outputs, target.outputs)
    both = [(_bytes(ours), _bytes(theirs)) for ours, theirs in sides]
    apart = [pair for pair in both if set(pair[0].values()) != set(pair[1].values())]
    return (
        as_floats(source, [name for ours, _ in apart for name in ours]),
        as_floats(target, [name for _, theirs in apart for name in theirs]),
    )


def _bytes(specs: Sequence[TensorSpec]) -> dict[str, str]:
    """Return the type of each end that is of eight-bit integers."""
    return {spec.name: spec.dtype for spec in specs if spec.dtype in BYTES}


def as_floats(pivot: Pivot, names: Iterable[str]) -> Pivot:
    """Return a model that takes and gives floats where its file has integers of a grid.

    Args:
        pivot: The model.
        names: The inputs and outputs meant; those of no known grid stay as they are.
    """
    wanted = set(names) & {**_bytes(pivot.inputs), **_bytes(pivot.outputs)}.keys()
    ends = dict(_told(pivot, wanted)) if wanted else {}  # most models have no such end
    if not ends:
        return pivot
    model = with_floats(pivot.model, ends)
    layers = dict(pivot.layers)
    layers |= {end.integers: layers[name] for name, end in ends.items() if name in layers}
    return replace(
        pivot,
        model=model,
        inputs=_typed(pivot.inputs, ends),
        outputs=_typed(pivot.outputs, ends),
        layers=layers,
        run_native=_Floated(pivot.run_native, ends),
        ends=ends,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Floated:
    """A native runtime that is fed floats for integers, and whose integers are floats."""

    run: Callable[[Feeds], Feeds]
    ends: Grids

    def __call__(self, feeds: Feeds) -> Feeds:
        given = self.run(
            {
                name: self.ends[name].quantized(value) if name in self.ends else value
                for name, value in feeds.items()
            }
        )
        return {
            name: self.ends[name].floats(value) if name in self.ends else value
            for name, value in given.items()
        }


def _typed(specs: Sequence[TensorSpec], ends: Grids) -> tuple[TensorSpec, ...]:
    return tuple(
        replace(spec, dtype="float32") if spec.name in ends else spec for spec in specs
    )


def _told(pivot: Pivot, wanted: AbstractSet[str]) -> Iterator[tuple[str, IntegerEnd]]:
    """Yield the ends whose grid stands beside them, of whatever operator it is part of."""
    model = opened(pivot.model).model
    own = nodes(model, pivot.folder)
    inner = {name for proto in pivot.model.graph.node for name in captured(proto)}
    taken = _names(pivot.model.graph)
    for spec in (*pivot.inputs, *pivot.outputs):
        if spec.name not in wanted - inner:
            continue
        is_input = any(spec is one for one in pivot.inputs)
        beside = _readers(spec.name, own) if is_input else _writers(spec.name, own)
        end = next(filter(None, (_end(spec, node) for node in beside)), None)
        if end is not None:
            yield spec.name, replace(end, integers=_free(end.integers, taken))


def _names(graph: onnx.GraphProto) -> frozenset[str]:
    """Return the names of all tensors and nodes of a graph."""
    given = {name for node in graph.node for name in (*node.output, node.name)}
    held = {one.name for one in (*graph.initializer, *graph.input)}
    return frozenset(given | held)


def _free(name: str, taken: AbstractSet[str]) -> str:
    """Return a name with which none that is taken begins, this one where it can be."""
    while any(one.startswith(name) for one in taken):
        name += "_"
    return name


def _end(spec: TensorSpec, node: Node) -> IntegerEnd | None:
    """Return the end that a quantizer beside it tells of."""
    grid = grid_of(node)
    if grid is None or not grid.is_per_tensor:
        return None
    limits = np.iinfo(spec.dtype)
    if (grid.low, grid.high) != (limits.min, limits.max):
        return None
    scale, zero = float(grid.scale.ravel()[0]), int(grid.zero.ravel()[0])
    return IntegerEnd(f"{spec.name}_integers", spec.dtype, scale, zero)


def _readers(name: str, own: Sequence[Node]) -> Iterator[Node]:
    """Yield what takes an input off its grid, in whatever layout."""
    waiting = [name]
    while waiting:
        tensor = waiting.pop()
        for node in own:
            if tensor not in node.inputs[:1]:
                continue
            if node.op == READER:
                yield node
            elif node.op in SAME_VALUES_OPS:
                waiting += node.outputs


def _writers(name: str, own: Sequence[Node]) -> Iterator[Node]:
    """Yield what puts an output on its grid, in whatever layout."""
    given = {tensor: node for node in own for tensor in node.outputs}
    node = given.get(name)
    while node is not None and node.op in SAME_VALUES_OPS:
        node = given.get(node.inputs[0])
    if node is not None and node.op == WRITER:
        yield node


def called_in_file(
    findings: Iterable[Finding], ours: Grids, theirs: Grids
) -> Iterator[Finding]:
    """Yield findings that call the integers of an end as the user's file does.

    Args:
        findings: By the names that `as_floats` gives.
        ours: The source's ends.
        theirs: The target's ends.
    """
    both = [{end.integers: name for name, end in ends.items()} for ends in (ours, theirs)]
    named = {**both[0], **both[1]}
    added = {
        f"{inner}_{op}": name for inner, name in named.items() for op in (READER, WRITER)
    }
    for one in findings:
        message = one.message
        for inner, name in (*added.items(), *named.items()):
            message = message.replace(inner, name)
        yield replace(
            one,
            message=message,
            source_nodes=tuple(name for name in one.source_nodes if name not in added),
            target_nodes=tuple(name for name in one.target_nodes if name not in added),
            source_tensors=_each(both[0].get(name, name) for name in one.source_tensors),
            target_tensors=_each(both[1].get(name, name) for name in one.target_tensors),
        )


def _each(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def untold_ends(
    source: Pivot,
    target: Pivot,
    inputs: Sequence[InputPair],
    outputs: Sequence[tuple[str, str]],
) -> Iterator[NotCompared]:
    """Yield the ends that are integers on one side only, of a grid that no file tells.

    Args:
        source: The source.
        target: The target.
        inputs: Which target input takes which source input.
        outputs: Output names that belong together.
    """
    taken = [(pair.source, pair.target) for pair in inputs]
    for pairs, word, sides in (
        (taken, "input", (source.inputs, target.inputs)),
        (outputs, "output", (source.outputs, target.outputs)),
    ):
        ours, theirs = ({spec.name: spec.dtype for spec in side} for side in sides)
        for left, right in pairs:
            kinds = ours[left], theirs[right]
            if not (set(kinds) & BYTES and set(kinds) & FLOATS):
                continue
            yield NotCompared(
                f"what the integers of {word} {right} stand for",
                f"the source has {kinds[0]} there and the target {kinds[1]}, and no scale "
                f"or zero point beside it: the same numbers were taken on both sides",
            )
