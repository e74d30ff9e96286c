"""``report.json``: all a run found, for machines; ``report.schema.json`` describes it."""

import json
import math
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from analyzer.core.report import (
    Coverage,
    InputPair,
    ModelSummary,
    OutputPair,
    ProbeSummary,
    Report,
    Written,
)
from analyzer.core.types import Attempt, Finding, Fix, Outcome, Permutation
from analyzer.reports.edits import edit_object

SCHEMA = "pivotfix/report/1"
CONFIDENCE_DIGITS = 6


def to_json(report: Report) -> str:
    """Return the report as strict JSON: a non-finite number is a string that names it.

    Args:
        report: What a run found.
    """
    return json.dumps(_strict(as_object(report)), indent=2, allow_nan=False) + "\n"


def pairs_json(report: Report) -> str:
    """Return every tensor pair with its evidence as JSON that ``--pairs`` reads again.

    Args:
        report: What a run found.
    """
    rows = [
        {
            "source": pair.source,
            "target": pair.target,
            "permutation": _axes(pair.permutation),
            "confidence": round(pair.confidence, CONFIDENCE_DIGITS),
            "reasons": list(pair.reasons),
        }
        for pair in report.pairs
    ]
    lines = ",\n ".join(json.dumps(row, ensure_ascii=False) for row in rows)
    return f"[{lines}]\n"


def as_object(report: Report) -> dict[str, object]:
    """Return the report as ``report.json`` shows it, numbers still as they are.

    Args:
        report: What a run found.
    """
    return {
        "schema": SCHEMA,
        "tool": {"name": "pivotfix", "version": tool_version()},
        "command": report.command,
        "verdict": report.verdict.value,
        "ended": report.ended or None,
        "written": _written(report.written),
        "source": _model(report.source),
        "target": _model(report.target),
        "probe": _probe(report.probe),
        "inputs": [_input(pair) for pair in report.inputs],
        "outputs": [_output(pair) for pair in report.outputs],
        "findings": [_finding(finding) for finding in report.findings],
        "coverage": _coverage(report.coverage),
        "propagated": report.propagated,
        "timings": dict(report.timings),
        "versions": dict(report.versions),
    }


def tool_version() -> str:
    """Return pivotfix's own version, ``uninstalled`` in a bare clone."""
    try:
        return version("pivotfix")
    except PackageNotFoundError:
        return "uninstalled"


def _written(written: Written | None) -> dict[str, object] | None:
    if written is None:
        return None
    return {"path": written.path, "way": written.way, "changed": list(written.changed)}


def _model(model: ModelSummary) -> dict[str, object]:
    return {
        "path": model.path,
        "framework": model.framework,
        "sha256": model.sha256,
        "pivot": {"opset": model.opset, "nodes": model.nodes},
        "fidelity_gap": model.fidelity_gap,
    }


def _probe(probe: ProbeSummary) -> dict[str, object]:
    return {
        "kind": probe.kind,
        "samples": probe.samples,
        "seed": probe.seed,
        "groups": probe.groups,
    }


def _input(pair: InputPair) -> dict[str, object]:
    return {
        "source": pair.source,
        "target": pair.target,
        "permutation": _axes(pair.permutation),
        "why": pair.why,
    }


def _output(pair: OutputPair) -> dict[str, object]:
    return {
        "source": pair.source,
        "target": pair.target,
        "permutation": _axes(pair.permutation),
        "max_abs_error": pair.max_abs_error,
        "relative_error": pair.relative_error,
        "noise_floor": pair.noise_floor,
        "within": pair.within,
        "label_disagreement": pair.label_disagreement,
        "step": pair.step,
    }


def _axes(permutation: Permutation | None) -> list[int] | None:
    return None if permutation is None else list(permutation)


def _finding(finding: Finding) -> dict[str, object]:
    return {
        "id": finding.id,
        "rule": finding.rule,
        "fault_class": finding.fault_class.value,
        "status": finding.status.value,
        "where": finding.where.value,
        "confidence": finding.confidence,
        "source_nodes": list(finding.source_nodes),
        "target_nodes": list(finding.target_nodes),
        "source_tensors": list(finding.source_tensors),
        "target_tensors": list(finding.target_tensors),
        "native": {
            "source": finding.native_source,
            "target": finding.native_target,
            "location": finding.location,
        },
        "local_error": finding.local_error,
        "noise_floor": finding.noise_floor,
        "output_error": finding.output_error,
        "samples_affected": {"affected": finding.affected, "of": finding.samples},
        "message": finding.message,
        "fix": _fix(finding.fix),
        "outcome": _outcome(finding.outcome),
    }


def _fix(fix: Fix | None) -> dict[str, object] | None:
    if fix is None:
        return None
    return {
        "title": fix.title,
        "safety": fix.safety.value,
        "edits": [edit_object(edit) for edit in fix.edits],
    }


def _outcome(outcome: Outcome | None) -> dict[str, object] | None:
    if outcome is None:
        return None
    return {
        "verdict": outcome.verdict.value,
        "reason": outcome.reason,
        "error_before": outcome.error_before,
        "error_after": outcome.error_after,
        "attempts": [_attempt(one) for one in outcome.attempts],
        "ablation": _ablation(outcome.ablation),
    }


def _ablation(errors: tuple[float, float] | None) -> dict[str, float] | None:
    if errors is None:
        return None
    absent, present = errors
    return {"error_without": absent, "error_with": present}


def _attempt(attempt: Attempt) -> dict[str, object]:
    return {
        "titles": list(attempt.titles),
        "edits": attempt.edits,
        "verdict": attempt.verdict.value,
        "reason": attempt.reason,
        "error_before": attempt.error_before,
        "error_after": attempt.error_after,
        "round": attempt.round,
    }


def _coverage(coverage: Coverage) -> dict[str, object]:
    return {
        "pairs": coverage.pairs,
        "unpaired_source": list(coverage.unpaired_source),
        "unpaired_target": list(coverage.unpaired_target),
        "not_compared": [
            {"what": missed.what, "why": missed.why} for missed in coverage.not_compared
        ],
    }


def _strict(value: object) -> object:
    """Return a value in which every number is one that JSON has."""
    match value:
        case Mapping():
            return {str(name): _strict(one) for name, one in value.items()}
        case list() | tuple():
            return [_strict(one) for one in value]
        case bool() | int() | str() | None:
            return value
        case float():
            return float(value) if math.isfinite(value) else _word(value)
        case _:
            return _strict(getattr(value, "item")())  # noqa: B009 -- a NumPy scalar


def _word(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"
