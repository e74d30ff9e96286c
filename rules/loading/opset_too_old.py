"""An operator is used with a type that the declared opset does not allow.

Cause
    The converter wrote an operator as a newer opset has it and declared an older one: the
    runtime refuses the model before it computes anything.

Evidence
    The runtime names the operator and the type; the schema of the declared opset lacks that
    type, and the schema of a later one has it.

Repair
    Declare the first opset whose operator takes the type; or cast around the operator.

Safety
    Another opset may change the meaning of other operators: unsafe until the outputs agree.

Prevention
    Ask the converter for the newer opset: `opset_version` of torch.onnx, `--opset` of
    tf2onnx.
"""

import re
from dataclasses import dataclass
from functools import partial

import numpy as np
import onnx
from onnx import defs

from analyzer.core.spelling import Spelling, graph_of
from analyzer.core.types import (
    Fault,
    FaultClass,
    Fix,
    Node,
    ReplaceRegion,
    Safety,
    SetOpset,
)
from rules.base import PROVEN, Example, Rule, Spot
from rules.models import axes, chain, layer
from rules.regions import computed_inputs
from rules.wording import named

TYPE = re.compile(r"[Tt]ype '?tensor\((?P<dtype>\w+)\)'?")
"""How ONNX Runtime names the type it refuses."""

LARGEST_STEP = 12
"""Opsets to look ahead for one that takes the type: further, nothing installed reads it."""

NUMPY_NAMES = {"float": "float32", "double": "float64"}


@dataclass(frozen=True, slots=True, eq=False)
class TooOld:
    """The operator, the type it was given, and the first opset that takes it."""

    node: Node
    dtype: str
    needed: int
    spot: Spot


def detect(fault: Fault) -> TooOld | None:
    if fault.fault_class not in {FaultClass.LOAD_FAILURE, FaultClass.RUNTIME}:
        return None
    named_type = TYPE.search(fault.problem)
    if named_type is None:
        return None
    dtype = named_type["dtype"]
    for node in reversed(fault.target.nodes):
        needed = _first_opset(node, f"tensor({dtype})")
        if needed is not None:
            counterparts = tuple(one for one in fault.source.nodes if one.op == node.op)
            return TooOld(node, dtype, needed, Spot(counterparts, (node,)))
    return None


def explain(cause: TooOld) -> str:
    return (
        f"{named(cause.node)}: opset {cause.node.opset} does not take {cause.dtype} here, "
        f"opset {cause.needed} is the first that does; the runtime refuses the model"
    )


def repair(cause: TooOld) -> tuple[Fix, ...]:
    newer = SetOpset("", cause.needed)
    declared = Fix(f"Declare opset {cause.needed}", (newer,), Safety.UNSAFE)
    edit = _cast_around(cause)
    if edit is None:
        return (declared,)
    return declared, Fix(f"Compute {cause.node.name} in float32", (edit,))


def _first_opset(node: Node, dtype: str) -> int | None:
    """Return the first later opset that takes a type which the declared one refuses."""
    if node.domain or _takes(node.op, node.opset, dtype) is not False:
        return None
    later = range(
        node.opset + 1, min(node.opset + LARGEST_STEP, defs.onnx_opset_version()) + 1
    )
    return next((opset for opset in later if _takes(node.op, opset, dtype)), None)


def _takes(op: str, opset: int, dtype: str) -> bool | None:
    """Return whether an operator's first input takes a type; None: no such operator."""
    try:
        schema = defs.get_schema(op, opset, "")
    except defs.SchemaError:
        return None
    return dtype in schema.inputs[0].types if schema.inputs else None


def _cast_around(cause: TooOld) -> ReplaceRegion | None:
    node = cause.node
    reads = computed_inputs(node)
    if len(reads) != 1 or len(node.outputs) != 1:
        return None
    first, last = (f"{node.outputs[0]}@{part}" for part in ("float", "clipped"))
    names = [
        first if n == reads[0] else f"{node.outputs[0]}@{s}" if n else ""
        for s, n in enumerate(node.inputs)
    ]
    constants = {names[s]: v.astype(np.float32) for s, v in node.constants.items()}
    dtype = np.dtype(NUMPY_NAMES.get(cause.dtype, cause.dtype))
    back = int(onnx.helper.np_dtype_to_tensor_dtype(dtype))
    nodes = (
        onnx.helper.make_node("Cast", [reads[0]], [first], to=onnx.TensorProto.FLOAT),
        onnx.helper.make_node(node.op, names, [last]),
        onnx.helper.make_node("Cast", [last], [node.outputs[0]], to=back),
    )
    graph = graph_of(Spelling(nodes, constants), reads, node.outputs)
    return ReplaceRegion((node.name,), graph, node.opset)


def clipped(opset: int) -> onnx.ModelProto:
    """Return a model that adds to integers and clips them."""
    bounds = (axes(0)[0], axes(5)[0])
    return chain(
        layer("Add", axes(1)),
        layer("Clip", *bounds),
        layer("Mul", axes(2)),
        size=(1, 6),
        opset=opset,
        dtype=onnx.TensorProto.INT64,
    )


RULE = Rule(
    slug="opset-too-old",
    fault_class=FaultClass.LOAD_FAILURE,
    confidence=PROVEN,
    detect=detect,
    explain=explain,
    repair=repair,
    examples=(Example(source=partial(clipped, 12), target=partial(clipped, 11)),),
)
