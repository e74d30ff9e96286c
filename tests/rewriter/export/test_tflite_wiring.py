"""Operators that a repair adds, drops and replaces, in the user's flatbuffer."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from analyzer.core.errors import ExportError
from analyzer.core.graph import nodes
from analyzer.core.types import (
    Array,
    InsertNode,
    Node,
    Pivot,
    RemoveNode,
    ReplaceRegion,
    Rewire,
    SetConstant,
)
from rewriter import surgeon
from rewriter.export import tflite, tflite_file

Write = Callable[..., Path]
Find = Callable[[str, str], Node]
Kinds = Callable[[Path], list[str]]
Options = Callable[[Path, str], list[object]]
Native = Callable[[Path], Array]


def test_removed_activation_is_unfused(
    target: Pivot, written: Write, options: Options
) -> None:
    """An activation that goes leaves its operator without one."""
    clip = next(one for one in nodes(target.model, target.folder) if one.op == "Clip")

    out = written(RemoveNode(clip.name))

    assert options(out, "CONV_2D")[0].fusedActivationFunction == 0


def test_changed_bound_changes_the_fused_activation(
    target: Pivot, written: Write, options: Options
) -> None:
    """A Clip to [-1, 1] is fused as RELU_N1_TO_1."""
    clip = next(one for one in nodes(target.model, target.folder) if one.op == "Clip")

    out = written(
        SetConstant(clip.name, 1, np.array(-1, np.float32)),
        SetConstant(clip.name, 2, np.array(1, np.float32)),
    )

    assert options(out, "CONV_2D")[0].fusedActivationFunction == 2


def test_inserted_activation_is_fused(
    target: Pivot, find: Find, written: Write, kinds: Kinds, options: Options
) -> None:
    """A Relu put behind a convolution becomes the convolution's own."""
    edit = InsertNode(find("Conv", "pointwise").outputs[0], "Relu", {}, {})
    out = written(edit)

    assert kinds(out) == kinds(target.path)
    assert options(out, "CONV_2D")[1].fusedActivationFunction == 1


def test_clip_without_a_name_in_tflite_becomes_two_operators(
    find: Find, written: Write, kinds: Kinds
) -> None:
    """A Clip to [0.1, 0.5] is a MAXIMUM and a MINIMUM."""
    tensor = find("Conv", "pointwise").outputs[0]
    bounds = {1: np.array(0.1, np.float32), 2: np.array(0.5, np.float32)}

    out = written(InsertNode(tensor, "Clip", {}, bounds))

    assert {"MAXIMUM", "MINIMUM"} <= set(kinds(out))


def test_channelwise_constant_is_laid_out_anew(find: Find, written: Write) -> None:
    """A factor per channel, [1, C, 1, 1] in the pivot, lies along the last axis there."""
    factors = np.arange(1, 9, dtype=np.float32).reshape(1, 8, 1, 1)

    written(InsertNode(find("Conv", "pointwise").outputs[0], "Mul", {}, {1: factors}))


def test_input_is_scaled_and_shifted(target: Pivot, written: Write, kinds: Kinds) -> None:
    """Preprocessing put behind the model's input leaves the input as it was."""
    name = target.inputs[0].name
    mean = np.array([1, 2, 3], np.float32)

    out = written(
        InsertNode(name, "Mul", {}, {1: np.array(2, np.float32)}),
        InsertNode(name, "Sub", {}, {1: mean}),
    )

    assert kinds(out)[:2] == ["SUB", "MUL"]


def test_node_behind_the_output_takes_its_name(
    target: Pivot, written: Write, kinds: Kinds
) -> None:
    """The model's output tensor keeps its index and name, so the signature still holds."""
    name = target.outputs[0].name

    out = written(InsertNode(name, "Mul", {}, {1: np.array(3, np.float32)}))

    before, after = tflite_file.read(target.path).graph, tflite_file.read(out).graph
    assert before.outputs.tolist() == after.outputs.tolist()
    assert kinds(out)[-1] == "MUL"


def test_standalone_operator_goes(find: Find, written: Write, kinds: Kinds) -> None:
    """A LOGISTIC that is removed leaves its reader reading what it read."""
    out = written(RemoveNode(find("Sigmoid", "padded").name))

    assert "LOGISTIC" not in kinds(out)


def replaced(node: Node, op: str, **attributes: object) -> ReplaceRegion:
    """Return the edit that puts another operator in a node's place."""
    ends = [
        [helper.make_tensor_value_info(one, TensorProto.FLOAT, None) for one in names]
        for names in (node.inputs, node.outputs)
    ]
    new = helper.make_node(op, list(node.inputs), list(node.outputs), **attributes)
    return ReplaceRegion((node.name,), helper.make_graph([new], "new", *ends), 18)


def test_pooling_is_replaced(find: Find, written: Write, kinds: Kinds) -> None:
    """An AVERAGE_POOL_2D becomes a MAX_POOL_2D with its window, strides and padding."""
    edit = replaced(
        find("AveragePool", "pool"),
        "MaxPool",
        kernel_shape=[3, 3],
        pads=[1, 1, 1, 1],
        strides=[1, 1],
    )

    out = written(edit)

    assert "MAX_POOL_2D" in kinds(out)
    assert "AVERAGE_POOL_2D" not in kinds(out)


def test_batch_norm_is_a_product_and_a_sum(
    find: Find, written: Write, kinds: Kinds
) -> None:
    """A BatchNormalization put behind a convolution is spelt as MUL and ADD."""
    statistics = np.random.default_rng(2).uniform(0.5, 2, size=(4, 8)).astype(np.float32)
    constants = dict(enumerate(statistics, start=1))
    tensor = find("Conv", "pointwise").outputs[0]

    out = written(InsertNode(tensor, "BatchNormalization", {}, constants))

    assert {"MUL", "ADD"} <= set(kinds(out))


def test_sum_is_replaced(find: Find, written: Write, kinds: Kinds) -> None:
    """An ADD becomes a SUB of the same tensors."""
    assert "SUB" in kinds(written(replaced(find("Add", "add"), "Sub")))


def test_operand_is_rewired(find: Find, written: Write) -> None:
    """An operand that is read elsewhere changes one input of the operator."""
    add = find("Add", "add")

    written(Rewire(add.name, 1, add.inputs[0]))


def test_operator_that_tflite_lacks_is_refused_by_name(
    target: Pivot, find: Find, tmp_path: Path
) -> None:
    """The refusal names the operator and offers ONNX."""
    edit = InsertNode(find("Conv", "pointwise").outputs[0], "Mish", {}, {})
    edited = surgeon.apply(target.model, target.folder, (edit,))

    with pytest.raises(ExportError, match="Mish") as refusal:
        tflite.write(target, edited, tmp_path / "out.tflite")

    assert ".onnx" in refusal.value.hint
