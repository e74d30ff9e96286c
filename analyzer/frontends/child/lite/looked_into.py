"""What is wrong with the pivot of a TFLite model, operator by operator."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import onnx

from analyzer.core.types import Feeds, Mistranslation, NativeLayer
from analyzer.frontends.child.correspondence import aligned
from analyzer.frontends.child.lite.draft import is_on_grid
from analyzer.frontends.child.lite.facts import Graph, graphs
from analyzer.frontends.child.lite.inner import Inner, Inside, wrong_inside
from analyzer.frontends.child.translated import (
    Values,
    given,
    isolated,
    mistranslated,
    observed,
    steps,
)

Layers = Mapping[str, tuple[str, str | None]]
Farthest = tuple[int, str]
"""Steps of a grid, and the tensor that is as far off."""

Steps = Mapping[str, tuple[int, int]]
"""Steps that each tensor is off alone, and in a run of the whole."""


@dataclass(frozen=True, slots=True)
class Told:
    """What LiteRT's own values say of a pivot.

    Attributes:
        wrong: Operators that are not what LiteRT computes of the same values.
        layerwise: How many steps of their grids layers are off, as a clause.
        steps: The same of each tensor on a grid, alone and in a run of the whole.
    """

    wrong: tuple[Mistranslation, ...]
    layerwise: str
    steps: Steps


def tensor_places(tree: Any) -> dict[str, int]:
    """Return the index of each tensor of the main graph that is computed, by its name.

    What nothing reads is left out: LiteRT leaves there what the memory held, where a loop
    gives it.

    Args:
        tree: The flatbuffer's `schema.ModelT`.
    """
    graph = graphs(tree)[0]
    read = {index for operator in graph.operators for index in operator.inputs}
    read |= {*graph.outputs}
    made = (index for operator in graph.operators for index in operator.outputs)
    return {graph.tensors[index].name: index for index in made if index in read}


def looked_into(
    pivot: onnx.ModelProto,
    tree: Any,
    samples: Sequence[Feeds],
    values: Values,
    inside: Inside,
    layers: Layers,
) -> Told:
    """Return what LiteRT's own values say of a pivot.

    Args:
        pivot: The pivot, its tensors named as in the flatbuffer.
        tree: The flatbuffer's `schema.ModelT`.
        samples: Samples by input name.
        values: LiteRT's own values.
        inside: The same of loops and branches.
        layers: The layer of each tensor.
    """
    graph = graphs(tree)[0]
    on_grid = frozenset(one.name for one in graph.tensors if is_on_grid(one))
    wrong = mistranslated(pivot, samples, values, on_grid)
    inner = wrong_inside(tree, samples, inside) if wrong else ()
    found = tuple(_mistranslations(wrong, inner, graph, layers))
    if not on_grid:
        return Told(found, "", {})
    apart = _steps(pivot, samples, values, on_grid)
    alone, whole = (
        max(((both[way], name) for name, both in apart.items()), default=(0, ""))
        for way in (0, 1)
    )
    return Told(
        found,
        "fed LiteRT's own integers, its layers are off by "
        f"{_said(alone, layers)}; run as a whole, by {_said(whole, layers)}",
        apart,
    )


def _mistranslations(
    wrong: Mapping[str, float], inner: Sequence[Inner], graph: Graph, layers: Layers
) -> Iterator[Mistranslation]:
    """Yield what is wrong; a loop or branch is blamed by the operators inside of it."""
    writers = {
        graph.tensors[index].name: one for one in graph.operators for index in one.outputs
    }
    for one in inner:
        layer = NativeLayer(*layers[one.tensor]) if one.tensor in layers else None
        yield Mistranslation(one.kind, layer, one.tensor, one.error, mended=False)
    opened = {one.outer for one in inner}
    for name in sorted(wrong, key=lambda name: -wrong[name]):
        writer = writers.get(name)
        if writer is not None and writer.place in opened:
            continue
        layer = NativeLayer(*layers[name]) if name in layers else None
        kind = f"{writer.kind} (operator {writer.place})" if writer else name
        yield Mistranslation(kind, layer, name, wrong[name], mended=False)


def _steps(
    pivot: onnx.ModelProto,
    samples: Sequence[Feeds],
    values: Values,
    on_grid: frozenset[str],
) -> Steps:
    """Return the most steps that each tensor is off alone, and in a run of the whole."""
    found: dict[str, tuple[int, int]] = {}
    names = given(pivot)
    for feeds in samples:
        native = values(feeds, names)
        seen = observed(pivot, feeds, list(native))
        known = aligned(seen, native)
        alone = dict(_distances(isolated(pivot, {**known, **feeds}), known, on_grid))
        whole = dict(_distances(seen, known, on_grid))
        for name in alone.keys() & whole.keys():
            before = found.get(name, (0, 0))
            found[name] = max(before[0], alone[name]), max(before[1], whole[name])
    return found


def _distances(
    given_: Feeds, native: Feeds, on_grid: frozenset[str]
) -> Iterator[tuple[str, int]]:
    for name in on_grid & given_.keys() & native.keys():
        yield name, steps(given_[name], native[name])


def _said(farthest: Farthest, layers: Layers) -> str:
    count, name = farthest
    if not count:
        return "no quantization step"
    place = layers[name][0] if name in layers else name
    return f"at most {count} quantization step{'s' if count > 1 else ''} (in {place})"
