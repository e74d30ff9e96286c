"""Weights are mapped from their file, as the file is now."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from analyzer.core.errors import LoadError
from analyzer.core.tensors import dtype_name, external_location, is_external, tensor_value

FOUR = np.float32([1, 2, 3, 4])


@pytest.fixture
def weight() -> onnx.TensorProto:
    """Two floats that stand in ``weights.bin`` behind the first two."""
    tensor = onnx.TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "weights.bin"), ("offset", "8"), ("length", "8")):
        tensor.external_data.add(key=key, value=value)
    return tensor


def test_weight_is_a_view_of_its_file(weight: onnx.TensorProto, tmp_path: Path) -> None:
    """Nothing is copied, and nothing can be overwritten."""
    (tmp_path / "weights.bin").write_bytes(FOUR.tobytes())
    value = tensor_value(weight, tmp_path)

    assert value.tolist() == [3, 4]
    assert isinstance(value.base, np.memmap)
    assert not value.flags.writeable
    assert external_location(weight) == ("weights.bin", 8, 8)
    assert is_external(weight)


def test_rewritten_file_is_read_anew(weight: onnx.TensorProto, tmp_path: Path) -> None:
    """A notebook compares, mends the file and compares again."""
    path = tmp_path / "weights.bin"
    path.write_bytes(FOUR.tobytes())
    before = tensor_value(weight, tmp_path).tolist()
    path.unlink()
    path.write_bytes((10 * FOUR).tobytes() + b"longer")

    assert before == [3, 4]
    assert tensor_value(weight, tmp_path).tolist() == [30, 40]


@pytest.mark.parametrize(
    ("content", "surprise"),
    [(FOUR[:3].tobytes(), "ends before the values"), (None, "weights")],
)
def test_missing_values_are_an_error(
    weight: onnx.TensorProto, tmp_path: Path, content: bytes | None, surprise: str
) -> None:
    """The file is named, and what to do."""
    if content is not None:
        (tmp_path / "weights.bin").write_bytes(content)

    with pytest.raises(LoadError, match=surprise) as refusal:
        tensor_value(weight, tmp_path)
    assert "external data file" in refusal.value.hint


def test_element_types_have_numpys_names() -> None:
    """Strings have one of ours, and what nobody knows is unknown."""
    assert dtype_name(TensorProto.FLOAT16) == "float16"
    assert dtype_name(TensorProto.STRING) == "string"
    assert dtype_name(999) == "unknown"
