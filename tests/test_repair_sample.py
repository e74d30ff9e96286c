"""A tiny sample of the repair benchmark: what is broken is mended, what is whole stays.

The whole of it is ``python benchmarks/faults.py``; this takes two sources that need no
framework to be built, and one seed.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BENCHMARKS = ROOT / "benchmarks"
ZOO = BENCHMARKS / ".cache" / "sample"
Table = dict[str, object]
KNOWN_OPEN = {
    "rules-many:4:0": "mended weights stay on eight bits, and the head picks other boxes",
}
"""Pairs that may not be repaired so far, and why."""


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Table]:
    """Return what the benchmark says about the sample."""
    results = tmp_path_factory.mktemp("sample")
    subprocess.run(
        [sys.executable, BENCHMARKS / "faults.py", "--sources", "detection,loop",
         "--conversions", "ort-basic,renamed", "--seeds", "4",
         "--results", results, "--jobs", "2", "--time-limit", "5"],
        env=os.environ | {"PIVOTFIX_ZOO": str(ZOO)}, check=True, capture_output=True,
    )  # fmt: skip
    told = json.loads((results / "faults.json").read_text(encoding="utf-8"))
    assert isinstance(told, dict)
    assert told["undone"] == 0
    return told


def test_healthy_pairs_are_left_alone(tables: dict[str, Table]) -> None:
    """What is written for a healthy pair is the target, byte by byte."""
    assert tables["healthy"]["pairs"]
    assert tables["healthy"]["misses"] == []


@pytest.mark.parametrize("lane", ["rules", "blind", "rules-many", "blind-many"])
def test_faults_are_mended(tables: dict[str, Table], lane: str) -> None:
    """Every pair gives on unseen inputs what the healthy one gives, and none is worse."""
    told = tables[lane]

    assert told["of"]
    assert told["worse"] == 0
    left = {row["key"] for row in told["misses"] if row["outcome"] != "repaired"}
    assert left <= KNOWN_OPEN.keys(), told["misses"]


def test_unseen_probes_are_of_the_kind_of_those_shown() -> None:
    """The seed that the zoo was drawn with gives its probes again, another one others."""
    script = """
import numpy as np
from probes import images, like
shown = images(4, 3, 8, seed=3, last=False)[:, None]
print(*(np.array_equal(like(shown, seed=one), shown) for one in (3, 5)))
"""
    said = subprocess.run(
        [sys.executable, "-c", script],
        cwd=BENCHMARKS, check=True, capture_output=True, text=True,
    )  # fmt: skip

    assert said.stdout.split() == ["True", "False"]
