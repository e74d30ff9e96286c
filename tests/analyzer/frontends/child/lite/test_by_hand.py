"""What the converter does not write, but a file may hold."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from onnx import numpy_helper

from analyzer.core.errors import LoadError
from analyzer.core.graph import nodes
from analyzer.core.types import Feeds, Pivot
from tests.analyzer.frontends.child.lite.flat import Flat

ROUNDING = 1e-6
RELU6, TANH = 3, 4

Import = Callable[[str], Pivot]
Run = Callable[[Pivot], tuple[Feeds, Feeds]]


def seeded(*shape: int) -> np.ndarray:
    """Return seeded numbers."""
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def agree(both: tuple[Feeds, Feeds]) -> None:
    """Assert that a pivot computes what the interpreter computes."""
    native, drawn = both
    for name, expected in native.items():
        assert drawn[name].shape == expected.shape
        np.testing.assert_allclose(drawn[name], expected, atol=ROUNDING)


@pytest.mark.parametrize("is_time_major", [False, True])
def test_recurrent_layer_in_one_operator(
    tmp_path: Path, ours: Import, outputs: Run, *, is_time_major: bool
) -> None:
    """Its gates are in another order than ONNX's, its state starts from zeros."""
    flat, shape = Flat(), (5, 2) if is_time_major else (2, 5)
    x, y = flat.tensor("x", (*shape, 4)), flat.tensor("y", (*shape, 3))
    sizes = {"w": (3, 4), "r": (3, 3), "b": (3,)}
    weights = {
        kind: [
            flat.tensor(f"{kind}{gate}", value=seeded(*size) * place)
            for place, gate in enumerate("ifco", start=1)
        ]
        for kind, size in sizes.items()
    }
    state = [flat.tensor(name, (2, 3), isVariable=True) for name in "hc"]
    none = [-1, -1, -1]
    inputs = [x, *weights["w"], *weights["r"], *none, *weights["b"], -1, -1, *state]
    options = {"fusedActivationFunction": TANH, "timeMajor": is_time_major}
    kind = "UNIDIRECTIONAL_SEQUENCE_LSTM"
    flat.operator(kind, inputs, [y], "UnidirectionalSequenceLSTMOptions", options)
    model = ours(flat.write(tmp_path / "lstm.tflite", [x], [y]))

    agree(outputs(model))
    agree(outputs(model))  # what a state held before is forgotten


CUTS = (
    ([1, 0, -1], [3, 0, 0], [1, 2, 1], {"endMask": 2, "shrinkAxisMask": 4}),
    (
        [0, 0, 2],
        [0, 0, 0],
        [1, 1, 1],
        {"ellipsisMask": 1, "newAxisMask": 2, "shrinkAxisMask": 4},
    ),
    ([0, 3, 0], [0, -5, 0], [1, -2, 1], {"newAxisMask": 5}),
    ([-7, 1], [5, 9], [-1, 2], {}),
    ([0, 0], [0, 0], [-1, 1], {"beginMask": 3, "endMask": 3}),
)
"""Where cuts of [5, 4, 3] begin and end, their steps, and what masks say."""


@pytest.mark.parametrize("cut", CUTS)
def test_strided_slice_reads_its_masks(
    tmp_path: Path,
    ours: Import,
    outputs: Run,
    cut: tuple[list[int], list[int], list[int], Mapping[str, int]],
) -> None:
    """Axes are cut, dropped, added and skipped as the interpreter does it."""
    flat, (*numbers, masks) = Flat(), cut
    x, y = flat.tensor("x", (5, 4, 3)), flat.tensor("y", (1,))
    bounds = [
        flat.tensor(f"bounds{place}", value=np.array(one, np.int32))
        for place, one in enumerate(numbers)
    ]
    flat.operator("STRIDED_SLICE", [x, *bounds], [y], "StridedSliceOptions", masks)

    agree(outputs(ours(flat.write(tmp_path / "slice.tflite", [x], [y]))))


