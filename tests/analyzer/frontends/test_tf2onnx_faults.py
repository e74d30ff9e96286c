"""A fault of tf2onnx, by which TensorFlow's models are imported, is found."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from analyzer import pivot
from analyzer.core.options import Options
from analyzer.core.report import Report, Verdict
from analyzer.core.types import Status, Where
from analyzer.diff import diff

HERE = Path(__file__).resolve().parent
MENDED = {
    "floor_div": "FloorDiv",
    "floor_mod": "FloorMod",
    "right_shift": "RightShift",
    "resize_area": "ResizeArea",
    "resize_bicubic": "ResizeBicubic",
    "scatter_twice": "ScatterNd",
    "segment_mean": "SegmentMean",
    "segment_max": "SegmentMax",
    "unsorted_sum": "UnsortedSegmentSum",
    "unsorted_max": "UnsortedSegmentMax",
    "masked": "SelectV2",
}
LEFT = {"crop_nearest": "CropAndResize", "saturation": "AdjustSaturation"}
OPTIONS = Options(samples=3)


@pytest.fixture(scope="module")
def exports(build: Callable[..., Path]) -> Path:
    """A folder with each model and what today's tf2onnx makes of it."""
    return build(HERE / "tf2onnx_faults.py")


def told_of_importers(report: Report) -> list[str]:
    """Return what a report says of importers."""
    return [one.message for one in report.findings if one.where is not Where.CONVERSION]


@pytest.mark.parametrize("name", MENDED)
@pytest.mark.usefixtures("warm")
def test_fault_that_both_imports_share_is_found(exports: Path, name: str) -> None:
    """The source is judged by what TensorFlow computes; the operator is named."""
    report = diff(str(exports / name), str(exports / f"{name}.onnx"), options=OPTIONS)
    faults = [one for one in report.findings if one.status is Status.FAULT]

    assert report.verdict is Verdict.DIVERGENT
    assert {one.where for one in faults} == {Where.CONVERSION}
    assert any(f"gets {MENDED[name]} in middle" in one for one in told_of_importers(report))


@pytest.mark.parametrize("name", LEFT)
@pytest.mark.usefixtures("warm")
def test_fault_that_cannot_be_mended_is_named(exports: Path, name: str) -> None:
    """No spelling is known: the pair is not equivalent, and the report says of what."""
    report = diff(str(exports / name), str(exports / f"{name}.onnx"), options=OPTIONS)

    assert report.verdict is not Verdict.EQUIVALENT
    assert any(LEFT[name] in one for one in told_of_importers(report))


@pytest.mark.usefixtures("warm")
def test_keras_model_is_judged_by_what_keras_computes(exports: Path) -> None:
    """A Keras file is frozen where it is looked into, and read as that."""
    paths = str(exports / "divided.keras"), str(exports / "divided.onnx")
    report = diff(*paths, options=OPTIONS)

    assert report.verdict is Verdict.DIVERGENT
    assert any("gets FloorDiv" in one for one in told_of_importers(report))


@pytest.mark.usefixtures("warm")
def test_importers_own_fault_harms_nobody(exports: Path) -> None:
    """Of a sound model only the operator's name remains, on both sides."""
    report = diff(str(exports / "floor_div"), str(exports / "floor_div"), options=OPTIONS)

    assert report.verdict is Verdict.EQUIVALENT
    assert {one.status for one in report.findings} <= {Status.HARMLESS}
    assert all("gets FloorDiv" in one for one in told_of_importers(report))


@pytest.mark.usefixtures("warm")
def test_operators_unknown_to_tf2onnx_are_spelled_out(exports: Path) -> None:
    """It leaves them as they are, and no runtime loads that; the pivot has others."""
    model = pivot.load(str(exports / "unknown"), trust_code=False)
    image = np.random.default_rng(0).normal(size=(1, 8, 8, 3)).astype(np.float32)
    gap, floor = pivot.fidelity_gap(model, [{"image": image}])

    assert model.refusal is None
    assert gap <= floor
