"""report.json against the schema that ships with it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from analyzer.core.report import Report, Verdict
from analyzer.core.types import FaultClass, Finding, Status, Where
from analyzer.reports.json_report import to_json

MakeReport = Callable[..., Report]
MakeFinding = Callable[..., Finding]


@pytest.fixture(scope="module")
def schema(root: Path) -> dict[str, Any]:
    """The schema as it ships."""
    path = root / "analyzer" / "reports" / "report.schema.json"
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def reject(word: str) -> None:
    """Refuse what JSON does not have."""
    raise AssertionError(word)


def strict(text: str) -> dict[str, Any]:
    """Return parsed JSON, refusing NaN and infinity as bare words."""
    parsed: dict[str, Any] = json.loads(text, parse_constant=reject)
    return parsed


def test_the_schema_is_a_schema(schema: dict[str, Any]) -> None:
    """The shipped file is valid under its own draft, 2020-12."""
    jsonschema.Draft202012Validator.check_schema(schema)


def test_a_report_is_valid(report: MakeReport, schema: dict[str, Any]) -> None:
    """Every field of a report is where the schema wants it."""
    jsonschema.validate(strict(to_json(report())), schema)


def test_a_repairs_report_is_valid(mended: Report, schema: dict[str, Any]) -> None:
    """An outcome is part of a repair's report."""
    shown = strict(to_json(mended))
    jsonschema.validate(shown, schema)

    outcome = shown["findings"][0]["outcome"]
    attempts = outcome.pop("attempts")
    assert outcome == {
        "verdict": "kept",
        "reason": "the error of its region is gone",
        "error_before": 0.5,
        "error_after": 1e-7,
        "ablation": {"error_without": 0.5, "error_with": 1e-7},
    }
    assert [one["verdict"] for one in attempts] == [*["rejected"] * 3, "kept"]
    assert attempts[1] == {
        "titles": ["Restore a | b", "Restore c"],
        "edits": 3,
        "verdict": "rejected",
        "reason": "the error of its region stays at 0.5",
        "error_before": 0.5,
        "error_after": 0.5,
        "round": 1,
    }


def test_a_diffs_finding_has_no_outcome(report: MakeReport) -> None:
    """Nothing was tried, so the outcome is null."""
    assert strict(to_json(report()))["findings"][0]["outcome"] is None


def test_numbers_that_json_lacks_are_words(
    report: MakeReport, finding: MakeFinding, schema: dict[str, Any]
) -> None:
    """NaN and the infinities are strings, and valid."""
    odd = finding(
        local_error=float("inf"), noise_floor=float("nan"), output_error=float("-inf")
    )
    shown = strict(to_json(report(findings=(odd,))))
    jsonschema.validate(shown, schema)

    first = shown["findings"][0]
    assert (first["local_error"], first["noise_floor"], first["output_error"]) == (
        "Infinity",
        "NaN",
        "-Infinity",
    )


def test_every_word_of_the_vocabulary_is_allowed(
    report: MakeReport, finding: MakeFinding, schema: dict[str, Any]
) -> None:
    """Each class, status, place and verdict of the code is in the schema."""
    findings = [finding(fault_class=one) for one in FaultClass]
    findings += [finding(status=one) for one in Status]
    findings += [finding(where=one) for one in Where]

    for verdict in Verdict:
        shown = report(verdict=verdict, findings=tuple(findings))
        jsonschema.validate(strict(to_json(shown)), schema)


@pytest.mark.parametrize("place", [(), ("source",), ("coverage",), ("findings", 0)])
def test_unknown_fields_are_refused(
    report: MakeReport, schema: dict[str, Any], place: tuple[str | int, ...]
) -> None:
    """The schema is closed: a misspelt field is an error, not an extension."""
    shown: Any = strict(to_json(report()))
    spot = shown
    for step in place:
        spot = spot[step]
    spot["surprise"] = 1

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(shown, schema)


def test_a_missing_field_is_refused(report: MakeReport, schema: dict[str, Any]) -> None:
    """Every field is required: readers need not ask."""
    for name in strict(to_json(report())):
        shown = strict(to_json(report()))
        del shown[name]
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(shown, schema)


def test_a_report_is_the_same_every_time(report: MakeReport) -> None:
    """Rendering has no clock and no randomness."""
    assert to_json(report()) == to_json(report())