def test_unknown_operators_are_named_with_their_places(
    tmp_path: Path, ours: Import
) -> None:
    """What cannot be imported is one error, which says all of it."""
    flat = Flat()
    x, y, z = (flat.tensor(name, (2, 3)) for name in "xyz")
    flat.operator("RELU", [x], [y])
    flat.operator("HASHTABLE_LOOKUP", [y, y, y], [z])
    file = flat.write(tmp_path / "unknown.tflite", [x], [z])

    with pytest.raises(LoadError, match=r"HASHTABLE_LOOKUP \(operator 1\)"):
        ours(file)


def test_use_that_is_not_known_is_named(tmp_path: Path, ours: Import) -> None:
    """A known operator used in an unknown way says which one it is, and how."""
    flat = Flat()
    x, order, y = flat.tensor("x", (2, 3)), flat.tensor("o", (2,), dtype="int32"), 2
    assert flat.tensor("turned", (3, 2)) == y
    flat.operator("TRANSPOSE", [x, order], [y], "TransposeOptions")
    file = flat.write(tmp_path / "computed.tflite", [x, order], [y])

    with pytest.raises(LoadError, match=r"operator 0 .* TRANSPOSE that gives turned"):
        ours(file)


def test_name_is_behind_the_activation(tmp_path: Path, ours: Import) -> None:
    """A tensor of the file is the pivot's of that name, the weights keep theirs."""
    flat = Flat()
    x, y = flat.tensor("x", (1, 4, 4, 3)), flat.tensor("feature", (1, 4, 4, 2))
    kernel = flat.tensor("kernel", value=seeded(2, 1, 1, 3))
    options = {"strideH": 1, "strideW": 1, "fusedActivationFunction": RELU6}
    flat.operator("CONV_2D", [x, kernel], [y], "Conv2DOptions", options)
    last = flat.tensor("last", (1, 4, 4, 2))
    flat.operator("NEG", [y], [last], "NegOptions")
    model = ours(flat.write(tmp_path / "fused.tflite", [x], [last]))
    known = nodes(model.model, model.folder)
    giver = next(one for one in known if "feature" in one.outputs)
    held = {one.name: numpy_helper.to_array(one) for one in model.model.graph.initializer}

    assert giver.op == "Clip"
    np.testing.assert_array_equal(held["kernel"], seeded(2, 1, 1, 3).transpose(0, 3, 1, 2))


def test_constant_read_twice_is_one_parameter(
    tmp_path: Path, ours: Import, outputs: Run
) -> None:
    """A matrix that is multiplied with and added keeps its name in both layouts."""
    flat = Flat()
    x, product, y = (flat.tensor(name, (3, 3)) for name in ("x", "product", "y"))
    weight = flat.tensor("weight", value=seeded(3, 3))
    flat.operator("FULLY_CONNECTED", [x, weight], [product], "FullyConnectedOptions")
    flat.operator("ADD", [product, weight], [y], "AddOptions")
    model = ours(flat.write(tmp_path / "twice.tflite", [x], [y]))

    agree(outputs(model))
    names = [one.name for one in model.model.graph.initializer]
    assert [name for name in names if name.startswith("weight")] == ["weight", "weight~2"]


def test_tensors_of_one_name_stay_apart(tmp_path: Path, ours: Import, outputs: Run) -> None:
    """A file may call two tensors alike; a pivot may not."""
    flat = Flat()
    x, same, y = (flat.tensor(name, (2, 3)) for name in ("x", "x", "y"))
    flat.operator("NEG", [x], [same], "NegOptions")
    flat.operator("ABS", [same], [y], "AbsOptions")

    agree(outputs(ours(flat.write(tmp_path / "names.tflite", [x], [y]))))


def test_bytes_behind_the_tables_are_read(tmp_path: Path, ours: Import) -> None:
    """Large files keep weights behind the flatbuffer, by offset and size."""
    flat = Flat()
    x, y = flat.tensor("x", (2, 3)), flat.tensor("y", (2, 3))
    weight = flat.tensor("weight", value=seeded(3))
    flat.operator("ADD", [x, weight], [y], "AddOptions")
    buffer = flat.model.buffers[1]
    buffer.data, buffer.offset, buffer.size = None, 1 << 20, 12
    file = Path(flat.write(tmp_path / "tail.tflite", [x], [y]))
    tables = file.read_bytes()
    buffer.offset = len(tables)  # as wide as the offset before it, so nothing moves
    file = Path(flat.write(file, [x], [y]))
    file.write_bytes(file.read_bytes() + seeded(3).tobytes())
    held = {one.name: one for one in ours(str(file)).model.graph.initializer}

    np.testing.assert_array_equal(numpy_helper.to_array(held["weight"]), seeded(3))


