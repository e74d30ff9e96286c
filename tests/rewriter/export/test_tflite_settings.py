"""Constants and options go back into the user's flatbuffer as it spells them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analyzer import pivot
from analyzer.core.errors import ExportError
from analyzer.core.graph import nodes
from analyzer.core.types import (
    Array,
    Node,
    Pivot,
    RemoveNode,
    SetAttribute,
    SetConstant,
)
from analyzer.runtime.session import open_session
from rewriter import surgeon
from rewriter.export import tflite, tflite_file

Write = Callable[..., Path]
Find = Callable[[str, str], Node]
Kinds = Callable[[Path], list[str]]
Options = Callable[[Path, str], list[object]]
Native = Callable[[Path], Array]


def test_nothing_is_lost_without_edits(target: Pivot, tmp_path: Path) -> None:
    """What is written is the user's file, byte by byte."""
    out = tmp_path / "out.tflite"
    tflite.write(target, target.model, out)

    assert out.read_bytes() == target.path.read_bytes()


def test_nothing_is_lost_when_packed(target: Pivot, native: Native, tmp_path: Path) -> None:
    """The repacked file has the same tensors, signatures, metadata and output."""
    out = tmp_path / "out.tflite"
    out.write_bytes(tflite_file.packed(tflite_file.read(target.path)))
    before, after = tflite_file.read(target.path).model, tflite_file.read(out).model
    first, second = (one.subgraphs[0].tensors for one in (before, after))
    assert [tensor.name for tensor in first] == [tensor.name for tensor in second]
    assert [one.signatureKey for one in after.signatureDefs] == [b"serving_default"]
    assert [one.name for one in after.metadata] == [one.name for one in before.metadata]
    np.testing.assert_array_equal(native(out), native(target.path))


def test_weights_start_aligned(target: Pivot, tmp_path: Path) -> None:
    """In a packed file each weight starts at a multiple of 16, as the schema demands."""
    content = tflite_file.packed(tflite_file.read(target.path))
    (tmp_path / "out.tflite").write_bytes(content)

    starts = [
        content.find(buffer.data.tobytes())
        for buffer in tflite_file.read(tmp_path / "out.tflite").model.buffers
        if buffer.data is not None and len(buffer.data) > 100
    ]

    assert len(starts) > 3
    assert all(start % 16 == 0 for start in starts)


def test_the_layer_that_gives_the_output_is_written(
    keras_folder: Path, warm: object, tmp_path: Path
) -> None:
    """Its weight and its bias both go back."""
    assert warm is not None
    head, out = pivot.load(str(keras_folder / "head.tflite"), trust_code=False), tmp_path
    *_, last = nodes(head.model, head.folder)
    edits = (
        SetConstant(last.name, 1, last.constants[1] + np.float32(0.5)),
        SetConstant(last.name, 2, last.constants[2] + np.float32(1.0)),
    )
    edited = surgeon.apply(head.model, head.folder, edits)
    tflite.write(head, edited, out / "out.tflite")
    feeds = {head.inputs[0].name: np.ones((1, 6), np.float32)}
    (expected,) = open_session(edited, head.folder).run(feeds).values()
    mended = pivot.load(str(out / "out.tflite"), trust_code=False).run_native(feeds)

    assert last.op == "Gemm"
    np.testing.assert_allclose(next(iter(mended.values())), expected, rtol=1e-5)


@pytest.mark.parametrize(
    "layer",
    [
        "Conv stem",
        "Conv depthwise",
        "Conv pointwise",
        "ConvTranspose upward",
        "Gemm hidden",
    ],
)
@pytest.mark.parametrize("slot", [1, 2])
def test_weight_is_written_in_the_file_s_layout(
    find: Find, written: Write, layer: str, slot: int
) -> None:
    """A weight or bias that the pivot holds transposed goes back as the file has it."""
    node = find(*layer.split())
    new = node.constants[slot] * 1.5 + 0.1

    written(SetConstant(node.name, slot, new))


def test_weight_shape_may_change(find: Find, written: Write) -> None:
    """A smaller kernel is written with its shape, and padded as SAME again."""
    stem = find("Conv", "stem")
    edits = (
        SetConstant(stem.name, 1, np.ascontiguousarray(stem.constants[1][:, :, :2, :2])),
        SetAttribute(stem.name, "kernel_shape", (2, 2)),
        SetAttribute(stem.name, "pads", (0, 0, 0, 0)),
    )

    written(*edits)


