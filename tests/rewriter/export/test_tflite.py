"""A repaired TFLite model is the user's own flatbuffer, and runs as its pivot says."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from onnx import TensorProto, helper

from analyzer import pivot
from analyzer.core.errors import ExportError
from analyzer.core.graph import nodes
from analyzer.core.types import (
    Array,
    Edit,
    InsertNode,
    Node,
    Pivot,
    RemoveNode,
    ReplaceRegion,
    Rewire,
    SetAttribute,
    SetConstant,
)
from analyzer.frontends.child.client import WarmChildren
from analyzer.runtime.session import open_session
from rewriter import surgeon
from rewriter.export import tflite, tflite_file

CLOSE = 1e-5
"""Relative difference that LiteRT's and ONNX Runtime's kernels show on healthy models."""

Find = Callable[[str, str], Node]


@pytest.fixture(scope="session")
def target(keras_folder: Path, warm: WarmChildren) -> Pivot:
    """The converted network, imported."""
    assert warm is not None
    return pivot.load(str(keras_folder / "net.tflite"), trust_code=False)


@pytest.fixture(scope="session")
def find(target: Pivot) -> Find:
    """Find the pivot's node of an operator type whose name holds a Keras layer's."""
    known = nodes(target.model, target.folder)

    def found(op: str, layer: str) -> Node:
        return next(one for one in known if one.op == op and f"{layer}_1/" in one.name)

    return found


def image(target: Pivot) -> dict[str, Array]:
    """Return one seeded image for the network."""
    array = np.random.default_rng(1).normal(size=(1, 16, 16, 3)).astype(np.float32)
    return {target.inputs[0].name: array}


def native(path: Path, feeds: dict[str, Array]) -> Array:
    """Return what the LiteRT interpreter gives for a file."""
    interpreter = Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], *feeds.values())
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def written(target: Pivot, folder: Path, *edits: Edit) -> Path:
    """Return the path of the repaired flatbuffer, proven to run as the edited pivot does.

    The edits must change the output, else nothing would be proven.
    """
    edited = surgeon.apply(target.model, target.folder, edits)
    tflite.write(target, edited, folder / "out.tflite")
    feeds = image(target)
    before, after = (
        next(iter(open_session(model, target.folder).run(feeds).values()))
        for model in (target.model, edited)
    )
    assert before.shape != after.shape or not np.allclose(before, after, rtol=1e-3)
    np.testing.assert_allclose(native(folder / "out.tflite", feeds), after, atol=CLOSE)
    return folder / "out.tflite"


def options(path: Path, kind: str) -> list[object]:
    """Return the options of every operator of a kind."""
    flatbuffer = tflite_file.read(path)
    return [
        one.builtinOptions for one in flatbuffer.graph.operators
        if tflite_file.kind(flatbuffer, one) == kind
    ]


def kinds(path: Path) -> list[str]:
    """Return the kinds of a file's operators, in the order they run."""
    flatbuffer = tflite_file.read(path)
    return [tflite_file.kind(flatbuffer, one) for one in flatbuffer.graph.operators]


def test_nothing_is_lost_without_edits(target: Pivot, tmp_path: Path) -> None:
    """The repacked file has the same tensors, signatures, metadata and output."""
    out = tmp_path / "out.tflite"
    tflite.write(target, target.model, out)
    before, after = tflite_file.read(target.path).model, tflite_file.read(out).model
    first, second = (one.subgraphs[0].tensors for one in (before, after))
    assert [tensor.name for tensor in first] == [tensor.name for tensor in second]
    assert [one.signatureKey for one in after.signatureDefs] == [b"serving_default"]
    assert [one.name for one in after.metadata] == [one.name for one in before.metadata]
    feeds = image(target)
    np.testing.assert_array_equal(native(out, feeds), native(target.path, feeds))