def test_number_on_a_grid_multiplies_an_image(
    tmp_path: Path, ours: Import, outputs: Run
) -> None:
    """A scalar has no axis for its one scale to lie along, in whatever layout."""
    flat, one = Flat(), np.zeros(1, np.int64)
    scales = [
        schema.QuantizationParametersT(scale=np.array([step], np.float32), zeroPoint=one)
        for step in (0.01, 0.02, 0.04)
    ]
    names = ("x", "pooled", "y")
    x, pooled, y = (
        flat.tensor(name, (1, 4, 4, 2), dtype="int8", quantization=scale)
        for name, scale in zip(names, (scales[0], scales[0], scales[1]), strict=True)
    )
    factor = flat.tensor("factor", value=np.array(100, np.int8), quantization=scales[2])
    window = {"strideH": 1, "strideW": 1, "filterHeight": 2, "filterWidth": 2}
    flat.operator("MAX_POOL_2D", [x], [pooled], "Pool2DOptions", window)
    flat.operator("MUL", [pooled, factor], [y], "MulOptions")
    native, drawn = outputs(ours(flat.write(tmp_path / "scalar.tflite", [x], [y])))

    assert np.max(np.abs(native["y"].astype(int) - drawn["y"])) <= 1


def on_grid(step: float, zero: int) -> schema.QuantizationParametersT:
    """Return a grid of one scale."""
    return schema.QuantizationParametersT(
        scale=np.array([step], np.float32), zeroPoint=np.array([zero], np.int64)
    )


def test_scattered_integers_lie_among_zeros_of_no_grid(
    tmp_path: Path, ours: Import, outputs: Run
) -> None:
    """The operator adds integers as they are, where a grid's zero would be another one."""
    flat, grid = Flat(), on_grid(0.1, 15)
    x, y = (
        flat.tensor(name, shape, dtype="int8", quantization=grid)
        for name, shape in (("x", (2, 3)), ("y", (4, 3)))
    )
    places = flat.tensor("places", value=np.array([[1], [3]], np.int32))
    shape = flat.tensor("shape", value=np.array([4, 3], np.int32))
    flat.operator("SCATTER_ND", [places, x, shape], [y])
    native, drawn = outputs(ours(flat.write(tmp_path / "scatter.tflite", [x], [y])))

    np.testing.assert_array_equal(drawn["y"], native["y"])


def test_one_hot_integers_are_taken_as_they_are(
    tmp_path: Path, ours: Import, outputs: Run
) -> None:
    """Both values may have grids of their own; the operator looks at none."""
    flat = Flat()
    x = flat.tensor("x", (3,), dtype="int32")
    depth = flat.tensor("depth", value=np.array(4, np.int32))
    on, off = (
        flat.tensor(name, value=np.array(value, np.int8), quantization=on_grid(step, zero))
        for name, value, step, zero in (("on", 127, 1 / 255, -128), ("off", 0, 1e-9, 0))
    )
    y = flat.tensor("y", (3, 4), dtype="int8", quantization=on_grid(1 / 255, -128))
    flat.operator("ONE_HOT", [x, depth, on, off], [y], "OneHotOptions", {"axis": -1})
    native, drawn = outputs(ours(flat.write(tmp_path / "one_hot.tflite", [x], [y])))

    np.testing.assert_array_equal(drawn["y"], native["y"])


def test_zero_point_of_another_type_is_named(tmp_path: Path, ours: Import) -> None:
    """128 is the zero of unsigned integers; as a signed one it would be read as -128."""
    flat = Flat()
    x, y = (
        flat.tensor(name, (1, 4), dtype="int8", quantization=on_grid(0.1, 128))
        for name in "xy"
    )
    flat.operator("RELU", [x], [y])
    file = flat.write(tmp_path / "zero.tflite", [x], [y])

    with pytest.raises(LoadError, match=r"zero point of the tensor x is 128.*int8"):
        ours(file)
