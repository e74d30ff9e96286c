"""The file declares an input that the source does not have, or has otherwise.

Cause
    The converter left a weight among the inputs, dropped the declaration of an input, or
    wrote it with another type or other sizes than the operators that read it take.

Evidence
    The runtime refuses the file or the sample; the source's input for the same place has
    another type or other sizes, or one side has no such input.

Repair
    Declare the input as the source does; where the source has a constant instead, the
    operators that read it are carried over with it.

Prevention
    Name the inputs and their shapes at conversion: `input_names` of torch.onnx, `--inputs`
    of tf2onnx; keep the initializers in the file.

References:
    https://github.com/onnx/optimizer/issues/171
"""

from functools import partial

import onnx

from analyzer.core.types import Fault, FaultClass
from rules.base import PROVEN, Example, Rule
from rules.loading.declaration_wrong import Misstated, explain, misstated, network, repair


def detect(fault: Fault) -> Misstated | None:
    if not fault.restated or fault.fault_class is not FaultClass.INPUT_DIMS:
        return None
    return misstated(fault)


def declared(*sizes: int) -> onnx.ModelProto:
    """Return the network with an input of other sizes."""
    whole = network()
    dims = whole.graph.input[0].type.tensor_type.shape.dim
    del dims[:]
    for size in sizes:
        dims.add(dim_value=size)
    return whole


def undeclared() -> onnx.ModelProto:
    """Return the network without its input's declaration."""
    whole = network()
    del whole.graph.input[:]
    return whole


RULE = Rule(
    slug="input-declared-wrong",
    fault_class=FaultClass.INPUT_DIMS,
    confidence=PROVEN,
    detect=detect,
    explain=explain,
    repair=repair,
    examples=(
        Example(source=network, target=partial(declared, 1, 3, 8, 8, 1)),
        Example(source=network, target=undeclared),
    ),
)