def test_weights_start_aligned(target: Pivot, tmp_path: Path) -> None:
    """Every weight starts at a multiple of 16 bytes, as the schema demands."""
    tflite.write(target, target.model, tmp_path / "out.tflite")
    content = (tmp_path / "out.tflite").read_bytes()

    starts = [
        content.find(buffer.data.tobytes())
        for buffer in tflite_file.read(tmp_path / "out.tflite").model.buffers
        if buffer.data is not None and len(buffer.data) > 100
    ]

    assert len(starts) > 3
    assert all(start % 16 == 0 for start in starts)


@pytest.mark.parametrize(
    "layer", ["Conv stem", "Conv depthwise", "Conv pointwise", "ConvTranspose upward",
              "Gemm hidden"],
)
@pytest.mark.parametrize("slot", [1, 2])
def test_weight_is_written_in_the_file_s_layout(
    target: Pivot, find: Find, tmp_path: Path, layer: str, slot: int
) -> None:
    """A weight or bias that the pivot holds transposed goes back as the file has it."""
    node = find(*layer.split())
    new = node.constants[slot] * 1.5 + 0.1

    written(target, tmp_path, SetConstant(node.name, slot, new))


def test_weight_shape_may_change(target: Pivot, find: Find, tmp_path: Path) -> None:
    """A smaller kernel is written with its shape, and padded as SAME again."""
    stem = find("Conv", "stem")
    edits = (
        SetConstant(stem.name, 1, np.ascontiguousarray(stem.constants[1][:, :, :2, :2])),
        SetAttribute(stem.name, "kernel_shape", (2, 2)),
        SetAttribute(stem.name, "pads", (0, 0, 0, 0)),
    )

    written(target, tmp_path, *edits)


def test_shape_changing_stride_lets_tensors_declare_their_new_sizes(
    target: Pivot, find: Find, tmp_path: Path
) -> None:
    """Strides change, SAME fits them still, and the tensors behind say their new sizes."""
    stem = find("Conv", "stem")

    out = written(
        target, tmp_path, SetAttribute(stem.name, "strides", (1, 1)),
        SetAttribute(stem.name, "pads", (1, 1, 1, 1)),
    )

    convolution = options(out, "CONV_2D")[0]
    assert (convolution.strideH, convolution.padding) == (1, 0)
    graph = tflite_file.read(out).graph
    first = graph.operators[kinds(out).index("CONV_2D")]
    assert graph.tensors[first.outputs[0]].shape.tolist() == [1, 16, 16, 8]



def test_padding_becomes_valid(target: Pivot, find: Find, tmp_path: Path) -> None:
    """No padding at all is the option VALID."""
    depthwise = find("Conv", "depthwise")
    pointwise = find("Conv", "pointwise")

    out = written(
        target, tmp_path, SetAttribute(pointwise.name, "pads", (0, 0, 0, 0)),
        SetAttribute(depthwise.name, "pads", (2, 2, 0, 0)),
    )

    assert options(out, "DEPTHWISE_CONV_2D")[0].padding == 1


def test_padding_that_tflite_has_no_name_for_becomes_a_pad(
    target: Pivot, find: Find, tmp_path: Path
) -> None:
    """Pads that are neither SAME nor VALID are spelt as a PAD before the operator."""
    stem = find("Conv", "stem")

    out = written(target, tmp_path, SetAttribute(stem.name, "pads", (1, 1, 0, 0)))

    place = kinds(out).index("PAD")
    assert kinds(out)[place : place + 2] == ["PAD", "CONV_2D"]


def test_dilation(target: Pivot, find: Find, tmp_path: Path) -> None:
    """Dilation factors are options, and SAME is found again."""
    depthwise = find("Conv", "depthwise")

    out = written(
        target, tmp_path, SetAttribute(depthwise.name, "dilations", (2, 2)),
        SetAttribute(depthwise.name, "pads", (2, 2, 2, 2)),
    )

    assert options(out, "DEPTHWISE_CONV_2D")[0].dilationHFactor == 2


def test_removed_activation_is_unfused(target: Pivot, tmp_path: Path) -> None:
    """An activation that goes leaves its operator without one."""
    clip = next(one for one in nodes(target.model, target.folder) if one.op == "Clip")

    out = written(target, tmp_path, RemoveNode(clip.name))

    assert options(out, "CONV_2D")[0].fusedActivationFunction == 0


