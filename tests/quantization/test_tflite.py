"""Quantized `.tflite` files are diagnosed, mended and restored in their own format."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from analyzer.core.options import Options
from analyzer.core.report import Report, Verdict
from analyzer.core.types import Status
from analyzer.frontends.child.client import WarmChildren, warm_children
from rewriter.export.tflite_file import (
    FbOperator,
    FbTensor,
    Flatbuffer,
    kind,
    packed,
    read,
    value,
)
from rewriter.repair import repair
from rules.discovery import ours

BUILDER = Path(__file__).with_name("build_tflite.py")
EXACT = 2e-5
"""Relative error that a sum in another order leaves."""
BIASED = 3
"""Inputs of an operator with a bias."""

NEAR = 0.1
"""Relative error that int8 may leave."""


@pytest.fixture(scope="module")
def folder(build: Callable[..., Path]) -> Path:
    """The network in every precision that the converter offers."""
    return build(BUILDER)


@pytest.fixture(scope="module")
def warm() -> Iterator[WarmChildren]:
    """Children that all tests share, since an import takes seconds."""
    with warm_children() as children:
        yield children


@pytest.fixture
def mended(folder: Path, warm: WarmChildren) -> Callable[..., Report]:
    """Repair a file of the folder into one beside it."""
    assert warm is not None

    def run(
        target: str, out: str, *, restore: bool = False, source: str = "float.tflite"
    ) -> Report:
        return repair(
            str(folder / source), str(folder / target), folder / out,
            options=Options(inputs=folder / "probes.npz"), rules=ours(),
            force=True, restore_precision=restore,
        )  # fmt: skip

    return run


def weight_scale(file: Flatbuffer) -> None:
    """Give the second convolution's weight another scale."""
    tensor = file.graph.tensors[int(_convolution(file).inputs[1])]
    tensor.quantization.scale = tensor.quantization.scale * np.float32(1.5)


def narrow_range(file: Flatbuffer) -> None:
    """Let what the second convolution gives saturate at a quarter of its range."""
    tensor = file.graph.tensors[int(_convolution(file).outputs[0])]
    tensor.quantization.scale = tensor.quantization.scale * np.float32(0.25)


def lost_bias(file: Flatbuffer) -> None:
    """Store zeros for the second convolution's bias, or the only layer's."""
    operators = [one for one in file.graph.operators if len(one.inputs) == BIASED]
    operator = operators[min(1, len(operators) - 1)]
    tensor = file.graph.tensors[int(operator.inputs[2])]
    size = len(file.model.buffers[tensor.buffer].data)
    file.model.buffers[tensor.buffer].data = np.zeros(size, np.uint8)


def wrong_channel(file: Flatbuffer) -> None:
    """Store zeros for one channel of the second convolution's weight."""
    tensor = file.graph.tensors[int(_convolution(file).inputs[1])]
    octets = np.array(file.model.buffers[tensor.buffer].data, np.uint8)
    octets.reshape(tensor.shape)[3] = 0
    file.model.buffers[tensor.buffer].data = octets


def _convolution(file: Flatbuffer) -> object:
    quantize_first = len(file.graph.operators[0].inputs) == 1
    return file.graph.operators[2 if quantize_first else 1]


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [(weight_scale, "quantization-scale"), (narrow_range, "calibration-clips")],
)
def test_wrong_grid_is_mended_in_place(
    folder: Path, mended: Callable[..., Report], spoil: object, rule: str
) -> None:
    """The file stays an int8 one, and is as good as before it was spoilt."""
    assert callable(spoil)
    file = read(folder / "full.tflite")
    spoil(file)
    (folder / "spoilt.tflite").write_bytes(packed(file))
    report = mended("spoilt.tflite", "mended.tflite")

    assert (report.findings[0].rule, report.findings[0].status) == (rule, Status.FAULT)
    assert report.verdict is Verdict.REPAIRED
    assert report.outputs[0].relative_error < NEAR


@pytest.mark.parametrize(
    ("model", "spoil", "rule"),
    [
        ("", lost_bias, "quantized-weight"),
        ("", wrong_channel, "weight-differs"),
        ("", weight_scale, "quantization-scale"),
        ("", narrow_range, "calibration-clips"),
        ("head-", lost_bias, "quantized-weight"),
    ],
)
def test_file_with_integer_ends_is_mended_in_place(
    folder: Path, warm: WarmChildren, model: str, spoil: object, rule: str
) -> None:
    """What is wrong is named, and the file's own integers stand for the right floats."""
    assert warm is not None
    assert callable(spoil)
    file = read(folder / f"{model}integers.tflite")
    spoil(file)
    (folder / "spoilt.tflite").write_bytes(packed(file))
    report = repair(
        str(folder / f"{model}float.tflite"), str(folder / "spoilt.tflite"),
        folder / "mended.tflite", options=Options(inputs=folder / f"{model}probes.npz"),
        rules=ours(), force=True,
    )  # fmt: skip
    kinds = {int(t.type) for t in _ends(read(folder / "mended.tflite"))}

    assert (report.findings[0].rule, report.findings[0].status) == (rule, Status.FAULT)
    assert report.verdict is Verdict.REPAIRED
    assert report.outputs[0].step is not None
    assert report.outputs[0].relative_error < NEAR
    assert kinds == {int(file.schema.TensorType.INT8)}


