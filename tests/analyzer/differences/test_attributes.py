"""Settings: what is a difference, and what is only another spelling."""

import numpy as np
import onnx
from onnx import helper

from analyzer.core.types import Permutation
from analyzer.differences import compare, undo
from tests.analyzer.differences.build import conv, edge, model, one, pair

NHWC_TO_NCHW = (0, 3, 1, 2)
NCHW_TO_NHWC = (0, 2, 3, 1)
IMAGE = {"x": (1, 3, 4, 4)}

Found = dict[str, tuple[object, object]]


def found(
    source: onnx.ModelProto, target: onnx.ModelProto, permutation: Permutation | None = None
) -> Found:
    """Return source and target value of each difference, by field."""
    differences = compare(pair(source, target), edge(permutation))
    return {one.field: (one.source, one.target) for one in differences}


def float32(value: float) -> np.ndarray:
    """Return a scalar constant."""
    return np.asarray(value, dtype=np.float32)


def test_a_default_is_no_difference() -> None:
    """A stride of one may be written or left out."""
    assert found(conv(), conv(strides=[1, 1], dilations=[1, 1], group=1)) == {}


def test_a_stride_is_a_difference() -> None:
    """A stride of two for one of one is named with both values."""
    assert found(conv(strides=[2, 2]), conv()) == {"strides": ((2, 2), (1, 1))}


def test_same_padding_may_be_spelled_in_numbers() -> None:
    """With a stride of one, SAME_UPPER is half the kernel on either side."""
    assert found(conv(auto_pad="SAME_UPPER"), conv(pads=[1, 1, 1, 1])) == {}


def test_same_padding_of_a_known_size_is_numbers() -> None:
    """With a stride of two, the input's size tells where SAME_UPPER puts its one row."""
    source = conv(auto_pad="SAME_UPPER", strides=[2, 2])
    target = conv(pads=[1, 1, 1, 1], strides=[2, 2])

    differences = compare(pair(source, target), edge(), source_shapes={"x": (1, 3, 8, 8)})

    assert [d.source for d in differences] == [(0, 0, 1, 1)]


def padded(*pads: int) -> onnx.ModelProto:
    """Return a Pad in NHWC, a Transpose, and a strided convolution."""
    protos = [
        helper.make_node("Pad", ["x", "p"], ["q"]),
        helper.make_node("Transpose", ["q"], ["t"], perm=NHWC_TO_NCHW),
        helper.make_node("Conv", ["t", "w"], ["y"], strides=[2, 2]),
    ]
    kernel = np.ones((4, 3, 3, 3), dtype=np.float32)
    return model(protos, {"p": np.asarray(pads), "w": kernel})


def strided(*pads: int) -> onnx.ModelProto:
    """Return the convolution of `padded`, which pads by itself."""
    return conv(np.ones((4, 3, 3, 3), dtype=np.float32), strides=[2, 2], pads=list(pads))


def test_a_pad_before_a_convolution_is_its_padding() -> None:
    """A Pad in NHWC and the pads of an NCHW convolution are laid over each other."""
    assert found(padded(0, 0, 0, 0, 0, 1, 1, 0), strided(0, 0, 1, 1), NHWC_TO_NCHW) == {}


def test_a_shifted_padding_is_found_behind_a_pad() -> None:
    """The convolution is told the pads that the source's Pad implies."""
    seen = found(padded(0, 0, 0, 0, 0, 1, 1, 0), strided(1, 1, 0, 0), NHWC_TO_NCHW)

    assert seen == {"pads": ((0, 0, 1, 1), (1, 1, 0, 0))}


def test_bounds_of_a_clip_may_be_inputs_or_attributes() -> None:
    """Clip takes its bounds as attributes up to opset 10 and as inputs from 11."""
    new = one("Clip", float32(0.0), float32(6.0))

    assert found(new, one("Clip", opset=10, min=0.0, max=6.0)) == {}
    assert found(new, one("Clip", opset=10, min=0.0, max=5.0)) == {"max": (6.0, 5.0)}


