"""Large constants wait outside while tf2onnx works on what stands for them."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from analyzer.frontends.child.stand_ins import LARGE, put_back, values_apart

WEIGHT = np.arange(LARGE, dtype=np.float32).reshape(2, -1)
AXES = np.array([1, 2], np.int64)


def model(tensor: TensorProto) -> onnx.ModelProto:
    """Return a model of one If, whose branch holds a constant."""
    branch = helper.make_graph(
        [helper.make_node("Identity", [tensor.name], ["y"])],
        "branch",
        [],
        [helper.make_tensor_value_info("y", tensor.data_type, None)],
        [tensor],
    )
    node = helper.make_node("If", ["c"], ["z"], then_branch=branch, else_branch=branch)
    return helper.make_model(helper.make_graph([node], "whole", [], []))


def test_constant_comes_back_as_it_was() -> None:
    """Also where it stands in a branch; before that a few bytes stand for it."""
    with values_apart() as values:
        tensor = numpy_helper.from_array(WEIGHT, "w")
        whole = model(tensor)
        read = numpy_helper.to_array(tensor)
    size = whole.ByteSize()
    put_back(whole, values)
    branch = whole.graph.node[0].attribute[0].g

    assert size < LARGE / 10
    assert np.array_equal(read, WEIGHT)
    assert branch.initializer[0] == numpy_helper.from_array(WEIGHT, "w")


def test_equal_constants_have_equal_stand_ins() -> None:
    """What tf2onnx merges because it is the same twice, it merges still; no other."""
    with values_apart() as values:
        first, again = (numpy_helper.from_array(WEIGHT.copy(), name) for name in "ab")
        turned = numpy_helper.from_array(WEIGHT.reshape(-1, 2), "c")

    assert first.raw_data == again.raw_data != turned.raw_data
    assert len(values) == 2


def test_small_constants_stay_where_they_are() -> None:
    """Shape inference looks at axes and sizes itself."""
    with values_apart() as values:
        tensor = numpy_helper.from_array(AXES, "axes")

    assert values == {}
    assert tensor == numpy_helper.from_array(AXES, "axes")
