"""The file states something beside its operators that they contradict.

Cause
    An optimizer or exporter changed nodes and kept what was written about them: a declared
    type, a name that is now there twice, an output that is called something else, an IR
    version older than what the file holds.

Evidence
    The runtime refuses the file before it computes anything; what the operators give, by
    ONNX's own inference, is not what the file says of it. The source loads.

Repair
    State what the operators have; no operator changes.

Prevention
    Run `onnx.checker.check_model(model, full_check=True)` on what the tool wrote, and leave
    out the pass that it complains about.

References:
    https://github.com/onnx/optimizer/issues/159
    https://github.com/onnx/optimizer/issues/174
"""

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from analyzer.core.types import Fault, FaultClass, Fix, Restate, Statement
from rules.base import PROVEN, Example, Rule, Spot
from rules.models import chain, conv, layer

TITLES = {
    Statement.IR_VERSION: "Declare a newer IR version",
    Statement.OPSET: "Declare the opset that the operators are of",
    Statement.NODE_NAME: "Give the second node a name of its own",
    Statement.TENSOR_NAME: "Give the second tensor a name of its own",
    Statement.TYPE: "Declare the type that is given",
    Statement.INPUT: "Declare the input",
    Statement.NO_INPUT: "Take the input out",
    Statement.OUTPUT: "Give the output its name",
    Statement.NO_OUTPUT: "Take the output out",
    Statement.NO_CONSTANT: "Take the constant out",
}


@dataclass(frozen=True, slots=True, eq=False)
class Misstated:
    """What the file states wrongly, what it should state, and the sentence that says it."""

    edits: tuple[Restate, ...]
    problem: str
    spot: Spot


def detect(fault: Fault) -> Misstated | None:
    if not fault.restated or fault.fault_class is not FaultClass.LOAD_FAILURE:
        return None
    return misstated(fault)


def misstated(fault: Fault) -> Misstated:
    """Return the cause of a fault that is a wrong statement."""
    spot = Spot(fault.source.nodes, fault.target.nodes, fault.guilty)
    return Misstated(fault.restated, fault.problem, spot)


def explain(cause: Misstated) -> str:
    return cause.problem


def repair(cause: Misstated) -> tuple[Fix, ...]:
    return (Fix(TITLES[cause.edits[0].what], cause.edits),)


def sabotage(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto | None:
    if not model.graph.output:
        return None
    broken = onnx.ModelProto()
    broken.CopyFrom(model)
    value = broken.graph.output[int(rng.integers(len(broken.graph.output)))]
    is_float = value.type.tensor_type.elem_type == TensorProto.FLOAT
    value.type.tensor_type.elem_type = TensorProto.INT64 if is_float else TensorProto.FLOAT
    return broken


def network() -> onnx.ModelProto:
    """Return two convolutions with a Relu between them."""
    return chain(conv(), layer("Relu"), conv(4, 2))


def retyped() -> onnx.ModelProto:
    """Return them with an output that is declared as integers."""
    whole = network()
    whole.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    return whole


def renamed() -> onnx.ModelProto:
    """Return them with the Relu named as the first convolution is."""
    whole = network()
    whole.graph.node[1].name = whole.graph.node[0].name
    return whole


def aged() -> onnx.ModelProto:
    """Return them as IR version 3, with a weight left over that nobody reads."""
    whole = network()
    whole.graph.initializer.append(numpy_helper.from_array(np.zeros(1), "left_over"))
    whole.ir_version = 3
    return whole


RULE = Rule(
    slug="declaration-wrong",
    fault_class=FaultClass.LOAD_FAILURE,
    confidence=PROVEN,
    detect=detect,
    explain=explain,
    repair=repair,
    sabotage=sabotage,
    examples=tuple(
        Example(source=network, target=broken) for broken in (retyped, renamed, aged)
    ),
)
