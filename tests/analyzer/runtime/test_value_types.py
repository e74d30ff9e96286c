"""Arrays and tensors have ONNX types."""

import numpy as np
import onnx
from onnx import TensorProto

from analyzer.runtime.value_types import input_types, type_of


def test_array_declares_its_element_type_and_rank() -> None:
    """Sizes stay open, so that another sample fits."""
    kind = type_of(np.zeros((2, 3), np.int64)).tensor_type

    assert kind.elem_type == TensorProto.INT64
    assert len(kind.shape.dim) == 2
    assert not kind.shape.dim[0].HasField("dim_value")


def test_strings_have_a_type() -> None:
    """An array of Python strings is a string tensor."""
    kind = type_of(np.array(["cat"], dtype=object))

    assert kind.tensor_type.elem_type == TensorProto.STRING


def test_sequence_has_a_type() -> None:
    """An object array of arrays is a sequence of their type."""
    sequence = np.empty(1, dtype=object)
    sequence[0] = np.zeros(2, np.float32)

    assert type_of(sequence).HasField("sequence_type")


def test_type_of_an_inner_tensor_is_inferred(chain: onnx.ModelProto) -> None:
    """What the model does not declare follows from its operators."""
    types = input_types(chain, ["a", "w", "unknown"])

    assert set(types) == {"a", "w"}
    assert types["a"].tensor_type.elem_type == TensorProto.FLOAT
