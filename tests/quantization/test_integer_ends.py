"""A quantized model with integer inputs and outputs is compared by what they stand for."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from analyzer.core.options import Options
from analyzer.core.report import Report, Verdict
from analyzer.core.types import Status
from analyzer.diff import diff
from analyzer.integer_ends import as_floats, with_float_ends
from analyzer.pivot import load
from analyzer.quantized_ends import with_integers
from rules.discovery import ours
from tests.quantization.networks import Quantized
from tests.quantization.spoil import constant, every, give


def with_integer_ends(model: onnx.ModelProto) -> None:
    """Take the quantizer before the input and the one behind the output away."""
    graph = model.graph
    for value, slot, op in (
        (graph.input[0], "input", "QuantizeLinear"),
        (graph.output[0], "output", "DequantizeLinear"),
    ):
        node = next(one for one in every(model, op) if value.name in getattr(one, slot)[:1])
        inner = node.output[0] if slot == "input" else node.input[0]
        graph.node.remove(node)
        for one in graph.node:
            one.input[:] = [value.name if n == inner else n for n in one.input]
            one.output[:] = [value.name if n == inner else n for n in one.output]
        value.type.tensor_type.elem_type = TensorProto.INT8


def without_bias(model: onnx.ModelProto) -> None:
    """Lose the bias of the last convolution."""
    names = {
        one.name
        for one in model.graph.initializer
        if one.data_type == TensorProto.INT32 and one.dims
    }
    last = every(model, "Conv")[-1].input[2]
    reader = next(
        one
        for one in every(model, "DequantizeLinear")
        if one.output[0] == last and one.input[0] in names
    )
    give(model, reader, 0, np.zeros_like(constant(model, reader.input[0])))


def spoilt(model: onnx.ModelProto) -> None:
    """Lose a bias, and have integer ends."""
    without_bias(model)
    with_integer_ends(model)


@pytest.fixture(scope="module")
def whole(quantized: Quantized) -> Report:
    """What `diff` says of the healthy network with integer ends."""
    return quantized.found(quantized.spoilt("qdq-channel-QInt8", with_integer_ends))


def test_healthy_integers_are_drift_of_a_few_steps(whole: Report) -> None:
    """The outputs are compared as floats; the error is told in steps of the integers."""
    output = whole.outputs[0]

    assert whole.verdict is Verdict.EQUIVALENT
    assert {one.status for one in whole.findings} == {Status.DRIFT}
    assert output.step is not None
    assert output.max_abs_error < 10 * output.step
    assert output.relative_error < 0.1


def test_findings_call_ends_as_the_file_does(whole: Report) -> None:
    """No name is told that the user's file does not hold."""
    told = [
        name
        for one in whole.findings
        for name in (*one.target_tensors, one.message)
        if "_integers" in name
    ]

    assert told == []


def test_lost_bias_behind_integer_ends_is_named_and_mended(quantized: Quantized) -> None:
    """What is written still takes and gives integers, and is as good as it was."""
    path = quantized.spoilt("qdq-channel-QInt8", spoilt)
    report = quantized.mended(path)
    graph = onnx.load(quantized.folder / "mended.onnx").graph
    kinds = [v.type.tensor_type.elem_type for v in (graph.input[0], graph.output[0])]

    assert (report.findings[0].rule, report.findings[0].status) == (
        "quantized-weight",
        Status.FAULT,
    )
    assert report.verdict is Verdict.REPAIRED
    assert kinds == [TensorProto.INT8, TensorProto.INT8]


def test_clipped_input_range_is_named(quantized: Quantized) -> None:
    """A rectifier merged into the next grid is not told as missing."""

    def clip(model: onnx.ModelProto) -> None:
        node = next(n for n in every(model, "QuantizeLinear") if n.input[0] == "x")
        readers = [n for n in every(model, "DequantizeLinear") if node.output[0] in n.input]
        for one in (node, *readers):
            give(model, one, 1, constant(model, node.input[1]) * np.float32(0.3))

    report = quantized.found(quantized.spoilt("qdq-tensor-QUInt8", clip))
    faults = [one.rule for one in report.findings if one.status is Status.FAULT]

    assert faults == ["calibration-clips"]