def test_changed_bound_changes_the_fused_activation(target: Pivot, tmp_path: Path) -> None:
    """A Clip to [-1, 1] is fused as RELU_N1_TO_1."""
    clip = next(one for one in nodes(target.model, target.folder) if one.op == "Clip")

    out = written(
        target, tmp_path, SetConstant(clip.name, 1, np.array(-1, np.float32)),
        SetConstant(clip.name, 2, np.array(1, np.float32)),
    )

    assert options(out, "CONV_2D")[0].fusedActivationFunction == 2


def test_inserted_activation_is_fused(target: Pivot, find: Find, tmp_path: Path) -> None:
    """A Relu put behind a convolution becomes the convolution's own."""
    edit = InsertNode(find("Conv", "pointwise").outputs[0], "Relu", {}, {})
    out = written(target, tmp_path, edit)

    assert kinds(out) == kinds(target.path)
    assert options(out, "CONV_2D")[1].fusedActivationFunction == 1


def test_clip_without_a_name_in_tflite_becomes_two_operators(
    target: Pivot, find: Find, tmp_path: Path
) -> None:
    """A Clip to [0.1, 0.5] is a MAXIMUM and a MINIMUM."""
    tensor = find("Conv", "pointwise").outputs[0]
    bounds = {1: np.array(0.1, np.float32), 2: np.array(0.5, np.float32)}

    out = written(target, tmp_path, InsertNode(tensor, "Clip", {}, bounds))

    assert {"MAXIMUM", "MINIMUM"} <= set(kinds(out))


def test_channelwise_constant_is_laid_out_anew(
    target: Pivot, find: Find, tmp_path: Path
) -> None:
    """A factor per channel, [1, C, 1, 1] in the pivot, lies along the last axis there."""
    factors = np.arange(1, 9, dtype=np.float32).reshape(1, 8, 1, 1)

    written(target, tmp_path, InsertNode(
        find("Conv", "pointwise").outputs[0], "Mul", {}, {1: factors}
    ))


def test_input_is_scaled_and_shifted(target: Pivot, tmp_path: Path) -> None:
    """Preprocessing put behind the model's input leaves the input as it was."""
    name = target.inputs[0].name
    mean = np.array([1, 2, 3], np.float32)

    out = written(
        target, tmp_path, InsertNode(name, "Mul", {}, {1: np.array(2, np.float32)}),
        InsertNode(name, "Sub", {}, {1: mean}),
    )

    assert kinds(out)[:2] == ["SUB", "MUL"]


def test_node_behind_the_output_takes_its_name(target: Pivot, tmp_path: Path) -> None:
    """The model's output tensor keeps its index and name, so the signature still holds."""
    name = target.outputs[0].name

    out = written(
        target, tmp_path, InsertNode(name, "Mul", {}, {1: np.array(3, np.float32)})
    )

    before, after = tflite_file.read(target.path).graph, tflite_file.read(out).graph
    assert before.outputs.tolist() == after.outputs.tolist()
    assert kinds(out)[-1] == "MUL"


def test_standalone_operator_goes(target: Pivot, find: Find, tmp_path: Path) -> None:
    """A LOGISTIC that is removed leaves its reader reading what it read."""
    out = written(target, tmp_path, RemoveNode(find("Sigmoid", "padded").name))

    assert "LOGISTIC" not in kinds(out)


def replaced(node: Node, op: str, **attributes: object) -> ReplaceRegion:
    """Return the edit that puts another operator in a node's place."""
    ends = [
        [helper.make_tensor_value_info(one, TensorProto.FLOAT, None) for one in names]
        for names in (node.inputs, node.outputs)
    ]
    new = helper.make_node(op, list(node.inputs), list(node.outputs), **attributes)
    return ReplaceRegion((node.name,), helper.make_graph([new], "new", *ends), 18)


