"""What the runtime says becomes a node's name and one readable sentence."""

import pytest
from onnx import helper

from analyzer.runtime.refusal import guilty_node, newest_ir, newest_opset, sentence

GRAPH = helper.make_graph(
    [
        helper.make_node("Conv", ["x", "w"], ["h"], name="a/b:0"),
        helper.make_node("If", ["h"], ["y"], name="outer"),
    ],
    "g",
    [],
    [],
)

REFUSALS = {
    "Type 'tensor(bool)' of input parameter (x) in node (a/b:0) is invalid.": "a/b:0",
    "Node (a/b:0) Op (Conv) [ShapeInferenceError] Attribute pads has a wrong size": "a/b:0",
    'In Node, ("a/b:0", Conv, "", -1) : , Error Required attribute is missing.': "a/b:0",
    "Could not find an implementation for Conv(13) node with name 'a/b:0'": "a/b:0",
    "Invalid model. Node input 'w' is not a graph input, initializer": "a/b:0",
    "Duplicate definition of name (y).": "outer",
    "Error: two nodes with same node name (a/b:0).": "a/b:0",
    "running If node. Name:'outer' Status Message: running Relu node. Name:'in'": "outer",
    "the graph is not acyclic": "",
}


@pytest.mark.parametrize(("text", "node"), REFUSALS.items())
def test_refusal_names_its_node(text: str, node: str) -> None:
    """Every form in which the runtime writes a node's name is read."""
    assert guilty_node(text, GRAPH) == node


def test_sentence_keeps_only_what_a_user_can_read() -> None:
    """Codes, build paths, C++ signatures and failed conditions are dropped."""
    text = (
        "[ONNXRuntimeError] : 1 : FAIL : Non-zero status code returned while running "
        "Softmax node. Name:'cc' Status Message: /onnxruntime_src/onnxruntime/core/common.h"
        ":31 int64_t onnxruntime::HandleNegativeAxis(int64_t, int64_t) IsAxisInRange(axis, "
        "tensor_rank) was false. axis 9 is not in valid range [-2,1]\n"
    )

    assert sentence(text) == "axis 9 is not in valid range [-2,1]"


def test_long_refusal_is_cut() -> None:
    """The useful part stands at the start."""
    assert len(sentence("word " * 500)) <= 300


def test_versions_are_read_from_the_refusal() -> None:
    """The newest IR version and opset are what the runtime says they are."""
    assert newest_ir("Unsupported model IR version: 99, max supported IR version: 13") == 13
    assert newest_opset("official support for domain ai.onnx is till opset 26.") == 26
    assert newest_ir("something else") == newest_opset("something else") == 0
