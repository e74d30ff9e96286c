"""A TensorFlow model imported again, its wrongly translated operators spelled otherwise."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import onnx

from analyzer.core.types import Feeds, Mistranslation, NativeLayer
from analyzer.frontends.child import graph_def
from analyzer.frontends.child.graph_spelled import Spelling, with_spellings
from analyzer.frontends.child.graph_spellings import SPELLINGS
from analyzer.frontends.child.loaded import Loaded
from analyzer.frontends.child.naming import renamed
from analyzer.frontends.child.node_names import Layers
from analyzer.frontends.child.tensorflow_values import Frozen, GraphValues
from analyzer.frontends.child.translated import given, mistranslated
from analyzer.runtime.metrics import relative_error

ROUNDS = 3
"""Imports at most after the first: a spelling may itself need one."""

MOST_SAMPLES = 4
"""Samples that operators are looked at on; each is run with every tensor kept."""

OBSERVED = 1e-4
"""Relative deviation of an output up to which a graph that is looked into computes what
the model does: it is compiled otherwise, and rounds otherwise."""

MOST_NAMED = 3
"""Operators that a part of the pivot is named by, the last ones."""


@dataclass(frozen=True, slots=True, eq=False)
class _Attempt:
    """A graph as it was imported, and what is wrong with that."""

    model: onnx.ModelProto
    layers: Layers
    wrong: Mapping[str, float]
    operators: Mapping[str, tuple[tuple[str, str | None], ...]]

    @property
    def badness(self) -> tuple[int, float]:
        """How many tensors are wrong, and by how much the worst of them."""
        return len(self.wrong), max(self.wrong.values(), default=0.0)


def remaking(
    freeze: Callable[[], Frozen], run: Callable[[Feeds], Feeds]
) -> tuple[Callable[[Sequence[Feeds]], Loaded | None], GraphValues]:
    """Return what imports a model anew where its ONNX form is wrong, and gives its values.

    Args:
        freeze: Gives the model's graph.
        run: Runs the model natively.
    """
    values = GraphValues(freeze)

    def remake(samples: Sequence[Feeds]) -> Loaded | None:
        few = tuple(samples[:MOST_SAMPLES])
        frozen = freeze()
        if not _is_the_model(frozen, values, run, few[0]):
            return None
        made = _remade(frozen, values, few)
        if made is None:
            return None
        best, wrong = made
        return Loaded(best.model, run, best.layers, wrong=wrong, values=values)

    return remake, values


def _is_the_model(
    frozen: Frozen, values: GraphValues, run: Callable[[Feeds], Feeds], feeds: Feeds
) -> bool:
    """Return whether the graph, looked into, gives what the model gives unobserved."""
    plain = run(feeds)
    seen = values(feeds, list(frozen.outputs.values()))
    return all(relative_error(seen[name], plain[name]) <= OBSERVED for name in seen)


def _remade(
    frozen: Frozen, values: GraphValues, samples: Sequence[Feeds]
) -> tuple[_Attempt, tuple[Mistranslation, ...]] | None:
    first = best = latest = _attempt(frozen, values, samples, {})
    if not first.wrong:
        return None
    table: dict[str, Spelling] = {}
    for _ in range(ROUNDS):
        more = {
            kind: SPELLINGS[kind]
            for named in latest.operators.values()
            for kind, _ in named
            if kind in SPELLINGS and kind not in table
        }
        if not more:
            break
        table |= more
        latest = _attempt(frozen, values, samples, table)
        best = min((best, latest), key=lambda one: one.badness)
    return best, tuple(_told(first, best, table))


def _attempt(
    frozen: Frozen,
    values: GraphValues,
    samples: Sequence[Feeds],
    table: Mapping[str, Spelling],
) -> _Attempt:
    graph = with_spellings(frozen.graph, table)
    ends = list(frozen.inputs), list(frozen.outputs)
    made = graph_def.pivot_of(frozen.path, graph, *ends)
    layers = frozen.layers(made)
    model, names = renamed(made, frozen.ends)
    wrong = mistranslated(model, samples, values)
    known = dict.fromkeys(given(made))
    operators = {name: values.operators(name, known) for name in wrong}
    called = {names.get(name, name): layer for name, layer in layers.items()}
    return _Attempt(model, called, wrong, operators)


def _told(
    first: _Attempt, best: _Attempt, table: Mapping[str, Spelling]
) -> Iterator[Mistranslation]:
    """Yield each operator that was wrong at first, and whether it still is."""
    left = {kind for named in best.operators.values() for kind, _ in named}
    told = set()
    for name in sorted(first.wrong, key=lambda name: -first.wrong[name]):
        every = first.operators[name]
        spelled = [one for one in every if one[0] in table]
        mended = name not in best.wrong and not left & {kind for kind, _ in spelled}
        called, layer = _called((mended and spelled) or every)
        if called not in told:
            own = NativeLayer(layer) if layer else None
            yield Mistranslation(called, own, name, first.wrong[name], mended=mended)
        told.add(called)


def _called(operators: Sequence[tuple[str, str | None]]) -> tuple[str, str | None]:
    """Return what operators of one part are called, and their layer if it is one."""
    few = list(dict.fromkeys(operators))[:MOST_NAMED]
    if len(few) == 1:
        return few[0]
    said = [f"{kind} in {layer}" if layer else kind for kind, layer in few]
    return " or ".join(said) or "a part of it", None
