"""A fault of the exporter that the source is imported by is found in what it exported."""

from collections.abc import Callable
from pathlib import Path

import pytest

from analyzer.core.options import Options
from analyzer.core.report import Verdict
from analyzer.core.types import Status, Where
from analyzer.diff import diff

HERE = Path(__file__).resolve().parent
FILE = HERE / "exporter_faults.py"
FAULTS = (
    "divisor_override",
    "divisor_of_volumes",
    "antialias_scaled",
    "antialias_corners",
    "scatter_mean",
    "remainder_of_infinity",
    "cumulative_logsumexp",
    "logaddexp",
    "log_sigmoid",
    "elu_scale",
)
OPTIONS = Options(samples=3, trust_code=True)


@pytest.fixture(scope="module")
def exports(build: Callable[..., Path]) -> Path:
    """A folder with what today's exporter makes of each module."""
    return build(FILE)


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.usefixtures("warm")
def test_fault_that_both_exports_share_is_found(exports: Path, name: str) -> None:
    """The source is judged by what torch computes; the guilty operator is named."""
    report = diff(f"{FILE}:{name}", str(exports / f"{name}.onnx"), options=OPTIONS)
    faults = [one for one in report.findings if one.status is Status.FAULT]

    assert report.verdict is Verdict.DIVERGENT
    assert faults
    assert {one.where for one in faults} == {Where.CONVERSION}


@pytest.mark.usefixtures("warm")
def test_importers_own_fault_is_told_and_harms_nobody(exports: Path) -> None:
    """Of a sound target only the operator's name remains, and the models are equivalent."""
    source = f"{FILE}:divisor_override"
    report = diff(source, str(exports / "divisor_override.pt2"), options=OPTIONS)
    told = [one for one in report.findings if one.where is not Where.CONVERSION]

    assert report.verdict is Verdict.EQUIVALENT
    assert {one.status for one in report.findings} <= {Status.HARMLESS}
    assert {one.where for one in told} == {Where.SOURCE_IMPORT, Where.TARGET_IMPORT}
    assert all("gets aten.avg_pool2d.default" in one.message for one in told)
    assert report.source.fidelity_gap is not None
    assert report.source.fidelity_gap < 1e-5


@pytest.mark.usefixtures("warm")
def test_fault_of_the_torchscript_exporter_is_found(exports: Path) -> None:
    """The module is recorded as the operators it runs, and judged by these."""
    paths = str(exports / "traced.pt"), str(exports / "traced.onnx")
    report = diff(*paths, options=OPTIONS)
    faults = [one for one in report.findings if one.status is Status.FAULT]

    assert report.verdict is Verdict.DIVERGENT
    assert {one.where for one in faults} == {Where.CONVERSION}
    assert report.source.fidelity_gap is not None
    assert report.source.fidelity_gap < 1e-5


@pytest.mark.usefixtures("warm")
def test_sound_torchscript_is_blamed_for_nothing(exports: Path) -> None:
    """Both pivots were wrong, and neither is used."""
    paths = str(exports / "traced.pt"), str(exports / "scripted.pt")
    report = diff(*paths, options=OPTIONS)

    assert report.verdict is Verdict.EQUIVALENT
    assert {one.status for one in report.findings} <= {Status.HARMLESS}
