"""What is wrong with the pivot of a TFLite model, operator by operator."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import onnx

from analyzer.core.types import Feeds, Mistranslation, NativeLayer
from analyzer.frontends.child.correspondence import aligned
from analyzer.frontends.child.lite.draft import is_on_grid
from analyzer.frontends.child.lite.facts import Graph, graphs
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


@dataclass(frozen=True, slots=True)
class Told:
    """What LiteRT's own values say of a pivot.

    Attributes:
        wrong: Operators that are not what LiteRT computes of the same values.
        layerwise: How many steps of their grids layers are off, as a clause.
    """

    wrong: tuple[Mistranslation, ...]
    layerwise: str


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
    layers: Layers,
) -> Told:
    """Return what LiteRT's own values say of a pivot.

    Args:
        pivot: The pivot, its tensors named as in the flatbuffer.
        tree: The flatbuffer's `schema.ModelT`.
        samples: Samples by input name.
        values: LiteRT's own values.
        layers: The layer of each tensor.
    """
    graph = graphs(tree)[0]
    on_grid = frozenset(one.name for one in graph.tensors if is_on_grid(one))
    wrong = mistranslated(pivot, samples, values, on_grid)
    found = tuple(_mistranslations(wrong, graph, layers))
    if not on_grid:
        return Told(found, "")
    apart, whole = _farthest(pivot, samples, values, on_grid)
    return Told(
        found,
        "fed LiteRT's own integers, its layers are off by "
        f"{_said(apart, layers)}; run as a whole, by {_said(whole, layers)}",
    )


def _mistranslations(
    wrong: Mapping[str, float], graph: Graph, layers: Layers
) -> Iterator[Mistranslation]:
    kinds = {
        graph.tensors[index].name: f"{one.kind} (operator {one.place})"
        for one in graph.operators
        for index in one.outputs
    }
    for name in sorted(wrong, key=lambda name: -wrong[name]):
        layer = NativeLayer(*layers[name]) if name in layers else None
        kind = kinds.get(name, name)
        yield Mistranslation(kind, layer, name, wrong[name], mended=False)


def _farthest(
    pivot: onnx.ModelProto,
    samples: Sequence[Feeds],
    values: Values,
    on_grid: frozenset[str],
) -> tuple[Farthest, Farthest]:
    """Return the most steps that a layer is off alone, and in a run of the whole."""
    alone: Farthest = (0, "")
    whole: Farthest = (0, "")
    names = given(pivot)
    for feeds in samples:
        native = values(feeds, names)
        seen = observed(pivot, feeds, list(native))
        known = aligned(seen, native)
        parts = isolated(pivot, {**known, **feeds})
        alone = max([alone, *_distances(parts, known, on_grid)])
        whole = max([whole, *_distances(seen, known, on_grid)])
    return alone, whole


def _distances(given_: Feeds, native: Feeds, on_grid: frozenset[str]) -> Iterator[Farthest]:
    for name in on_grid & given_.keys() & native.keys():
        yield steps(given_[name], native[name]), name


def _said(farthest: Farthest, layers: Layers) -> str:
    count, name = farthest
    if not count:
        return "no quantization step"
    place = layers[name][0] if name in layers else name
    return f"at most {count} quantization step{'s' if count > 1 else ''} (in {place})"
