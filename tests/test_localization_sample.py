"""A small fixed sample of the localization benchmark: healthy pairs silent, faults named.

The whole of it is ``python benchmarks/localization.py``; this takes the sources that need
no framework to be built, and seeds that stay the same.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = "if,loop"
SEEDS = "0-3"


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    """Return what the benchmark says about the sample."""
    results = tmp_path_factory.mktemp("sample")
    subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "localization.py", "--sources", SOURCES,
         "--seeds", SEEDS, "--results", results, "--jobs", "1", "--time-limit", "2"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    told = json.loads((results / "localization.json").read_text(encoding="utf-8"))
    assert isinstance(told, dict)
    assert told["undone"] == 0
    return told


def test_healthy_pairs_raise_no_alarm(tables: dict[str, dict[str, object]]) -> None:
    """Nothing is called a fault where every conversion is right."""
    assert tables["healthy"]["pairs"]
    assert tables["healthy"]["misses"] == []


@pytest.mark.parametrize("lane", ["rules", "blind"])
def test_single_faults_are_named(tables: dict[str, dict[str, object]], lane: str) -> None:
    """The top finding is the guilty node, or its macro region."""
    assert tables[lane]["faults"]
    assert tables[lane]["misses"] == []


@pytest.mark.parametrize("lane", ["rules-many", "blind-many"])
def test_several_faults_are_told_apart(
    tables: dict[str, dict[str, object]], lane: str
) -> None:
    """Every root fault is found, and nothing else."""
    assert tables[lane]["pairs"]
    assert tables[lane]["misses"] == []
