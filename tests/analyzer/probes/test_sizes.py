"""Sizes of open axes."""

import pytest

from analyzer.core.errors import UsageError
from analyzer.core.types import TensorSpec
from analyzer.probes.sizes import PLANS, sample_shapes

IMAGE = TensorSpec("image", "float32", ("N", 3, "H", "W"))


def test_open_sizes_differ_and_the_batch_is_one() -> None:
    """Two open axes get two sizes, so that a swap shows."""
    assert sample_shapes([IMAGE], {}, PLANS[0]) == {"image": (1, 3, 64, 96)}


def test_a_symbol_has_one_size_everywhere() -> None:
    """Token and mask of one sequence are equally long."""
    specs = [TensorSpec(name, "int64", ("batch", "seq")) for name in ("ids", "mask")]

    assert sample_shapes(specs, {}, PLANS[0]) == {"ids": (1, 8), "mask": (1, 8)}


def test_unnamed_axes_are_independent() -> None:
    """Two axes without a symbol are not the same axis."""
    spec = TensorSpec("x", "float32", (None, None, None))

    assert sample_shapes([spec], {}, PLANS[0]) == {"x": (1, 8, 9)}


def test_a_leading_sequence_is_no_batch() -> None:
    """Where the first axis says it is a sequence it is drawn as one."""
    spec = TensorSpec("x", "float32", ("seq_len", "batch", 4))

    assert sample_shapes([spec], {}, PLANS[0])["x"][0] == 8


def test_the_users_sizes_win_and_spread() -> None:
    """--input-shapes of one input also sizes the same symbol of another."""
    specs = [TensorSpec(name, "int64", ("batch", "seq")) for name in ("ids", "mask")]

    shapes = sample_shapes(specs, {"ids": (2, 5)}, PLANS[0])
    assert shapes == {"ids": (2, 5), "mask": (2, 5)}


@pytest.mark.parametrize("given", [(1, 4, 8, 8), (1, 3, 8)])
def test_a_contradiction_is_refused(given: tuple[int, ...]) -> None:
    """A fixed axis and the rank cannot be overridden."""
    with pytest.raises(UsageError, match=r"the model declares \[N, 3, H, W\]"):
        sample_shapes([IMAGE], {"image": given}, PLANS[0])


def test_an_input_without_a_rank_asks_for_one() -> None:
    """Nothing can be drawn for an input of unknown rank."""
    with pytest.raises(UsageError, match="declares no shape") as refusal:
        sample_shapes([TensorSpec("x", "float32", None)], {}, PLANS[0])

    assert "--input-shapes" in refusal.value.hint
