"""Nodes that no run can compare: both models are given the same values in their place.

A random operator draws anew at each run, and a custom operator's code is not there to be
run. What stands before and behind them can be compared all the same.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import onnx

from analyzer.core.errors import RunError
from analyzer.core.report import InputPair, NotCompared
from analyzer.core.types import Fault, Feeds, Pivot, TensorSpec
from analyzer.fillings import fill
from analyzer.gaps import Gap, gaps, is_random
from analyzer.matching.ends import output_names, target_feeds
from analyzer.runtime.session import open_session
from analyzer.runtime.value_types import type_of
from analyzer.view import View

GIVEN = "given in its place"
"""Why two inputs take the same values that no model of the user's has for inputs."""

DRAWS = "it draws random numbers; both models were given the same ones in its place"

UNKNOWN = (
    "operator {domain}:{op} is unknown to ONNX Runtime; both models were given {values} "
    "in its place"
)

UNREAD = "unread/"
"""Before the name of a tensor that is computed, and given all the same."""

FIRST_STREAM = 2
"""Streams of random values below it are the samples themselves."""


@dataclass(frozen=True, slots=True, eq=False)
class Severed:
    """A pair whose incomparable nodes are replaced by inputs.

    Attributes:
        source: The source; its native runtime is ONNX Runtime where anything was replaced.
        target: The target, likewise.
        samples: Samples by source input name, those in the nodes' places among them.
        inputs: Which target input takes which source input.
        outputs: The outputs that belong together, what the nodes read among them; None
            where nothing was replaced.
        missed: The nodes, and why they are not compared.
    """

    source: Pivot
    target: Pivot
    samples: tuple[Feeds, ...]
    inputs: tuple[InputPair, ...]
    outputs: tuple[tuple[str, str], ...] | None
    missed: tuple[NotCompared, ...]


def severed(
    source: Pivot,
    target: Pivot,
    samples: tuple[Feeds, ...],
    inputs: tuple[InputPair, ...],
    seed: int,
) -> Severed:
    """Return a pair without the nodes of both sides that no run can compare.

    Args:
        source: The source, its functions opened.
        target: The target, likewise.
        samples: Samples by source input name.
        inputs: Which target input takes which source input.
        seed: Seed of what is drawn for custom operators.
    """
    whole = Severed(source, target, samples, inputs, None, ())
    found = gaps(source, target, inputs)
    try:
        return _cut(source, target, samples, inputs, found, seed) if found else whole
    except RunError:  # it stops at more than those nodes
        return whole


def own_entries(fault: Fault, view: View, inputs: Sequence[InputPair]) -> Fault:
    """Return a fault for which what is given in a node's place is no input of the model.

    Args:
        fault: A fault of a pair that nodes were cut out of.
        view: The target's macro graph.
        inputs: Which target input takes which source input.
    """
    given = {pair.target for pair in inputs if pair.why == GIVEN}
    entries = (name for name in fault.entries if view.root.get(name, name) not in given)
    return replace(fault, entries=tuple(entries))


def _cut(
    left: Pivot,
    right: Pivot,
    samples: tuple[Feeds, ...],
    inputs: tuple[InputPair, ...],
    found: Sequence[Gap],
    seed: int,
) -> Severed:
    """Return the pair with inputs in the places of some nodes."""
    fed = [dict(sample) for sample in samples]
    seen = [target_feeds(sample, inputs, right) for sample in samples]
    added: list[InputPair] = []
    for gap in found:
        for ends in gap.given:
            stream = FIRST_STREAM + seed + len(added)
            layout = fill((left, right), gap, ends, (fed, seen), stream)
            added.append(InputPair(*ends, layout.permutation, GIVEN))
    ours = _without(left, [one for gap in found for one, _ in gap.given], fed[0])
    theirs = _without(right, [other for gap in found for _, other in gap.given], seen[0])
    read = [ends for gap in found for ends in gap.read]
    sides = _giving(ours, [one for one, _ in read]), _giving(theirs, [o for _, o in read])
    return Severed(
        *sides,
        tuple(fed),
        (*inputs, *added),
        (*output_names(*sides), *_both(read, *sides)),
        tuple(NotCompared(gap.node.name, _why(gap)) for gap in found),
    )


def _without(pivot: Pivot, given: Sequence[str], feeds: Feeds) -> Pivot:
    """Return a pivot that is fed some tensors instead of computing them.

    Where nothing else is read of a node, it is gone; what only led there stays, unread.
    What is fed is no output any more: it would agree with itself.
    """
    model = onnx.ModelProto()
    model.CopyFrom(pivot.model)
    graph, gone = model.graph, set(given)
    own = [value for value in graph.output if value.name not in gone]
    del graph.output[:]
    graph.output.extend(own)
    kept = [node for node in graph.node if not gone.issuperset(filter(None, node.output))]
    del graph.node[:]
    graph.node.extend(kept)
    for node in graph.node:
        node.output[:] = [UNREAD + name if name in gone else name for name in node.output]
    added = [name for name in given if name in feeds]
    graph.input.extend(
        onnx.ValueInfoProto(name=name, type=type_of(feeds[name])) for name in added
    )
    specs = (TensorSpec(name, str(feeds[name].dtype), None) for name in added)
    outputs = tuple(spec for spec in pivot.outputs if spec.name not in gone)
    return replace(pivot, model=model, inputs=(*pivot.inputs, *specs), outputs=outputs)


def _giving(pivot: Pivot, names: Sequence[str]) -> Pivot:
    """Return a pivot that gives some of its inner tensors too, in its native runs as ever.

    Args:
        pivot: A pivot of `_without`.
        names: What the nodes in the gaps read.
    """
    model, outputs = pivot.model, [spec.name for spec in pivot.outputs]
    made = {name for node in model.graph.node for name in node.output}
    known = {value.name for value in model.graph.output}
    wanted = [name for name in dict.fromkeys(names) if name in made - known]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)

    def run(sample: Feeds) -> Feeds:
        return open_session(model, pivot.folder, optimize=True).run(sample, outputs)

    return replace(pivot, run_native=run)


def _both(
    read: Sequence[tuple[str, str]], ours: Pivot, theirs: Pivot
) -> Iterator[tuple[str, str]]:
    """Yield what both nodes of a gap read, where both models compute it."""
    left, right = ({v.name for v in one.model.graph.output} for one in (ours, theirs))
    yield from (ends for ends in read if ends[0] in left and ends[1] in right)


def _why(gap: Gap) -> str:
    if is_random(gap.node):
        return DRAWS
    whose = "the same values" if gap.twin else "the values that the target computes"
    return UNKNOWN.format(domain=gap.node.domain, op=gap.node.op, values=whose)