def test_pooling_is_replaced(target: Pivot, find: Find, tmp_path: Path) -> None:
    """An AVERAGE_POOL_2D becomes a MAX_POOL_2D with its window, strides and padding."""
    edit = replaced(
        find("AveragePool", "pool"), "MaxPool", kernel_shape=[3, 3], pads=[1, 1, 1, 1],
        strides=[1, 1],
    )

    out = written(target, tmp_path, edit)

    assert "MAX_POOL_2D" in kinds(out)
    assert "AVERAGE_POOL_2D" not in kinds(out)


def test_sum_is_replaced(target: Pivot, find: Find, tmp_path: Path) -> None:
    """An ADD becomes a SUB of the same tensors."""
    assert "SUB" in kinds(written(target, tmp_path, replaced(find("Add", "add"), "Sub")))


def test_operand_is_rewired(target: Pivot, find: Find, tmp_path: Path) -> None:
    """An operand that is read elsewhere changes one input of the operator."""
    add = find("Add", "add")

    written(target, tmp_path, Rewire(add.name, 1, add.inputs[0]))


def test_slope_is_an_option(target: Pivot, find: Find, tmp_path: Path) -> None:
    """LeakyRelu's alpha is LEAKY_RELU's."""
    edit = SetAttribute(find("LeakyRelu", "leaky").name, "alpha", 0.7)

    flags = options(written(target, tmp_path, edit), "LEAKY_RELU")[0]
    assert flags.alpha == np.float32(0.7)


def test_permutation_is_an_operand(target: Pivot, find: Find, tmp_path: Path) -> None:
    """Axes of NCHW become axes of NHWC: to turn nothing is [0, 1, 2, 3] there."""
    edit = SetAttribute(find("Transpose", "turn").name, "perm", (0, 2, 3, 1))

    out = tflite_file.read(written(target, tmp_path, edit))

    turn = out.graph.operators[kinds(tmp_path / "out.tflite").index("TRANSPOSE")]
    assert tflite_file.value(out, turn.inputs[1]).tolist() == [0, 1, 2, 3]


def test_pad_is_written_in_the_file_s_axes(
    target: Pivot, find: Find, tmp_path: Path
) -> None:
    """Paddings of NCHW axes go back as rows of NHWC ones."""
    pads = np.array([0, 0, 0, 1, 0, 0, 1, 0])

    written(target, tmp_path, SetConstant(find("Pad", "pad").name, 1, pads))


def test_resize_coordinates_are_options(target: Pivot, tmp_path: Path) -> None:
    """Align corners excludes half-pixel centres."""
    resize = next(one for one in nodes(target.model, target.folder) if one.op == "Resize")
    name = "coordinate_transformation_mode"

    out = written(target, tmp_path, SetAttribute(resize.name, name, "align_corners"))

    flags = options(out, "RESIZE_BILINEAR")[0]
    assert (flags.alignCorners, flags.halfPixelCenters) == (True, False)


def test_weight_that_is_not_what_was_imported_is_refused(
    target: Pivot, find: Find, tmp_path: Path
) -> None:
    """Where the file does not hold the imported value, nothing is guessed or written."""
    stem = find("Conv", "stem")
    other = surgeon.apply(
        target.model, target.folder, (SetConstant(stem.name, 1, stem.constants[1] + 1),)
    )
    imported = replace(target, model=other)

    with pytest.raises(ExportError, match="what input 1 was imported as"):
        tflite.write(imported, target.model, tmp_path / "out.tflite")

    assert not list(tmp_path.iterdir())


def test_operator_that_tflite_lacks_is_refused_by_name(
    target: Pivot, find: Find, tmp_path: Path
) -> None:
    """The refusal names the operator and offers ONNX."""
    edit = InsertNode(find("Conv", "pointwise").outputs[0], "Mish", {}, {})
    edited = surgeon.apply(target.model, target.folder, (edit,))

    with pytest.raises(ExportError, match="Mish") as refusal:
        tflite.write(target, edited, tmp_path / "out.tflite")

    assert ".onnx" in refusal.value.hint
