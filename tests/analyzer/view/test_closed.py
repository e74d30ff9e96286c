"""An edit on a part is said of the node that holds it, where it can be."""

import numpy as np
import pytest
from onnx import parser

from analyzer.core.types import (
    Edit,
    InsertNode,
    RemoveNode,
    Rewire,
    SetAttribute,
    SetConstant,
)
from analyzer.view.closed import closed
from analyzer.view.inline import Opened, opened

VALUE = np.ones(3, np.float32)
TEXT = """
<ir_version: 9, opset_import: ["": 18, "com.microsoft": 1]>
tiny (float[2,4] x, float[4,3] w, float[3] b) => (float[2,3] y) {
  [gemm] h = com.microsoft.FusedGemm
    <activation="LeakyRelu", activation_alpha=0.2, alpha=0.5>(x, w, b)
  [product] p = com.microsoft.FusedMatMul<transB=1, alpha=0.5>(h, h)
  [mix] m = com.microsoft.FusedMatMul(x, w)
  y = MatMul(p, m)
}
"""


@pytest.fixture
def side() -> Opened:
    """A model with a fused Gemm, and a fused product of a tensor with itself."""
    return opened(parser.parse_model(TEXT))


def said(edit: Edit, side: Opened) -> tuple[object, ...]:
    """Return the node of a translated edit, and the slot or attribute it changes."""
    match closed(edit, side):
        case SetConstant(node=node, slot=slot) | Rewire(node=node, slot=slot):
            return node, slot
        case SetAttribute(node=node, attribute=attribute):
            return node, attribute
        case InsertNode(readers=readers):
            return readers
        case other:
            return (other,)


def test_a_weight_is_set_where_the_fused_node_reads_it(side: Opened) -> None:
    """Slots are told apart by what they read, absent ones by their place."""
    assert said(SetConstant("gemm/Gemm", 2, VALUE), side) == ("gemm", 2)
    assert said(Rewire("gemm/Gemm", 1, "x"), side) == ("gemm", 1)
    assert said(SetConstant("mix/MatMul", 1, VALUE), side) == ("mix", 1)
    assert said(Rewire("product/MatMul", 0, "m"), side) == ("product", 0)


def test_an_attribute_is_set_where_it_means_the_same(side: Opened) -> None:
    """Two parts may each have an alpha: the fused node has one for each of them."""
    first = SetAttribute("gemm/Gemm", "alpha", 2.0)
    last = SetAttribute("gemm/LeakyRelu", "alpha", 0.1)

    assert said(first, side) == ("gemm", "alpha")
    assert said(last, side) == ("gemm", "activation_alpha")


def test_a_node_is_put_before_the_fused_one(side: Opened) -> None:
    """The reader of an inserted node is the node that stands in the file."""
    edit = InsertNode("x", "Relu", {}, {}, (("gemm/Gemm", 0), ("y", 0)))

    assert said(edit, side) == (("gemm", 0), ("y", 0))


@pytest.mark.parametrize(
    "edit",
    [
        SetAttribute("product/Transpose", "perm", (0, 1)),
        SetAttribute("gemm/LeakyRelu", "beta", 1.0),
        SetConstant("product/Mul", 1, np.float32(2.0)),
        Rewire("product/MatMul", 1, "x"),
        RemoveNode("gemm/LeakyRelu"),
    ],
    ids=lambda edit: f"{type(edit).__name__}-{edit.node}",
)
def test_what_the_fused_node_cannot_say_stays_an_edit_on_the_part(
    edit: Edit, side: Opened
) -> None:
    """Nothing is guessed: whoever applies such an edit opens the node."""
    assert closed(edit, side) is edit


def test_edits_on_other_nodes_stay(side: Opened) -> None:
    """A node of the file is called as it was."""
    edit = SetConstant("y", 1, VALUE)

    assert closed(edit, side) is edit
