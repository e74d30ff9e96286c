"""Every format and fault: a real file is broken, mended, and run in its own runtime.

The cells are those of ``benchmarks/writeback.py``, which builds the files with their own
frameworks and judges what was written with nothing of pivotfix. A few run each time, all of
them with ``PIVOTFIX_EVERY_CELL=1`` (``make test-all``).
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TABLE = Path(__file__).with_name("README.md")
FORMATS = (
    "float32.tflite", "int8.tflite", "float16.tflite", "dynamic.tflite", "model.onnx",
    "saved_model", "frozen.pb", "model.keras", "model.h5",
    "program.pt2", "script.pt", "weights.pt", "factory.py",
)  # fmt: skip
FAULTS = ("weight", "attribute", "activation", "padding", "missing", "extra", "layout")
ON_GRIDS = {"int8.tflite", "dynamic.tflite"}
SAMPLE = {(form, "weight") for form in ("int8.tflite", "model.onnx", "program.pt2")}
SAMPLE |= {("int8.tflite", "extra")}  # grids behind the operator were calibrated with it
"""Cells that run each time."""

Cell = tuple[str, str]
Rows = Callable[[str], dict[str, dict[str, object]]]


def cells() -> Iterator[Cell]:
    """Yield every format and fault."""
    for form in FORMATS:
        more = ("quantization",) if form in ON_GRIDS else ()
        yield from ((form, fault) for fault in (*FAULTS, *more))


def asked(form: str) -> list[str]:
    """Return the faults of a format that this run is about."""
    every = bool(os.environ.get("PIVOTFIX_EVERY_CELL"))
    return [
        fault for one, fault in cells() if one == form and (every or (one, fault) in SAMPLE)
    ]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """Return what the benchmark says of one format, by fault."""
    folder = tmp_path_factory.mktemp("writeback")

    @cache
    def of(form: str) -> dict[str, dict[str, object]]:
        results = folder / form
        words = ["--formats", form, "--faults", ",".join(asked(form))]
        subprocess.run(
            [sys.executable, ROOT / "benchmarks" / "writeback.py", *words,
             "--results", results],
            env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False, capture_output=True,
        )  # fmt: skip
        told = json.loads((results / "writeback.json").read_text(encoding="utf-8"))
        return {row["fault"]: row for row in told}

    return of


@pytest.mark.parametrize(("form", "fault"), list(cells()), ids="-".join)
def test_fault_is_mended(form: str, fault: str, rows: Rows) -> None:
    """What is written is of the target's own format, runs natively and is right."""
    if fault not in asked(form):
        pytest.skip("PIVOTFIX_EVERY_CELL=1 runs every cell")
    row = rows(form)[fault]

    assert row["verified"], row
    assert row["exit"] == 0
    assert row["way"] in {"in place", "exported anew"}


def test_every_cell_stands_in_the_table() -> None:
    """The table beside this file names each cell's test, and no other."""
    text = TABLE.read_text(encoding="utf-8")
    named = {
        line.split("|")[3].strip()
        for line in text.splitlines()
        if line.startswith("| ") and "test_w" in line
    }

    assert named == {
        f"`test_writeback.py::test_fault_is_mended[{a}-{b}]`" for a, b in cells()
    }