def test_a_mode_is_told_in_the_word_of_the_targets_opset() -> None:
    """GridSample interpolates ``bilinear`` up to opset 19, and ``linear`` from 20."""
    grid = np.zeros((1, 2, 2, 2), dtype=np.float32)
    old, new = one("GridSample", grid, mode="bilinear"), one("GridSample", grid, opset=20)
    nearest = [one("GridSample", grid, opset=n, mode="nearest") for n in (17, 20)]

    assert found(old, new) == found(new, old) == {}
    assert found(old, nearest[1]) == {"mode": ("linear", "nearest")}
    assert found(new, nearest[0]) == {"mode": ("bilinear", "nearest")}


def test_zeros_are_allowed_or_not_where_there_are_none() -> None:
    """What a zero in a shape means tells no two shapes apart that hold none."""
    flat, kept = np.asarray([2, -1]), np.asarray([0, -1])

    assert found(one("Reshape", flat, allowzero=1), one("Reshape", flat)) == {}
    assert found(one("Reshape", kept, allowzero=1), one("Reshape", kept)) == {
        "allowzero": (1, 0)
    }


def test_a_relu_is_a_clip_from_zero() -> None:
    """A Relu differs from a Clip by its upper bound alone."""
    largest = float(np.finfo(np.float32).max)

    assert found(one("Relu"), one("Clip", opset=10, min=0.0, max=largest)) == {}
    assert found(one("Relu"), one("Clip", opset=10, min=0.0, max=6.0)) == {
        "op": ("Relu", "Clip")
    }


def test_axes_follow_the_layout() -> None:
    """The mean over H and W is one, whether they are axes 2 and 3 or 1 and 2."""
    old = one("ReduceMean", opset=13, axes=[2, 3])
    new = one("ReduceMean", np.asarray([1, 2]), opset=18)

    assert found(old, new, NCHW_TO_NHWC) == {}
    assert found(new, old, NHWC_TO_NCHW) == {}


def test_an_unmoved_axis_is_a_difference() -> None:
    """An axis that was not moved with the layout is told in the target's layout."""
    seen = found(one("Softmax", axis=1), one("Softmax", axis=1), NCHW_TO_NHWC)

    assert seen == {"axis": (3, 1)}


def test_softmax_means_another_thing_below_opset_13() -> None:
    """Axis 1 of four is all that follows below opset 13, and one axis from there on."""
    source, target = one("Softmax", axis=1), one("Softmax", axis=1, opset=11)
    differences = compare(pair(source, target), edge(), source_shapes=IMAGE)

    assert [(d.field, d.source) for d in differences] == [("semantics", (1, 4))]


def test_softmax_over_the_last_axis_always_means_the_same() -> None:
    """The last axis has no followers to be flattened with."""
    source, target = one("Softmax", axis=1), one("Softmax", axis=1, opset=11)

    assert compare(pair(source, target), edge(), source_shapes={"x": (1, 3)}) == ()


def test_a_lost_option_is_undone_by_another_spelling() -> None:
    """Where the opset lacks the smallest elements, the largest of the negated do."""
    count = np.asarray([3])
    source, target = one("TopK", count, largest=0), one("TopK", count, opset=10)
    (difference,) = compare(pair(source, target), edge())
    undone = undo(target, difference)

    assert undone is not None
    assert [node.op_type for node in undone.graph.node] == ["Neg", "TopK", "Neg"]


def test_a_wrong_perm_is_told_in_the_targets_layout() -> None:
    """A Transpose is compared with what the source's layout and its own imply."""
    source = one("Transpose", perm=[0, 2, 3, 1])

    assert found(source, one("Transpose", perm=[0, 3, 2, 1])) == {
        "perm": ((0, 2, 3, 1), (0, 3, 2, 1))
    }
