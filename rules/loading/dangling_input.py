"""A node reads a tensor that nothing gives.

Cause
    An optimiser merged or removed a node that still had a reader, or a converter forgot to
    write one.

Evidence
    The runtime names a tensor that is no input, no constant and no node's output; the
    source has nodes in the place of the reader.

Repair
    Carry over the source's nodes between the last tensors that agree and the reader.

Prevention
    Leave out the optimizer pass that removed the node, and load what it wrote before it is
    shipped.

References:
    https://github.com/inisis/OnnxSlim/issues/277
"""

import re
from dataclasses import dataclass

import numpy as np
import onnx

from analyzer.core.graph import node_name, node_reads
from analyzer.core.types import Fault, FaultClass, Fix, Node, ReplaceRegion
from rules.base import PROVEN, Example, Rule, Spot
from rules.carrying import carried
from rules.counterparts import counterpart, read_instead
from rules.models import axes, chain, conv, layer
from rules.sabotage import Victim, spoiled
from rules.wording import named

TENSOR = re.compile(
    r"[Nn]ode input '(?P<tensor>[^']+)' is not a graph input"
    r"|however input '(?P<inner>[^']+)' of node"
)
"""How ONNX Runtime names the tensor that is missing, in the main graph and in a body."""


@dataclass(frozen=True, slots=True, eq=False)
class Dangling:
    """The tensor that nothing gives, its reader, and what the source has there."""

    tensor: str
    reader: Node | None
    contrast: str
    edit: ReplaceRegion | None
    spot: Spot


def detect(fault: Fault) -> Dangling | None:
    if fault.fault_class not in {FaultClass.LOAD_FAILURE, FaultClass.RUNTIME}:
        return None
    named_tensor = TENSOR.search(fault.problem)
    if named_tensor is None:
        return None
    tensor = named_tensor["tensor"] or named_tensor["inner"]
    readers = tuple(node for node in fault.target.nodes if tensor in node_reads(node))
    spot = Spot(fault.source.nodes, readers, (tensor,))
    reader = next(iter(readers), None)
    contrast = _contrast(reader, tensor, fault) if reader else ""
    return Dangling(tensor, reader, contrast, carried(fault), spot)


def _contrast(reader: Node, tensor: str, fault: Fault) -> str:
    """Return what the source reads there, or which node inside of a body reads it here."""
    if tensor in reader.inputs:
        return read_instead(reader, tensor, fault)
    other = counterpart(reader, fault)
    for body, graph in reader.attributes.items():
        likes = graph.node if isinstance(graph, onnx.GraphProto) else ()
        for node in (one for one in likes if tensor in one.input):
            ours = other.attributes.get(body) if other else None
            return (
                f"{_said(node)} in its {body} reads it{_beside(node, graph, ours, tensor)}"
            )
    return "a node in its body reads it"


def _said(node: onnx.NodeProto) -> str:
    return f"{node.op_type} {node_name(node)}"


def _beside(node: onnx.NodeProto, graph: object, ours: object, tensor: str) -> str:
    """Return what the source's body has in the place of a node; empty where unknown."""
    both = [
        [one for one in body.node if one.op_type == node.op_type]
        for body in (graph, ours)
        if isinstance(body, onnx.GraphProto)
    ]
    if len(both) < len((graph, ours)) or len(both[0]) != len(both[1]):
        return ""
    twin, slot = both[1][both[0].index(node)], list(node.input).index(tensor)
    return f"; the source's {_said(twin)} reads {twin.input[slot]} there"


def explain(cause: Dangling) -> str:
    reader = f"{named(cause.reader)}: " if cause.reader else ""
    contrast = f"; {cause.contrast}" if cause.contrast else ""
    return (
        f"{reader}reads {cause.tensor}, which is no input, no constant and no node's output"
        f"{contrast}"
    )


def repair(cause: Dangling) -> tuple[Fix, ...]:
    if cause.edit is None:
        return ()
    return (Fix(f"Compute what reads {cause.tensor} as the source does", (cause.edit,)),)


def sabotage(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto | None:
    return spoiled(model, rng, {"Slice", "Reshape", "Relu", "Transpose"}, _forget)


def _forget(victim: Victim) -> bool:
    read = {name for node in victim.model.graph.node for name in node.input}
    if victim.node.output[0] not in read:
        return False
    victim.model.graph.node.remove(victim.node)
    return True


def forgetful() -> onnx.ModelProto:
    """Return a model whose Slice was removed though a convolution reads it."""
    whole = sliced()
    whole.graph.node.remove(whole.graph.node[1])
    return whole


def sliced() -> onnx.ModelProto:
    """Return two convolutions with a Slice between them."""
    cut = layer("Slice", axes(0), axes(6), axes(2))
    return chain(conv(), cut, conv(4, 2))


RULE = Rule(
    slug="dangling-input",
    fault_class=FaultClass.LOAD_FAILURE,
    confidence=PROVEN,
    detect=detect,
    explain=explain,
    repair=repair,
    sabotage=sabotage,
    examples=(Example(source=sliced, target=forgetful),),
)
