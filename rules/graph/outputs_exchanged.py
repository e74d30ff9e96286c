"""The outputs of the model come in another order.

Cause
    The converter collected the outputs in an order of its own, a dictionary's or that in
    which the graph was walked, or wrote one output's name to another's values. Where their
    shapes are the same nobody notices.

Evidence
    Each output holds another output of the source, all of them together each of the
    source's once, on every sample.

Repair
    Let the nodes that give them give each other's.

Safety
    Safe: nothing is computed otherwise. Offered only where no node inside the model reads
    one of the outputs.

Prevention
    Name the outputs when converting, and read them by name.

References:
    https://github.com/onnx/tensorflow-onnx/issues/926
    https://github.com/PINTO0309/onnx2tf/pull/185
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import onnx
from onnx import helper, numpy_helper

from analyzer.core.listing import several
from analyzer.core.types import Fault, FaultClass, Fix, Node, ReplaceRegion
from rules.base import PROVEN, Example, Rule, Spot
from rules.models import model, weights
from rules.protos import proto_of


@dataclass(frozen=True, slots=True, eq=False)
class OutOfPlace:
    """Outputs by the source output they hold, the one they should, and who gives them."""

    held: Mapping[str, str]
    own: Mapping[str, str]
    nodes: tuple[Node, ...]
    edits: tuple[ReplaceRegion, ...]
    spot: Spot


def detect(fault: Fault) -> OutOfPlace | None:
    held = {pair.target: pair.source for pair in fault.results}
    own = dict(zip(fault.target.outputs, fault.source.outputs, strict=False))
    if fault.source.nodes or held == own or sorted(held.values()) != sorted(own.values()):
        return None
    nodes = fault.target.nodes
    edit = _exchange(held, own, nodes)
    edits = () if edit is None else (edit,)
    return OutOfPlace(held, own, nodes, edits, Spot((), nodes, tuple(held)))


def explain(cause: OutOfPlace) -> str:
    told = (
        f"{name} holds the source's {one} where {cause.own[name]} belongs"
        for name, one in cause.held.items()
    )
    return f"the outputs come in another order: {several(told)}"


def repair(cause: OutOfPlace) -> tuple[Fix, ...]:
    return tuple(Fix("Give the outputs in the source's order", (e,)) for e in cause.edits)


def sabotage(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto | None:
    kinds = [(value.name, value.type.SerializeToString()) for value in model.graph.output]
    made = {name for node in model.graph.node for name in node.output}
    pairs = [
        (one, other)
        for n, (one, kind) in enumerate(kinds)
        for other, same in kinds[n + 1 :]
        if kind == same and {one, other} <= made
    ]
    if not pairs:
        return None
    one, other = pairs[int(rng.integers(len(pairs)))]
    turned = {one: other, other: one}
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for node in copy.graph.node:
        for slots in (node.input, node.output):
            slots[:] = [turned.get(name, name) for name in slots]
    return copy


def _exchange(
    held: Mapping[str, str], own: Mapping[str, str], nodes: Sequence[Node]
) -> ReplaceRegion | None:
    """Return the edit that lets nodes give each other's outputs, None if it spoils one."""
    given = {name for node in nodes for name in node.outputs}
    if not held.keys() <= given or any(held.keys() & {*node.inputs} for node in nodes):
        return None
    place = {one: name for name, one in own.items()}
    moved = {name: place[one] for name, one in held.items()}
    protos = [_moved(node, moved) for node in nodes]
    reads = [name for node in nodes for name in node.inputs if name]
    graph = helper.make_graph(
        protos,
        "replacement",
        [onnx.ValueInfoProto(name=name) for name in dict.fromkeys(reads)],
        [onnx.ValueInfoProto(name=name) for name in held],
    )
    return ReplaceRegion(tuple(node.name for node in nodes), graph, nodes[0].opset)


def _moved(node: Node, moved: Mapping[str, str]) -> onnx.NodeProto:
    copy = proto_of(node, node.inputs)
    del copy.output[:]
    copy.output.extend(moved.get(name, name) for name in node.outputs)
    return copy


def heads(*names: str) -> onnx.ModelProto:
    """Return two convolutions of one input, their outputs in a stated order."""
    kernels = [
        numpy_helper.from_array(weights(3, 3, 1, 1, seed=seed), f"w{seed}")
        for seed in (0, 1)
    ]
    nodes = [
        helper.make_node("Conv", ["x", f"w{seed}"], [names[seed]], name=f"head{seed}")
        for seed in (0, 1)
    ]
    return model(nodes, kernels, outputs=("a", "b"))


RULE = Rule(
    slug="outputs-exchanged",
    fault_class=FaultClass.COMPUTATIONAL_GRAPH,
    confidence=PROVEN,
    detect=detect,
    explain=explain,
    repair=repair,
    sabotage=sabotage,
    examples=(Example(source=partial(heads, "a", "b"), target=partial(heads, "b", "a")),),
)
