"""Tensors of several names get another value for all of them, or for none."""

import numpy as np
import pytest

from analyzer.core.errors import ExportError

torch = pytest.importorskip("torch")

tied = pytest.importorskip("rewriter.export.child.tied")


def test_names_of_one_tensor_agree() -> None:
    """A value that all names of a tensor are to have is written."""
    one = torch.zeros(2, 2)
    new = np.array([[1, 2], [3, 4]], np.float32)

    tied.write_all({"a": one, "b": one.t()}, {"a": new, "b": new.T}, ["a", "b"])

    assert one.tolist() == new.tolist()


def test_name_that_keeps_its_value_refuses() -> None:
    """A value for one of two names that are read is refused, and both are named."""
    one = torch.zeros(2)
    told = "the weights a and b are one tensor, of which b is to have its old value"

    with pytest.raises(ExportError, match=told):
        tied.write_all({"a": one, "b": one}, {"a": np.ones(2)}, ["a", "b"])


def test_name_that_nothing_reads_follows() -> None:
    """A name of the tensor that no call reads has no say."""
    one = torch.zeros(2)

    tied.write_all({"a": one, "b": one}, {"a": np.ones(2)}, ["a"])

    assert one.tolist() == [1, 1]


def test_parts_of_one_memory_are_apart() -> None:
    """Weights that lie beside each other in one memory are written one by one."""
    whole = torch.zeros(4)

    tied.write_all({"a": whole[:2], "b": whole[2:]}, {"a": np.ones(2)}, ["a", "b"])

    assert whole.tolist() == [1, 1, 0, 0]
