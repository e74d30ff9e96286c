"""What onnx.reference says of a part of a model."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import numpy_helper, parser

from analyzer.runtime.reference import reference_values

HEAD = '<ir_version: 9, opset_import: ["": {}]>'
ROW = np.float32([[1.0, 2.0, 4.0]])


@pytest.fixture
def part() -> Callable[..., onnx.ModelProto]:
    """Builds a part from text."""
    return lambda text, opset=18: parser.parse_model(f"{HEAD.format(opset)} part {text}")


def test_floats_are_computed_in_double_precision(
    part: Callable[..., onnx.ModelProto],
) -> None:
    """Inputs, weights and casts alike."""
    model = part(
        "(float[1,3] x) => (y) <float w = {3.0}> { a = Cast<to=1>(x) y = Div(a, w) }"
    )
    found = reference_values(model, {"x": ROW})

    assert found is not None
    assert found["y"].dtype == np.float64
    assert found["y"][0, 0] == 1 / 3


def test_old_softmax_is_not_asked_for(part: Callable[..., onnx.ModelProto]) -> None:
    """It would be computed along one axis."""
    text = "(float[1,3] x) => (y) { y = Softmax(x) }"

    assert reference_values(part(text, 12), {"x": ROW}) is None
    assert reference_values(part(text, 13), {"x": ROW}) is not None


def test_unknown_operator_has_no_answer(part: Callable[..., onnx.ModelProto]) -> None:
    """A vendor's operator is known to the vendor's runtime alone."""
    model = part("(float[1,3] x) => (y) { y = Relu(x) }")
    model.graph.node[0].domain = "com.vendor"
    weight = numpy_helper.from_array(ROW, "w")
    model.graph.initializer.append(weight)

    assert reference_values(model, {"x": ROW}) is None
