"""A small fixed sample of the localization benchmark: healthy pairs silent, faults named.

The whole of it is ``python benchmarks/localization.py``; this takes the sources that need
no framework to be built, and seeds that stay the same.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ZOO = ROOT / "benchmarks" / ".cache" / "sample"
"""A zoo of its own: the pairs that a seed draws depend on what there is to draw from."""

SOURCES = "detection,if,loop"
CONVERSIONS = "ort-basic,ort-extended,opset-up,renamed"
SEEDS = "0-2"

KNOWN_OPEN: dict[str, str] = {
    "blind:2:5": "a branch's condition that has no shape is told with the tensor beside it",
}
"""Rows that may be judged wrong so far, and why."""


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    """Return what the benchmark says about the sample."""
    results = tmp_path_factory.mktemp("sample")
    subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "localization.py", "--sources", SOURCES,
         "--conversions", CONVERSIONS, "--seeds", SEEDS, "--results", results,
         "--jobs", "2", "--time-limit", "15"],
        env=os.environ | {"PIVOTFIX_ZOO": str(ZOO)}, check=True, capture_output=True,
    )  # fmt: skip
    told = json.loads((results / "localization.json").read_text(encoding="utf-8"))
    assert isinstance(told, dict)
    assert told["undone"] == 0
    return told


def missed(lane: dict[str, object]) -> set[str]:
    """Return the rows of a lane that were judged wrong."""
    misses = lane["misses"]
    assert isinstance(misses, list)
    return {row["key"] for row in misses}


def test_healthy_pairs_raise_no_alarm(tables: dict[str, dict[str, object]]) -> None:
    """Nothing is called a fault where every conversion is right."""
    assert tables["healthy"]["pairs"]
    assert missed(tables["healthy"]) == set()


@pytest.mark.parametrize("lane", ["rules", "blind"])
def test_single_faults_are_named(tables: dict[str, dict[str, object]], lane: str) -> None:
    """The top finding is the guilty node, or its macro region."""
    assert tables[lane]["faults"]
    assert missed(tables[lane]) <= KNOWN_OPEN.keys()


@pytest.mark.parametrize("lane", ["rules-many", "blind-many"])
def test_several_faults_are_told_apart(
    tables: dict[str, dict[str, object]], lane: str
) -> None:
    """Every root fault is found, and nothing else."""
    assert tables[lane]["pairs"]
    assert missed(tables[lane]) <= KNOWN_OPEN.keys()