def test_drawn_probes_stay_inside_the_first_grid(quantized: Quantized) -> None:
    """Saturation at the input is not what is measured: the outputs stay near."""
    target = str(quantized.folder / "qdq-channel-QInt8.onnx")
    report = diff(quantized.source, target, options=Options(samples=4), rules=ours())

    assert report.verdict is Verdict.EQUIVALENT
    assert report.outputs[0].relative_error < 0.05


def _cast(folder: Path) -> str:
    """Return a model that takes int8 and says nowhere what it stands for."""
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["f", "two"], ["y"]),
        ],
        "cast",
        [helper.make_tensor_value_info("x", TensorProto.INT8, [1, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])],
        [numpy_helper.from_array(np.float32(2), "two")],
    )
    path = folder / "cast.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    return str(path)


def _doubled(folder: Path) -> str:
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "two"], ["y"])],
        "doubled",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])],
        [numpy_helper.from_array(np.float32(2), "two")],
    )
    path = folder / "doubled.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    return str(path)


def test_integers_of_no_known_grid_are_said_to_be_unknown(tmp_path: Path) -> None:
    """They are compared as they are, and the report says what that leaves open."""
    np.savez(tmp_path / "x.npz", x=np.float32([[[1, 2, 3, 4]]]))
    report = diff(
        _doubled(tmp_path), _cast(tmp_path), options=Options(inputs=tmp_path / "x.npz")
    )
    missed = {one.what: one.why for one in report.coverage.not_compared}

    assert report.verdict is Verdict.EQUIVALENT
    assert "no scale or zero point" in missed["what the integers of input x stand for"]


def test_equal_integers_on_both_sides_stay(quantized: Quantized) -> None:
    """Two files that take the same integers are fed the same integers."""
    path = quantized.spoilt("qdq-channel-QInt8", with_integer_ends)
    pivot = load(path, trust_code=False)
    source, target = with_float_ends(pivot, pivot)

    assert (source, target) == (pivot, pivot)


def test_ends_come_off_as_they_were_put_on(quantized: Quantized) -> None:
    """The model that is written is the one that was read, but for what is repaired."""
    path = quantized.spoilt("qdq-channel-QInt8", with_integer_ends)
    pivot = load(path, trust_code=False)
    floats = as_floats(pivot, ("x", "y"))
    back = with_integers(floats.model, floats.ends)

    assert {spec.dtype for spec in (*floats.inputs, *floats.outputs)} == {"float32"}
    assert back == pivot.model


def test_integers_get_a_name_that_no_tensor_has(quantized: Quantized) -> None:
    """A file may itself hold what would be theirs."""

    def call_alike(model: onnx.ModelProto) -> None:
        with_integer_ends(model)
        reader = next(n for n in every(model, "DequantizeLinear") if "x" in n.input)
        old, reader.output[0] = reader.output[0], "x_integers"
        for one in model.graph.node:
            one.input[:] = ["x_integers" if name == old else name for name in one.input]

    report = quantized.found(quantized.spoilt("qdq-channel-QInt8", call_alike))

    assert report.verdict is Verdict.EQUIVALENT


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_floats_beyond_the_grid_saturate(quantized: Quantized, dtype: str) -> None:
    """What lies beyond a grid becomes its last integer, as a runtime's quantizer does."""
    path = quantized.spoilt("qdq-channel-QInt8", with_integer_ends)
    end = as_floats(load(path, trust_code=False), ("x",)).ends["x"]
    limits = np.iinfo(dtype)
    found = replace(end, dtype=dtype).quantized(np.float32([-1e9, 1e9]))

    assert found.tolist() == [limits.min, limits.max]
    assert found.dtype == dtype
