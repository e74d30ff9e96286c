"""Nodes that no run can compare: both models are given the same values in their place.

A random operator draws anew at each run, and a custom operator's code is not there to be
run. What stands before and behind them can be compared all the same.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx

from analyzer.core.errors import RunError
from analyzer.core.report import InputPair, NotCompared
from analyzer.core.types import Array, Fault, Feeds, Node, Pivot, TensorSpec
from analyzer.matching.ends import output_names, target_feeds
from analyzer.matching.layouts import SAME, Layout, best_layout, layouts
from analyzer.matching.operators import operator_pairs
from analyzer.matching.values import SAME_VALUES
from analyzer.runtime.region import run_region
from analyzer.runtime.session import open_session
from analyzer.runtime.value_types import type_of
from analyzer.view import View, view_of
from analyzer.view.classes import RANDOM_OPS

KNOWN_DOMAINS = frozenset(
    {"", "ai.onnx", "ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview.training"}
    | {"com.microsoft", "com.microsoft.nchwc", "com.microsoft.experimental"}
    | {"com.ms.internal.nhwc", "org.pytorch.aten"}
)
"""Domains whose operators ONNX Runtime brings along; others need a library of their own."""

GIVEN = "given in its place"
"""Why two inputs take the same values that no model of the user's has for inputs."""

DRAWS = "it draws random numbers; both models were given the same ones in its place"

UNKNOWN = (
    "operator {domain}:{op} is unknown to ONNX Runtime; both models were given the same "
    "values in its place"
)


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
    if not any(_names(source.model)) or not any(_names(target.model)):
        return whole
    pairs = _pairs(source, target, inputs)
    try:
        return _cut(source, target, samples, inputs, pairs, seed) if pairs else whole
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


def _names(model: onnx.ModelProto) -> Iterator[str]:
    """Yield the first output of each node that no run can compare."""
    own = {(one.domain, one.name) for one in model.functions}
    for node in model.graph.node:
        known = node.domain in KNOWN_DOMAINS or (node.domain, node.op_type) in own
        if not known or (node.op_type in RANDOM_OPS and not node.domain):
            yield from filter(None, node.output[:1])


def _pairs(
    left: Pivot, right: Pivot, inputs: Sequence[InputPair]
) -> tuple[tuple[Node, Node], ...]:
    """Return the nodes that no run can compare, paired by their place in the graphs."""
    views = view_of(left.model, left.folder), view_of(right.model, right.folder)
    names = set(_names(left.model)), set(_names(right.model))
    ends = {pair.source: pair.target for pair in inputs}
    found = (
        (views[0].operators[both.source].nodes, views[1].operators[both.target].nodes)
        for both in operator_pairs(*views, ends)
    )
    return tuple(
        (one[0], other[0])
        for one, other in found
        if one and other and (one[0].op, one[0].domain) == (other[0].op, other[0].domain)
        if one[0].outputs[0] in names[0] and other[0].outputs[0] in names[1]
    )


def _cut(
    left: Pivot,
    right: Pivot,
    samples: tuple[Feeds, ...],
    inputs: tuple[InputPair, ...],
    pairs: Sequence[tuple[Node, Node]],
    seed: int,
) -> Severed:
    """Return the pair with inputs in the places of some nodes."""
    fed = [dict(sample) for sample in samples]
    seen = [target_feeds(sample, inputs, right) for sample in samples]
    added: list[InputPair] = []
    for one, other in pairs:
        for ends in zip(one.outputs, other.outputs, strict=False):
            layout = _fill(left, right, (one, other), ends, fed, seen, seed + len(added))
            added.append(InputPair(*ends, layout.permutation, GIVEN))
    ours = _without(left, [one for one, _ in pairs], fed[0])
    theirs = _without(right, [other for _, other in pairs], seen[0])
    return Severed(
        ours,
        theirs,
        tuple(fed),
        (*inputs, *added),
        (*output_names(left, right), *_read(pairs, ours.model, theirs.model)),
        tuple(NotCompared(one.name, _why(one)) for one, _ in pairs),
    )


