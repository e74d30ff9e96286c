"""A pivot as torch-onnx MLIR text."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import numpy_helper, parser

from analyzer.core.types import Array
from analyzer.reports.mlir import mlir_lines

HEAD = '<ir_version: 9, opset_import: ["": 18]>'
CONV = (
    "(float[1,2,N,8] x) => (y) { c = Conv<pads=[1,1,1,1]>(x, k) e = Clip(c, , high)"
    " s, t = Split<axis=1, num_outputs=2>(e) y = Concat<axis=1>(s, t) }"
)
BRANCH = (
    "(bool c, float[4] x) => (float[4] y) { y = If(c)"
    " <then_branch = then () => (float[4] p) { p = Neg(x) },"
    " else_branch = other () => (float[4] q) { q = Abs(x) }> }"
)


@pytest.fixture
def written() -> Callable[..., str]:
    """The MLIR text of a model built from text."""

    def build(text: str, **weights: Array) -> str:
        model = parser.parse_model(f"{HEAD} tiny {text}")
        model.graph.initializer.extend(
            numpy_helper.from_array(array, name) for name, array in weights.items()
        )
        return "\n".join(mlir_lines(model, Path()))

    return build


@pytest.fixture
def conv(written: Callable[..., str]) -> str:
    """A convolution, a clamp with one bound, a split and a join."""
    return written(CONV, k=np.ones((4, 2, 3, 3), np.float32), high=np.float32(np.inf))


def test_function_has_the_types_of_inputs_and_outputs(conv: str) -> None:
    """An open size is a question mark."""
    assert conv.startswith(
        "module {\n  func.func @tiny(%arg0: !torch.vtensor<[1,2,?,8],f32>)"
        " -> (!torch.vtensor<[1,4,?,8],f32>) attributes {"
    )
    assert "torch.onnx_meta.opset_version = 18 : si64" in conv


def test_operator_has_its_settings_types_and_location(conv: str) -> None:
    """The name of the node is where it comes from."""
    (line,) = (one.strip() for one in conv.splitlines() if '"onnx.Conv"' in one)

    assert line == (
        '%2 = torch.operator "onnx.Conv"(%arg0, %0) {torch.onnx.pads = [1 : si64,'
        " 1 : si64, 1 : si64, 1 : si64]} : (!torch.vtensor<[1,2,?,8],f32>,"
        " !torch.vtensor<[4,2,3,3],f32>) -> !torch.vtensor<[1,4,?,8],f32>"
        ' loc("c")'
    )


def test_absent_input_and_several_outputs(conv: str) -> None:
    """An absent input is none; outputs are numbered."""
    assert "(%2, %none, %1) : (" in conv
    assert '%4:2 = torch.operator "onnx.Split"' in conv
    assert '"onnx.Concat"(%4#0, %4#1)' in conv


def test_weights_stand_inline_or_at_the_end(conv: str) -> None:
    """A scalar where it is used, infinity by its bits; a kernel behind the module."""
    kernel = re.search(r'_k_0: "0x08000000([0-9A-F]+)"', conv)

    assert "torch.onnx.value = dense<0x7F800000> : tensor<f32>" in conv
    assert "dense_resource<_k_0> : tensor<4x2x3x3xf32>" in conv
    assert kernel is not None
    assert bytes.fromhex(kernel[1]) == np.ones(72, np.float32).tobytes()


def test_branches_are_regions(written: Callable[..., str]) -> None:
    """Each ends with what it gives, and sees the tensors around it."""
    text = written(BRANCH)

    assert '"onnx.If"(%arg0) : (!torch.vtensor<[],i1>) -> !torch.vtensor<[4],f32> {' in text
    assert text.count("torch.operator_terminator") == 2
    assert '"onnx.Neg"(%arg1)' in text
    assert '    } loc("y")' in text


def test_order_of_the_file_does_not_matter() -> None:
    """A tensor is given before it is read, and a strange name is written in hex digits."""
    model = parser.parse_model(
        f"{HEAD} tiny (float[4] x) => (y) {{ a = Neg(x) y = Abs(a) }}"
    )
    model.graph.node[0].name = 'la "couche" é'
    turned = [model.graph.node[1], model.graph.node[0]]
    del model.graph.node[:]
    model.graph.node.extend(turned)
    text = "\n".join(mlir_lines(model, Path()))

    assert text.index("onnx.Neg") < text.index("onnx.Abs")
    assert r'loc("la \22couche\22 \C3\A9")' in text
