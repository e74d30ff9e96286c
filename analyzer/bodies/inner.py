"""Two bodies as a pair of pivots of their own, with the source's values for samples."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import onnx

from analyzer.bodies.entries import Entries, Joined
from analyzer.bodies.opened import Body
from analyzer.core.report import InputPair
from analyzer.core.types import Array, Feeds, Pivot, TensorPair
from analyzer.frontends.imported import specs
from analyzer.matching.layouts import layout_of
from analyzer.matching.tensors import carried_or_none
from analyzer.runtime.session import open_session
from analyzer.runtime.value_types import type_of

OWN = "#target"
"""Ends the name of a source input that stands for a value only the target's body reads."""


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """One turn as both bodies see it.

    Attributes:
        sample: The place of the sample it was seen on.
        number: The turn's number, None for a branch.
        ours: What the source's body reads: tensors around it, and what the turn is given.
        theirs: The same for the target's body; right values, in its own layouts.
    """

    sample: int
    number: int | None
    ours: Feeds
    theirs: Feeds


@dataclass(frozen=True, slots=True, eq=False)
class Inner:
    """Two bodies as `compare_values` takes two models.

    Attributes:
        source: One turn of the source's body.
        target: One turn of the target's body.
        probes: What the source's is fed, a sample a turn.
        inputs: Which target input takes which source input.
        outputs: Which outputs belong together.
        shots: The turns themselves.
    """

    source: Pivot
    target: Pivot
    probes: tuple[Feeds, ...]
    inputs: tuple[InputPair, ...]
    outputs: tuple[tuple[str, str], ...]
    shots: tuple[Shot, ...]


def inner_pair(
    pivots: tuple[Pivot, Pivot],
    bodies: tuple[Body, Body],
    joined: Joined,
    edges: Sequence[TensorPair],
    shots: Sequence[Shot],
) -> Inner | None:
    """Return two bodies as a pair of pivots; None where one of them computes nothing.

    Args:
        pivots: The models around them, the source's first.
        bodies: Both bodies laid open.
        joined: Which of their ends belong together.
        edges: The pairs of tensors around them, as far as known.
        shots: The turns to compare them on.
    """
    made = bodies[0].made, bodies[1].made
    outputs = tuple(
        ends for ends in joined.outputs if ends[0] in made[0] and ends[1] in made[1]
    )
    first = shots[0]
    ours = bodies[0].part(first.ours, [one for one, _ in outputs])
    theirs = bodies[1].part(first.theirs, [other for _, other in outputs])
    if not ours.graph.node or not theirs.graph.node:
        return None
    pairs = tuple(_pairs(theirs, joined.inputs, edges, first))
    probes = [_fed(shot, ours, pairs) for shot in shots]
    known = {value.name for value in ours.graph.input}
    ours.graph.input.extend(
        onnx.ValueInfoProto(name=name, type=type_of(array))
        for name, array in probes[0].items()
        if name not in known
    )
    return Inner(
        _pivot(pivots[0], ours),
        _pivot(pivots[1], theirs),
        tuple(probes),
        pairs,
        outputs,
        tuple(shots),
    )


def _pivot(outer: Pivot, model: onnx.ModelProto) -> Pivot:
    """Return a body's turn as a pivot, under the name of the file it stands in."""
    names = [value.name for value in model.graph.output]

    def run(feeds: Feeds) -> Feeds:
        return open_session(model, outer.folder, optimize=True).run(feeds, names)

    return replace(
        outer,
        model=model,
        inputs=specs(model.graph.input),
        outputs=specs(model.graph.output),
        run_native=run,
    )


def _pairs(
    theirs: onnx.ModelProto, entries: Entries, edges: Sequence[TensorPair], shot: Shot
) -> Iterator[InputPair]:
    """Yield the source input of each target input; one of its own where there is none."""
    around = {edge.target: (edge.source, layout_of(edge)) for edge in edges}
    inside = {name: (entry.source, entry.layout) for name, entry in entries.items()}
    for value in theirs.graph.input:
        name = value.name
        ours, layout = {**around, **inside}.get(name, ("", None))
        if ours in shot.ours and layout is not None and layout.shape is None:
            moved = carried_or_none(shot.ours[ours], layout)
            if moved is not None and moved.shape == shot.theirs[name].shape:
                yield InputPair(ours, name, layout.permutation, "what is around it")
                continue
        yield InputPair(name + OWN, name, None, "what is around it")


def _fed(shot: Shot, ours: onnx.ModelProto, pairs: Sequence[InputPair]) -> dict[str, Array]:
    """Return one sample of the source's body."""
    names = dict.fromkeys(
        (*(value.name for value in ours.graph.input), *(pair.source for pair in pairs))
    )
    held: Mapping[str, Array] = {
        **shot.ours,
        **{name + OWN: value for name, value in shot.theirs.items()},
    }
    return {name: held[name] for name in names}