def _fill(  # noqa: PLR0913 - both sides of one tensor
    left: Pivot,
    right: Pivot,
    nodes: tuple[Node, Node],
    ends: tuple[str, str],
    fed: Sequence[dict[str, Array]],
    seen: Sequence[dict[str, Array]],
    seed: int,
) -> Layout:
    """Add a value in the place of one output to each sample; return how it is laid out.

    Raises:
        RunError: What stands before the node does not run.
    """
    layout = SAME
    for place, (ours, theirs) in enumerate(zip(fed, seen, strict=True)):
        known = _like(left, nodes[0], ends[0], ours)
        like = _like(right, nodes[1], ends[1], theirs)
        value = known
        if nodes[0].op not in RANDOM_OPS:
            drawn = np.random.default_rng((seed, place)).standard_normal(known.shape)
            value = drawn.astype(np.float32)
        if place == 0:
            close = best_layout(known, like, limit=SAME_VALUES)
            first = next((one for one in layouts(known.shape, like.shape)), SAME)
            layout = close[0] if close and not close[0].shape else first
        ours[ends[0]] = value
        moved = value.transpose(layout.permutation) if layout.permutation else value
        theirs[ends[1]] = np.ascontiguousarray(moved)
    return layout


def _like(pivot: Pivot, node: Node, name: str, feeds: Feeds) -> Array:
    """Return an array of the size of a node's output: one draw of it, or what it reads."""
    if node.op not in RANDOM_OPS:
        constant = (slot for slot in node.constants)
        fixed = set(constant)
        name = next(n for slot, n in enumerate(node.inputs) if n and slot not in fixed)
    if name in feeds:
        return feeds[name]
    return run_region(pivot.model, pivot.folder, feeds, [name])[name]


def _without(pivot: Pivot, nodes: Sequence[Node], feeds: Feeds) -> Pivot:
    """Return a pivot that is fed what some nodes give, and gives what they read."""
    gone = {name for node in nodes for name in node.outputs if name}
    model = onnx.ModelProto()
    model.CopyFrom(pivot.model)
    graph = model.graph
    kept = [node for node in graph.node if not gone & set(node.output)]
    del graph.node[:]
    graph.node.extend(kept)
    given = {name for node in kept for name in node.output}
    known = {value.name for value in graph.output}
    read = dict.fromkeys(name for node in nodes for name in node.inputs)
    graph.output.extend(
        onnx.ValueInfoProto(name=name) for name in read if name in given - known
    )
    added = [name for node in nodes for name in node.outputs if name in feeds]
    graph.input.extend(
        onnx.ValueInfoProto(name=name, type=type_of(feeds[name])) for name in added
    )
    specs = (TensorSpec(name, str(feeds[name].dtype), None) for name in added)
    outputs = [spec.name for spec in pivot.outputs]

    def run(sample: Feeds) -> Feeds:
        return open_session(model, pivot.folder, optimize=True).run(sample, outputs)

    return replace(pivot, model=model, inputs=(*pivot.inputs, *specs), run_native=run)


def _read(
    pairs: Sequence[tuple[Node, Node]], ours: onnx.ModelProto, theirs: onnx.ModelProto
) -> Iterator[tuple[str, str]]:
    """Yield what the nodes of a pair read, slot by slot, where both models compute it."""
    left, right = ({v.name for v in model.graph.output} for model in (ours, theirs))
    for one, other in pairs:
        for name, twin in zip(one.inputs, other.inputs, strict=False):
            if name in left and twin in right:
                yield name, twin


def _why(node: Node) -> str:
    if node.op in RANDOM_OPS and not node.domain:
        return DRAWS
    return UNKNOWN.format(domain=node.domain, op=node.op)
