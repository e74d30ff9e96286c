"""Real pairs by real converters are judged as cases/README.md says they should be."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from analyzer.core.errors import PivotfixError
from analyzer.core.options import Options
from analyzer.core.report import Report, Verdict
from analyzer.core.types import Finding, Status
from analyzer.diff import diff

CASES = Path(__file__).resolve().parent / "cases"
NATIVE_SOURCES = (".pt2", ".keras")

KNOWN_OPEN = {
    "61-tf2onnx1.17-onehot-negative": "its source is a frozen .pb, not read yet",
    "79-tflite2.21-int8-io-preprocessing": "quantized inputs are not read yet",
}
"""Pairs not judged right yet, and why; one that comes right must leave this list."""

CRASH_CLASSES = {"load_failure", "runtime"}
"""What a report may call a target that the ground truth says crashes."""


@dataclass(frozen=True, slots=True)
class Case:
    """A pair of files, its inputs, and what is known to be wrong with it."""

    name: str
    source: Path
    target: Path
    inputs: Path
    healthy: bool
    classes: frozenset[str]
    faulty: frozenset[str]

    @property
    def label(self) -> str:
        """The case's name and the format its source is read from."""
        return f"{self.name}{self.source.suffix}"


def cases() -> Iterator[Case]:
    """Yield every pair in ONNX form, and again from each native source that is read."""
    for folder in sorted(path.parent for path in CASES.glob("*/case.json")):
        onnx_form = folder / "source.onnx"
        natives = [folder / f"source{suffix}" for suffix in NATIVE_SOURCES]
        readable = [path for path in (onnx_form, *natives) if path.exists()]
        for source in readable or [folder / "source.pb"]:
            yield read(folder, source)


def read(folder: Path, source: Path) -> Case:
    """Return one case as its folder tells it."""
    truth = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    classes = {truth["fault_class"], *truth["fault_class_alternatives"]}
    if "crash" in classes:
        classes = classes - {"crash"} | CRASH_CLASSES
    return Case(
        name=folder.name,
        source=source,
        target=target_beside(folder, native=source.suffix == ".keras"),
        inputs=folder / "inputs.npz",
        healthy=truth["kind"] == "negative",
        classes=frozenset(classes),
        faulty=frozenset(truth["faulty_target_nodes"]),
    )


def target_beside(folder: Path, *, native: bool) -> Path:
    """Return the conversion to judge: the ``.tflite`` where a Keras source has one."""
    onnx_form, lite = folder / "target.onnx", folder / "target.tflite"
    return lite if lite.exists() and (native or not onnx_form.exists()) else onnx_form


def as_parameter(case: Case) -> object:
    """Return a case for pytest; one known to be open must fail, without a traceback."""
    reason = KNOWN_OPEN.get(case.name)
    if reason is None:
        return pytest.param(case, id=case.label)
    handled = (AssertionError, PivotfixError)
    return pytest.param(
        case, id=case.label, marks=pytest.mark.xfail(raises=handled, reason=reason)
    )


def judged(case: Case) -> Report:
    """Return what the analysis says about a case, on the case's own inputs."""
    return diff(str(case.source), str(case.target), options=Options(inputs=case.inputs))


def faults(report: Report) -> tuple[Finding, ...]:
    """Return the findings that make a pair divergent."""
    return tuple(finding for finding in report.findings if finding.status is Status.FAULT)


def summary(report: Report) -> str:
    """Return what a report found, for the message of a failed assertion."""
    rows = [
        f"{item.rule} {item.target_tensors}: {item.message}" for item in report.findings
    ]
    return "\n".join([f"verdict: {report.verdict}", *rows])


EVERY = tuple(cases())
HEALTHY = [as_parameter(case) for case in EVERY if case.healthy]
FAULTY = [as_parameter(case) for case in EVERY if not case.healthy]


@pytest.mark.parametrize("case", HEALTHY)
def test_healthy_conversion_is_equivalent(case: Case) -> None:
    """A conversion known to be right raises no false alarm."""
    report = judged(case)

    assert report.verdict is Verdict.EQUIVALENT, summary(report)
    assert faults(report) == (), summary(report)


@pytest.mark.parametrize("case", FAULTY)
def test_faulty_conversion_is_localized(case: Case) -> None:
    """The first finding names a tensor at the root of the known fault, and its class."""
    report = judged(case)

    assert report.verdict is Verdict.DIVERGENT, summary(report)
    first, *_ = faults(report)
    assert case.faulty & {*first.target_tensors, *first.target_nodes}, summary(report)
    assert first.fault_class.value in case.classes, summary(report)


def test_every_open_case_exists() -> None:
    """A case that is renamed or removed leaves the list of open ones too."""
    assert KNOWN_OPEN.keys() <= {case.name for case in EVERY}
