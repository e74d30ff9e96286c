"""Operators inside a TFLite model's loops and branches, held against LiteRT's own values.

LiteRT keeps what a body computed in its last turn. What a loop carries on is overwritten by
then, so an operator that reads it is not judged.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from analyzer.core.types import Feeds
from analyzer.frontends.child.lite.draft import is_on_grid
from analyzer.frontends.child.lite.facts import Graph, Operator, graphs
from analyzer.frontends.child.lite.importer import pivot_of
from analyzer.frontends.child.translated import mistranslated

Inside = Callable[[Feeds, int, Mapping[str, int]], Feeds]
"""Gives, for a sample, one of the model's graphs and indices by name, the values that
LiteRT left there: none of what did not run."""


@dataclass(frozen=True, slots=True)
class Inner:
    """An operator in a body that is not what LiteRT computes of the same values.

    Attributes:
        outer: The place of the loop or branch in the main graph.
        kind: The operator, with its place and its graph.
        tensor: What it gives.
        error: Relative deviation.
    """

    outer: int
    kind: str
    tensor: str
    error: float


def wrong_inside(tree: Any, samples: Sequence[Feeds], inside: Inside) -> tuple[Inner, ...]:
    """Return the operators in bodies that are drawn wrongly, the worst first.

    Args:
        tree: The flatbuffer's `schema.ModelT`.
        samples: Samples by input name.
        inside: LiteRT's own values.
    """
    known = graphs(tree)
    found = [
        one
        for operator in known[0].operators
        for place, is_loop in _bodies(known, operator)
        for one in _wrong(tree, (operator.place, place), samples, inside, loops=is_loop)
    ]
    return tuple(sorted(found, key=lambda one: -one.error))


def _bodies(known: Sequence[Graph], operator: Operator) -> Iterator[tuple[int, bool]]:
    """Yield each graph that an operator runs, and whether again and again."""
    options = operator.options
    if operator.kind == "WHILE":
        places = [options.bodySubgraphIndex]
    elif operator.kind == "IF":
        places = [options.thenSubgraphIndex, options.elseSubgraphIndex]
    else:
        return
    for place in places:
        yield place, operator.kind == "WHILE"
        for one in known[place].operators:
            yield from _bodies(known, one)


def _wrong(
    tree: Any,
    places: tuple[int, int],
    samples: Sequence[Feeds],
    inside: Inside,
    *,
    loops: bool,
) -> Iterator[Inner]:
    outer, place = places
    graph = graphs(tree)[place]
    judged = {
        name: one for name, one in _writers(graph) if not (loops and _stale(graph, one))
    }
    for name, error in _errors(tree, place, samples, inside).items():
        if name in judged:
            one = judged[name]
            said = f"{one.kind} (operator {one.place} of the graph {graph.name or place})"
            yield Inner(outer, said, name, error)


def _writers(graph: Graph) -> Iterator[tuple[str, Operator]]:
    for one in graph.operators:
        yield from ((graph.tensors[index].name, one) for index in one.outputs)


def _stale(graph: Graph, operator: Operator) -> bool:
    """Return whether an operator reads what a loop carries on and changes."""
    both = zip(graph.inputs, graph.outputs, strict=True)
    return bool({taken for taken, given in both if taken != given} & {*operator.inputs})


def _errors(
    tree: Any, place: int, samples: Sequence[Feeds], inside: Inside
) -> dict[str, float]:
    """Return the relative error of each tensor of a body that is drawn wrongly."""
    graph, body = graphs(tree)[place], pivot_of(tree, place)
    taken = [graph.tensors[index].name for index in graph.inputs]
    indices = _indices(graph)
    on_grid = frozenset(one.name for one in graph.tensors if is_on_grid(one))
    worst: dict[str, float] = {}
    for feeds in samples:
        values = inside(feeds, place, indices)
        if not {*taken} <= values.keys():
            continue
        fed = {name: values[name] for name in taken}
        for name, error in mistranslated(
            body, [fed], partial(_among, values), on_grid
        ).items():
            worst[name] = max(error, worst.get(name, 0.0))
    return worst


def _indices(graph: Graph) -> dict[str, int]:
    made = (index for one in graph.operators for index in one.outputs)
    return {graph.tensors[index].name: index for index in (*graph.inputs, *made)}


def _among(values: Feeds, _: Feeds, names: Sequence[str]) -> Feeds:
    return {name: values[name] for name in names if name in values}
