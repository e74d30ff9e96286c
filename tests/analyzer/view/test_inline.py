"""Faults inside local functions have a name."""

from collections.abc import Callable
from dataclasses import replace

from onnx import parser

from analyzer.core.types import Pivot
from analyzer.view.inline import inlined, opened

WITH_FUNCTION = """
<ir_version: 9, opset_import: ["": 18, "mine": 1]>
tiny (float[4] x) => (float[4] y) { y = mine.block(x) }
<domain: "mine", opset_import: ["": 18]>
block (p) => (q) { r = Relu(p) q = Neg(r) }
"""


def test_function_is_replaced_by_its_body() -> None:
    """The nodes inside are there to be compared; the tensors around keep their names."""
    model = opened(parser.parse_model(WITH_FUNCTION))

    assert [node.op_type for node in model.graph.node] == ["Relu", "Neg"]
    assert model.graph.node[-1].output[0] == "y"


def test_users_own_proto_keeps_its_functions(pivot: Callable[..., Pivot]) -> None:
    """Only what is analysed is opened up."""
    model = parser.parse_model(WITH_FUNCTION)
    plain = pivot("(float[4] x) => (y) { y = Relu(x) }")
    whole = replace(plain, model=model)

    assert len(inlined(whole).model.graph.node) == 2
    assert len(model.functions) == 1
    assert inlined(plain) is plain
