"""Weights: what folding and layout explain, and what only a change explains."""

import numpy as np
import onnx
from onnx import helper

from analyzer.core.types import Array, Difference
from analyzer.differences import compare
from tests.analyzer.differences.build import (
    CHANNELS,
    DENSE,
    KERNEL,
    conv,
    conv_bn,
    edge,
    folded,
    model,
    one,
    pair,
)


def found(source: onnx.ModelProto, target: onnx.ModelProto) -> list[Difference]:
    """Return what the models disagree on."""
    return list(compare(pair(source, target), edge()))


def changed(kernel: Array, channel: int = 1) -> Array:
    """Return a kernel with one channel mirrored."""
    wrong = kernel.copy()
    wrong[channel] = kernel[channel][..., ::-1]
    return wrong


def test_a_folded_batch_normalisation_is_no_difference() -> None:
    """Convolution and normalisation compute what the folded convolution computes."""
    assert found(folded(), conv_bn()) == []
    assert found(conv_bn(), folded()) == []


def test_a_weight_changed_behind_a_folded_normalisation_is_found() -> None:
    """The kernel is given back in the target's own terms, before its normalisation."""
    (difference,) = found(folded(), conv_bn(changed(KERNEL)))

    assert difference.target_node is not None
    assert (difference.target_node.op, difference.slot) == ("Conv", 1)
    np.testing.assert_allclose(difference.source, KERNEL, rtol=1e-5, atol=1e-7)


def test_a_changed_shift_behind_a_folded_normalisation_is_found() -> None:
    """A bias that differs is told as the target's own last shift."""
    (difference,) = found(folded(), conv_bn(shift=CHANNELS + 1))

    np.testing.assert_allclose(difference.source, CHANNELS, rtol=1e-5)


def test_a_wrong_epsilon_is_solved_from_the_folded_kernel() -> None:
    """The source has no epsilon any more, and yet it is known."""
    differences = found(folded(1e-3), conv_bn(epsilon=1e-5))

    assert (differences[0].field, differences[0].source) == ("epsilon", 1e-3)


def test_dense_layers_are_compared_across_spellings() -> None:
    """Gemm with a transposed weight is MatMul and Add."""
    bias = np.arange(5, dtype=np.float32)
    gemm = one("Gemm", np.ascontiguousarray(DENSE.T), bias, transB=1)
    protos = [
        helper.make_node("MatMul", ["x", "w"], ["m"]),
        helper.make_node("Add", ["b", "m"], ["y"]),
    ]
    plain = model(protos, {"w": DENSE, "b": bias})
    wrong = model(protos, {"w": changed(DENSE), "b": bias})

    assert found(gemm, plain) == []
    assert [d.field for d in found(gemm, wrong)] == ["input1"]
    np.testing.assert_array_equal(found(gemm, wrong)[0].source, DENSE)


def test_flattening_in_another_order_is_no_difference() -> None:
    """A dense weight behind NHWC has its rows in another order than behind NCHW."""
    rows = np.arange(6).reshape(2, 3).T.ravel()

    assert found(one("MatMul", DENSE), one("MatMul", DENSE[rows])) == []


def test_a_weight_in_half_precision_is_no_difference() -> None:
    """Rounding to the declared dtype is not a changed weight."""
    assert found(conv(), conv(KERNEL.astype(np.float16))) == []


def test_a_constant_that_a_dtype_cannot_hold_becomes_its_largest() -> None:
    """A divisor of 65535 is told as the largest half there is."""
    source = one("Div", np.asarray(65535.0, dtype=np.float32))
    target = one("Div", np.asarray(10000.0, dtype=np.float16))
    (difference,) = found(source, target)

    assert difference.source == np.float16(65504)


def test_a_table_is_compared_as_it_stands() -> None:
    """An embedding has one layout, whatever its sizes."""
    table = np.arange(9, dtype=np.float32).reshape(3, 3)

    def lookup(rows: Array) -> onnx.ModelProto:
        return model([helper.make_node("Gather", ["t", "x"], ["y"])], {"t": rows})

    assert found(lookup(table), lookup(table)) == []
    assert [d.slot for d in found(lookup(table), lookup(table.T.copy()))] == [0]


def test_layers_of_other_widths_are_not_subtracted() -> None:
    """Several layers merged into one have more channels than any of them."""
    wide, narrow = np.ones(12, np.float32), np.zeros(4, np.float32)

    (difference,) = found(one("Add", wide), one("Add", narrow))

    assert (difference.source, difference.target) == ((12,), (4,))


def test_shuffled_weight_is_not_taken_for_another_flattening() -> None:
    """Rows in any wrong order lie apart as far as in any other: the source's stays."""
    weight = np.random.default_rng(0).normal(size=(12, 16)).astype(np.float32)
    shuffled = np.random.default_rng(1).permutation(weight)

    (difference,) = found(one("MatMul", weight), one("MatMul", shuffled))

    assert np.array_equal(difference.source, weight)


def test_scale_that_was_zeroed_is_solved_for() -> None:
    """The folded kernel tells by how much each channel was scaled."""
    zeroed = np.where(np.arange(4) == 1, 0, CHANNELS).astype(np.float32)

    first, *_ = found(folded(), conv_bn(scale=zeroed))

    assert np.allclose(np.asarray(first.source), CHANNELS, rtol=1e-4)
