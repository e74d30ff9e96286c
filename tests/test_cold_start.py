"""A pair of ONNX files never waits for a framework to be imported."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {
    "ai_edge_litert", "keras", "onnx_ir", "onnxscript", "onnxsim", "scipy", "sklearn",
    "tensorflow", "tf2onnx", "torch",
}  # fmt: skip
EAGER = HEAVY | {"networkx", "onnxruntime", "onnx_graphsurgeon"}
"""What even an installed runtime costs must wait until a model is there to read."""

UNUSED = {
    "analyzer.search",
    "analyzer.latent",
    "analyzer.observer",
    "rules",
    "rich.progress",
}
"""What only a pair that differs needs, or somebody who watches."""

PROBE = """
import json, sys
import cli
try:
    code = cli.main(sys.argv[1:])
except SystemExit as finished:
    code = finished.code
print(json.dumps({"code": code or 0, "modules": sorted(sys.modules)}))
"""


def modules(root: Path, folder: Path, *words: str | Path) -> set[str]:
    """Return the modules that one command imported, once it has succeeded."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *map(str, words)],
        cwd=folder, env={"PYTHONPATH": str(root), "HOME": str(folder)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["code"] == 0, done.stdout
    return set(told["modules"])


def imported(root: Path, folder: Path, *words: str | Path) -> set[str]:
    """Return the top-level packages that one command imported, once it has succeeded."""
    return {name.partition(".")[0] for name in modules(root, folder, *words)}


@pytest.mark.parametrize("words", [("--help",), ("diff", "--help")])
def test_help_imports_no_runtime(
    root: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """Asking for help loads neither a framework nor the ONNX runtime."""
    assert imported(root, tmp_path, *words) & EAGER == set()


def test_onnx_pair_imports_no_framework(root: Path, tmp_path: Path) -> None:
    """A diff of two ONNX files loads no framework, no exporter and no optimizer."""
    healthy = root / "tests" / "cases" / "94-neg-tf2onnx1.17-keras-nhwc-nchw"
    pair = (healthy / "source.onnx", healthy / "target.onnx")

    assert imported(root, tmp_path, "diff", *pair) & HEAVY == set()


def test_pair_that_agrees_imports_no_search(root: Path, tmp_path: Path) -> None:
    """What finds and explains faults waits until there is one."""
    healthy = root / "tests" / "cases" / "94-neg-tf2onnx1.17-keras-nhwc-nchw"
    pair = (healthy / "source.onnx", healthy / "target.onnx")

    assert modules(root, tmp_path, "diff", *pair) & UNUSED == set()