def _ends(file: Flatbuffer) -> list[FbTensor]:
    graph = file.graph
    return [graph.tensors[int(index)] for index in (*graph.inputs, *graph.outputs)]


def test_operator_on_a_fixed_grid_is_exchanged_with_its_grid(
    folder: Path, warm: WarmChildren
) -> None:
    """A LOGISTIC in a TANH's place gives steps of a 256th, as its kernel asks for."""
    assert warm is not None
    report = repair(
        str(folder / "sigmoid-float.tflite"),
        str(folder / "tanh-full.tflite"),
        folder / "sigmoid-full.tflite",
        options=Options(inputs=folder / "head-probes.npz"),
        rules=ours(),
    )
    file = read(folder / "sigmoid-full.tflite")
    given = {kind(file, one): int(one.outputs[0]) for one in file.graph.operators}
    grid = file.graph.tensors[given["LOGISTIC"]].quantization

    assert report.findings[0].rule == "operator-replaced"
    assert report.verdict is Verdict.REPAIRED
    assert "TANH" not in given
    assert (float(grid.scale[0]), int(grid.zeroPoint[0])) == (1 / 256, -128)


@pytest.mark.parametrize("kind", ["dynamic", "half", "full", "integers"])
def test_deliberate_quantization_is_left_alone(
    folder: Path, mended: Callable[..., Report], kind: str
) -> None:
    """What the converter rounded is drift, and the file is copied as it is."""
    report = mended(f"{kind}.tflite", "copied.tflite")
    copied = (folder / "copied.tflite").read_bytes()

    assert {one.status for one in report.findings} == {Status.DRIFT}
    assert copied == (folder / f"{kind}.tflite").read_bytes()


@pytest.mark.parametrize("kind", ["dynamic", "half"])
def test_precision_of_float_operators_is_restored_in_place(
    mended: Callable[..., Report], kind: str
) -> None:
    """Weights on a grid, or of half precision, become the source's own floats."""
    report = mended(f"{kind}.tflite", "restored.tflite", restore=True)

    assert report.verdict is Verdict.REPAIRED
    assert report.outputs[0].relative_error < EXACT


def test_fully_connected_layer_is_restored_in_place(
    folder: Path, mended: Callable[..., Report]
) -> None:
    """It rounds what it reads on the fly as long as its weight is rounded; none is left."""
    report = mended(
        "dense-dynamic.tflite", "restored.tflite", restore=True, source="dense-float.tflite"
    )
    file = read(folder / "restored.tflite")
    read_types = {file.graph.tensors[int(i)].type for i in _dense(file).inputs}

    assert read_types == {file.schema.TensorType.FLOAT32}
    assert report.verdict is Verdict.REPAIRED
    assert report.outputs[0].relative_error < EXACT


def _dense(file: Flatbuffer) -> FbOperator:
    return next(one for one in file.graph.operators if kind(file, one) == "FULLY_CONNECTED")


def test_weight_that_rounds_otherwise_by_a_hair_is_restored(
    folder: Path, mended: Callable[..., Report]
) -> None:
    """A converter that folds in another order rounds half a step to the other side."""
    file, exact = read(folder / "dynamic.tflite"), read(folder / "float.tflite")
    rounded, right = (int(_convolution(one).inputs[1]) for one in (file, exact))
    tensor = file.graph.tensors[rounded]
    scale = np.asarray(tensor.quantization.scale)[:, None, None, None]
    steps = value(exact, right) / scale
    stored = value(file, rounded).copy()
    place = np.unravel_index(np.abs(steps - stored).argmax(), stored.shape)
    stored[place] += 1 if steps[place] > stored[place] else -1
    file.model.buffers[tensor.buffer].data = np.frombuffer(stored.tobytes(), np.uint8)
    (folder / "hair.tflite").write_bytes(packed(file))
    report = mended("hair.tflite", "restored.tflite", restore=True)

    assert report.verdict is Verdict.REPAIRED
    assert report.outputs[0].relative_error < EXACT


def test_operators_on_integers_are_restored_in_a_new_file(
    folder: Path, mended: Callable[..., Report]
) -> None:
    """TFLite's integer kernels take no floats: the repaired pivot is exported whole."""
    report = mended("full.tflite", "floats.tflite", restore=True)
    types = {tensor.type for tensor in read(folder / "floats.tflite").graph.tensors}

    assert report.verdict is Verdict.REPAIRED
    assert report.written is not None
    assert report.written.way == "exported anew"
    assert any("integer grids: 0 of" in one for one in report.written.changed)
    assert report.outputs[0].relative_error < EXACT
    assert read(folder / "floats.tflite").schema.TensorType.INT8 not in types
