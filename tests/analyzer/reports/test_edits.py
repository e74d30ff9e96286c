"""Edits as JSON, each kind in the schema's own terms."""

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from onnx import helper

from analyzer.core.report import Report
from analyzer.core.types import (
    AddOutput,
    Edit,
    Finding,
    Fix,
    InsertNode,
    RemoveNode,
    ReplaceRegion,
    Rewire,
    SetAttribute,
    SetConstant,
    SetOpset,
    SetType,
)
from analyzer.reports.edits import digest, edit_arrays, edit_lines, edit_object
from analyzer.reports.json_report import to_json

ONES = np.ones((2, 3), np.float32)
GRAPH = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "patch", [], [])
EDITS: tuple[Edit, ...] = (
    SetAttribute("conv", "pads", (0, 1, 0, 1)),
    SetAttribute("conv", "auto_pad", "VALID"),
    SetAttribute("conv", "alpha", float("nan")),
    SetAttribute("conv", "axis", None),
    SetAttribute("conv", "value", ONES),
    SetAttribute("conv", "raw", b"\x00\xff"),
    SetAttribute("loop", "body", GRAPH),
    SetConstant("conv", 1, ONES),
    InsertNode("x", "Clip", {"axis": 1}, {1: ONES[0], 2: ONES[1]}, (("conv", 0),)),
    RemoveNode("relu"),
    ReplaceRegion(("a", "b"), GRAPH, 18),
    Rewire("add", 1, "x"),
    SetOpset("", 18),
    SetType("x", "float32", (1, "N", None)),
    AddOutput("y", "float32", (1, None), 1),
)


@pytest.mark.parametrize("edit", EDITS, ids=range(len(EDITS)))
def test_every_edit_is_valid(
    root: Path, report: Callable[..., Report], finding: Callable[..., Finding], edit: Edit
) -> None:
    """Each kind of edit has its own form in the schema."""
    schema = json.loads((root / "analyzer/reports/report.schema.json").read_text())
    fixed = report(findings=(finding(fix=Fix("Mend it", (edit,))),))
    shown = json.loads(to_json(fixed))
    jsonschema.validate(shown, schema)

    assert shown["findings"][0]["fix"]["edits"][0]["type"] == type(edit).__name__


def test_arrays_are_kept_by_digest(
    report: Callable[..., Report], finding: Callable[..., Finding]
) -> None:
    """Every digest in the JSON is an array of edits.npz, with its dtype and shape."""
    fixed = report(findings=(finding(fix=Fix("Mend it", EDITS)),))
    arrays = edit_arrays(fixed)
    reference = edit_object(EDITS[7])["value"]

    assert reference == {"sha256": digest(ONES), "dtype": "float32", "shape": [2, 3]}
    assert np.array_equal(arrays[digest(ONES)], ONES)
    assert set(arrays) == set(digests(json.loads(to_json(fixed))["findings"]))


def digests(shown: object) -> list[str]:
    """Return every digest that a piece of JSON mentions."""
    match shown:
        case {"sha256": str(found)}:
            return [found]
        case dict():
            return [found for one in shown.values() for found in digests(one)]
        case list():
            return [found for one in shown for found in digests(one)]
        case _:
            return []


def test_a_digest_tells_dtype_and_shape_apart() -> None:
    """Eight zero bytes are not one array."""
    zeros = [np.zeros(2, np.float32), np.zeros(1, np.int64), np.zeros((2, 1), np.float32)]

    assert len({digest(array) for array in zeros}) == 3


def test_kept_edits_are_told_in_words(mended: Report) -> None:
    """A dry run shows each edit on one line, small arrays with their numbers."""
    assert edit_lines(mended) == (
        "  weight-differs: SetConstant node conv1, slot 1, value float32 [1.0, 1.0]",
    )


def test_edits_that_were_not_kept_are_not_shown(report: Callable[..., Report]) -> None:
    """A fix that nobody tried changes nothing."""
    assert edit_lines(report()) == ()
