"""What a model does with an input, read off its graph."""

from collections.abc import Callable

import numpy as np
import pytest
from onnx import NodeProto, TensorProto, helper

from analyzer.core.types import Pivot, TensorSpec
from analyzer.probes.uses import InputUse, Use, input_uses

Made = Callable[..., Pivot]
CONSTANTS = {
    "table": np.zeros((7, 3), np.float32),
    "depth": np.int64([5]),
    "one": np.float32([1]),
    "fill": np.float32([-1e9]),
    "audio": np.float32([32768]),
    "sensor": np.float32([65535]),
    "scale": np.float32([1 / 255]),
    "mean": np.float32([123.7, 116.3, 103.5]),
}


def node(op: str, *inputs: str, **attributes: int) -> NodeProto:
    """Return an operator that reads some tensors and gives ``y``."""
    return helper.make_node(op, inputs, ["y"], **attributes)


@pytest.mark.parametrize(
    ("reader", "use"),
    [
        (node("Gather", "table", "x"), InputUse(Use.INDEX, 7)),
        (node("Gather", "table", "x", axis=1), InputUse(Use.INDEX, 3)),
        (node("GatherND", "table", "x"), InputUse(Use.INDEX, 3)),
        (node("OneHot", "x", "depth", "one"), InputUse(Use.CLASS, 5)),
        (node("Where", "x", "table", "table"), InputUse(Use.MASK)),
        (node("Cast", "x", to=TensorProto.BOOL), InputUse(Use.MASK)),
        (node("Sub", "one", "x"), InputUse(Use.MASK)),
        (node("Equal", "x", "one"), InputUse(Use.MASK)),
        (node("Equal", "x", "depth"), InputUse(Use.PLAIN)),
        (node("Mod", "table", "x"), InputUse(Use.DIVISOR)),
        (node("TopK", "table", "x"), InputUse(Use.COUNT)),
        (node("Mul", "x", "scale"), InputUse(Use.PIXELS, 255)),
        (node("Sub", "x", "mean"), InputUse(Use.PIXELS, 255)),
        (node("Div", "x", "sensor"), InputUse(Use.PIXELS, 65535)),
        (node("Mul", "x", "fill"), InputUse(Use.FILL)),
        (node("Mul", "x", "audio"), InputUse(Use.PLAIN)),
        (node("Log", "x"), InputUse(Use.POSITIVE)),
        (node("Relu", "x"), InputUse(Use.PLAIN)),
    ],
)
def test_a_reader_says_what_its_input_is_for(
    pivot: Made, reader: NodeProto, use: InputUse
) -> None:
    """Indices, classes, masks, divisors, counts and pixels are known by who reads them."""
    spec = TensorSpec("x", "int64", (1, 4))
    source = pivot(spec, nodes=[reader], constants=CONSTANTS)

    assert input_uses(source.model, source.folder) == {"x": use}


def test_the_trace_goes_behind_what_keeps_the_values(pivot: Made) -> None:
    """A reshaped and cast index is an index."""
    steps = [
        helper.make_node("Reshape", ["x", "depth"], ["flat"]),
        helper.make_node("Cast", ["flat"], ["whole"], to=TensorProto.INT64),
        node("Gather", "table", "whole"),
    ]
    source = pivot(TensorSpec("x", "float32", (1, 4)), nodes=steps, constants=CONSTANTS)

    assert input_uses(source.model, source.folder) == {"x": InputUse(Use.INDEX, 7)}


def test_an_index_outranks_a_mask(pivot: Made) -> None:
    """Tokens compared with the padding token are tokens still."""
    readers = [node("Equal", "x", "depth"), node("Gather", "table", "x")]
    source = pivot(TensorSpec("x", "int64", (1, 4)), nodes=readers, constants=CONSTANTS)

    assert input_uses(source.model, source.folder)["x"].use is Use.INDEX


def test_what_is_taken_away_times_a_huge_number_is_a_mask(pivot: Made) -> None:
    """XLNet subtracts its mask times 1e30; nothing else is so large and then lost."""
    steps = [helper.make_node("Mul", ["x", "audio"], ["fill"]), node("Sub", "one", "fill")]
    held = {name: CONSTANTS[name] for name in ("audio", "one")}
    source = pivot(TensorSpec("x", "float32", (1, 4)), nodes=steps, constants=held)

    assert input_uses(source.model, source.folder) == {"x": InputUse(Use.FILL)}
