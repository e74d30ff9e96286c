"""Real pairs by real converters are judged as cases/README.md says they should be."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from analyzer.core.errors import PivotfixError
from analyzer.core.options import Options
from analyzer.core.report import Report, Verdict
from analyzer.core.types import Array, Finding, Status
from analyzer.diff import diff
from analyzer.frontends.child.client import warm_children
from analyzer.pivot import load
from rewriter.repair import repair
from rules.discovery import all_rules

CASES = Path(__file__).resolve().parent / "cases"
NATIVE_SOURCES = (".pt2", ".keras", ".h5", ".pb")
KERAS = (".keras", ".h5")

KNOWN_OPEN = {
    "79-tflite2.21-int8-io-preprocessing": "by its own grid it is right",
}
"""Pairs not judged right yet, and why; one that comes right must leave this list."""

GIVEN = 4
"""Of the eight recorded samples, those the repair is given; it is judged by the others."""

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
    residual: float | None

    @property
    def label(self) -> str:
        """The case's name and the format its source is read from."""
        return f"{self.name}{self.source.suffix}"


def cases() -> Iterator[Case]:
    """Yield every pair in ONNX form, and again from each native source that is read."""
    for folder in sorted(path.parent for path in CASES.glob("*/case.json")):
        onnx_form = folder / "source.onnx"
        natives = [folder / f"source{suffix}" for suffix in NATIVE_SOURCES]
        for source in (path for path in (onnx_form, *natives) if path.exists()):
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
        target=target_beside(folder, native=source.suffix in KERAS),
        inputs=folder / "inputs.npz",
        healthy=truth["kind"] == "negative",
        classes=frozenset(classes),
        faulty=frozenset(truth["faulty_target_nodes"]),
        residual=truth["residual_max_abs_err"] if truth["repairable"] else None,
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


@pytest.fixture(scope="module", autouse=True)
def warm() -> Iterator[None]:
    """Start each framework once: its import takes longer than a case."""
    with warm_children():
        yield


EVERY = tuple(cases())
HEALTHY = [as_parameter(case) for case in EVERY if case.healthy]
REPAIRABLE = [
    pytest.param(case, id=case.label)
    for case in EVERY
    if case.residual is not None and case.name not in KNOWN_OPEN
]
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


@pytest.mark.parametrize("case", REPAIRABLE)
def test_repair_agrees_with_the_recorded_outputs(case: Case, tmp_path: Path) -> None:
    """What is written gives what the native source gave for inputs the repair never saw.

    Within twice the residual of the smallest edit that is known, or of the source itself in
    ONNX Runtime, where that sums in another order than its framework.
    """
    assert case.residual is not None
    given, out = tmp_path / "given.npz", tmp_path / "out.onnx"
    with np.load(case.inputs) as arrays:
        rows = dict(arrays)
    np.savez(given, **{name: each[:GIVEN] for name, each in rows.items()})

    report = repair(
        str(case.source), str(case.target), out,
        options=Options(inputs=given), rules=all_rules(),
    )  # fmt: skip

    assert report.verdict is Verdict.REPAIRED, summary(report)
    unseen = {name: each[GIVEN:] for name, each in rows.items()}
    assert apart(case, out, unseen) <= 2 * max(case.residual, importer(case, unseen))


NATIVE = [
    pytest.param(case, case.target.with_name(f"target{suffix}"), id=f"{case.label}{suffix}")
    for case in EVERY
    for suffix in (".tflite", ".pt")
    if case.residual is not None
    and case.name not in KNOWN_OPEN
    and case.target.with_name(f"target{suffix}").exists()
]
"""Repairable pairs with a target in a format of its own."""


@pytest.mark.parametrize(("case", "target"), NATIVE)
def test_native_target_is_repaired(case: Case, target: Path, tmp_path: Path) -> None:
    """A native target is mended in its own format, and right on unseen inputs."""
    assert case.residual is not None
    given, out = tmp_path / "given.npz", tmp_path / f"out{target.suffix}"
    with np.load(case.inputs) as arrays:
        rows = dict(arrays)
    np.savez(given, **{name: each[:GIVEN] for name, each in rows.items()})

    report = repair(
        str(case.source), str(target), out,
        options=Options(inputs=given), rules=all_rules(),
    )  # fmt: skip

    assert report.verdict is Verdict.REPAIRED, summary(report)
    unseen = {name: each[GIVEN:] for name, each in rows.items()}
    assert apart(case, out, unseen) <= 2 * max(case.residual, importer(case, unseen))


def importer(case: Case, rows: dict[str, Array]) -> float:
    """Return by how much the source's own ONNX form is off the recorded outputs."""
    form = case.source.with_suffix(".onnx")
    return apart(case, form, rows) if form.exists() else 0.0


def apart(case: Case, out: Path, rows: dict[str, Array]) -> float:
    """Return by how much a written file is off the recorded outputs of the last samples.

    Args:
        case: What it is the repair of.
        out: A model; it runs natively.
        rows: The last samples of each input, [samples, *shape of the input], by the name
            the recording gives it, or by its place.
    """
    model = load(str(out), trust_code=False)
    names = {value.name.partition(":")[0]: value.name for value in model.inputs}
    named = rows.keys() == names.keys()
    fed = [names[name] for name in rows] if named else list(names.values())
    with np.load(case.inputs.with_name("outputs.npz")) as arrays:
        expected = arrays["source_out0"][GIVEN:]
    observed = [
        next(iter(model.run_native(dict(zip(fed, sample, strict=True))).values()))
        for sample in zip(*rows.values(), strict=True)
    ]
    return float(np.abs(np.stack(observed) - expected).max())


def test_every_open_case_exists() -> None:
    """A case that is renamed or removed leaves the list of open ones too."""
    assert KNOWN_OPEN.keys() <= {case.name for case in EVERY}
