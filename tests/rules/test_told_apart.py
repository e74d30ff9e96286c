"""Faults that look alike are told apart by what could not be anything else."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from analyzer.core.types import Finding
from analyzer.diff import diff
from rules.discovery import all_rules
from rules.models import Layer, chain, conv, layer, with_kernel


def first(source: onnx.ModelProto, target: onnx.ModelProto, folder: Path) -> Finding:
    """Return the first finding on a pair."""
    paths = folder / "source.onnx", folder / "target.onnx"
    onnx.save(source, paths[0])
    onnx.save(target, paths[1])
    return diff(*map(str, paths), rules=all_rules).findings[0]


def scaled(one: Layer, factor: float) -> Layer:
    """Return a layer whose kernel is multiplied by a factor."""
    return with_kernel(one, one.constants[1] * np.float32(factor))


@pytest.mark.parametrize(
    ("factor", "rule"), [(1 / 255, "input-scaled"), (0.25, "weight-scaled")]
)
def test_scale_of_the_first_weights(factor: float, rule: str, tmp_path: Path) -> None:
    """A scale of images is the input's; any other factor is the weights' own."""
    source = chain(conv(), layer("Relu"))
    target = chain(scaled(conv(), factor), layer("Relu"))

    assert first(source, target, tmp_path).rule == rule


def turned(*perm: int) -> onnx.ModelProto:
    """Return a Conv behind a Transpose, batch first."""
    text = f"""<ir_version: 9, opset_import: ["": 17]> net
        (float[1,4,6] x) => (float[4,2,4] y) {{
          m = Relu(x) t = Transpose<perm={list(perm)}>(m) c = Conv(t, w) y = Relu(c)
        }}"""
    model = onnx.parser.parse_model(text)
    array = np.random.default_rng(0).normal(size=(2, 1, 3)).astype(np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(array, "w"))
    return model


def test_axis_of_size_one_in_another_place_is_an_order_of_axes(tmp_path: Path) -> None:
    """A reshape would say as much of one sample, and be wrong of two."""
    found = first(turned(1, 0, 2), turned(1, 2, 0), tmp_path)

    assert found.rule == "transpose-perm-wrong"


def joined(op: str) -> onnx.ModelProto:
    """Return a bias that one operator applies to what a convolution gives."""
    text = f"""<ir_version: 9, opset_import: ["": 17]> net
        (float[1,3,8,8] x) => (float[1,2,8,8] y) {{
          c = Conv(x, w) r = Relu(c) y = {op}(r, b)
        }}"""
    model = onnx.parser.parse_model(text)
    random = np.random.default_rng(0)
    arrays = {"w": (2, 3, 1, 1), "b": (2, 1, 1)}
    for name, shape in arrays.items():
        array = random.normal(size=shape).astype(np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    return model


def test_difference_in_place_of_a_sum_is_another_operator(tmp_path: Path) -> None:
    """Nothing is multiplied in a sum, so that no factor of it was lost."""
    found = first(joined("Add"), joined("Sub"), tmp_path)

    assert found.rule == "operator-replaced"


def test_operator_is_no_number_to_a_rule(tmp_path: Path) -> None:
    """A product in place of a sum is told by one rule, and no other fails at it."""
    paths = tmp_path / "source.onnx", tmp_path / "target.onnx"
    onnx.save(joined("Mul"), paths[0])
    onnx.save(joined("Add"), paths[1])
    report = diff(*map(str, paths), rules=all_rules)

    assert report.findings[0].rule == "operator-replaced"
    assert not any("raised" in one.why for one in report.coverage.not_compared)