def test_shape_changing_stride_lets_tensors_declare_their_new_sizes(
    find: Find, written: Write, kinds: Kinds, options: Options
) -> None:
    """Strides change, SAME fits them still, and the tensors behind say their new sizes."""
    stem = find("Conv", "stem")

    out = written(
        SetAttribute(stem.name, "strides", (1, 1)),
        SetAttribute(stem.name, "pads", (1, 1, 1, 1)),
    )

    convolution = options(out, "CONV_2D")[0]
    assert (convolution.strideH, convolution.padding) == (1, 0)
    graph = tflite_file.read(out).graph
    first = graph.operators[kinds(out).index("CONV_2D")]
    assert graph.tensors[first.outputs[0]].shape.tolist() == [1, 16, 16, 8]


def test_padding_becomes_valid(find: Find, written: Write, options: Options) -> None:
    """No padding at all is the option VALID."""
    depthwise = find("Conv", "depthwise")
    pointwise = find("Conv", "pointwise")

    out = written(
        SetAttribute(pointwise.name, "pads", (0, 0, 0, 0)),
        SetAttribute(depthwise.name, "pads", (2, 2, 0, 0)),
    )

    assert options(out, "DEPTHWISE_CONV_2D")[0].padding == 1


def test_padding_that_tflite_has_no_name_for_becomes_a_pad(
    find: Find, written: Write, kinds: Kinds
) -> None:
    """Pads that are neither SAME nor VALID are spelt as a PAD before the operator."""
    stem = find("Conv", "stem")

    out = written(SetAttribute(stem.name, "pads", (1, 1, 0, 0)))

    place = kinds(out).index("PAD")
    assert kinds(out)[place : place + 2] == ["PAD", "CONV_2D"]


def test_dilation(find: Find, written: Write, options: Options) -> None:
    """Dilation factors are options, and SAME is found again."""
    depthwise = find("Conv", "depthwise")

    out = written(
        SetAttribute(depthwise.name, "dilations", (2, 2)),
        SetAttribute(depthwise.name, "pads", (2, 2, 2, 2)),
    )

    assert options(out, "DEPTHWISE_CONV_2D")[0].dilationHFactor == 2


def test_slope_is_an_option(find: Find, written: Write, options: Options) -> None:
    """LeakyRelu's alpha is LEAKY_RELU's."""
    edit = SetAttribute(find("LeakyRelu", "leaky").name, "alpha", 0.7)

    flags = options(written(edit), "LEAKY_RELU")[0]
    assert flags.alpha == np.float32(0.7)


def test_factor_before_a_softmax_is_its_option(
    target: Pivot, warm: object, tmp_path: Path
) -> None:
    """The import shows beta as a product, whose number, or absence, goes back."""
    assert warm is not None
    doubled = tflite_file.read(target.path)
    kinds = [tflite_file.kind(doubled, one) for one in doubled.graph.operators]
    place = kinds.index("SOFTMAX")
    tflite_file.set_option(doubled.graph.operators[place], "beta", 2.0)
    (tmp_path / "doubled.tflite").write_bytes(tflite_file.packed(doubled))
    imported = pivot.load(str(tmp_path / "doubled.tflite"), trust_code=False)
    factor = nodes(imported.model, imported.folder)[-2]
    edits = SetConstant(factor.name, 1, np.float32(3)), RemoveNode(factor.name)
    betas = []
    for edit in edits:
        edited = surgeon.apply(imported.model, imported.folder, (edit,))
        written = tflite.mended(imported, edited)
        betas.append(tflite_file.option(written.graph.operators[place], "beta"))

    assert betas == [3.0, 1.0]


def test_permutation_is_an_operand(
    find: Find, written: Write, kinds: Kinds, tmp_path: Path
) -> None:
    """Its axes are the file's own: an image is brought back before it is turned."""
    edit = SetAttribute(find("Transpose", "turn").name, "perm", (0, 1, 2, 3))

    out = tflite_file.read(written(edit))

    turn = out.graph.operators[kinds(tmp_path / "out.tflite").index("TRANSPOSE")]
    assert tflite_file.value(out, turn.inputs[1]).tolist() == [0, 1, 2, 3]


def test_pad_is_written_in_the_file_s_axes(find: Find, written: Write) -> None:
    """Paddings of NCHW axes go back as rows of NHWC ones."""
    pads = np.array([0, 0, 0, 1, 0, 0, 1, 0])

    written(SetConstant(find("Pad", "pad").name, 1, pads))


def test_resize_coordinates_are_options(
    target: Pivot, written: Write, options: Options
) -> None:
    """Align corners excludes half-pixel centres."""
    resize = next(one for one in nodes(target.model, target.folder) if one.op == "Resize")
    name = "coordinate_transformation_mode"

    out = written(SetAttribute(resize.name, name, "align_corners"))

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
