"""The command line as a user meets it: words, streams, exit codes."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import jsonschema
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import cli

WEIGHT = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)


@pytest.fixture
def model(tmp_path: Path) -> Callable[..., str]:
    """A function that writes a small network and returns its path."""

    def written(name: str, *, scale: float = 1.0, batch: int | str = 1) -> str:
        nodes = [
            helper.make_node("MatMul", ["x", "w"], ["product"], "matmul"),
            helper.make_node("Add", ["product", "b"], ["sum"], "add"),
            helper.make_node("Relu", ["sum"], ["y"], "relu"),
        ]
        weights = [
            numpy_helper.from_array(WEIGHT * scale, "w"),
            numpy_helper.from_array(np.full(4, 0.5, np.float32), "b"),
        ]
        ends = [
            helper.make_tensor_value_info(end, TensorProto.FLOAT, [batch, size])
            for end, size in (("x", 3), ("y", 4))
        ]
        graph = helper.make_graph(nodes, "tiny", ends[:1], ends[1:], weights)
        opsets = [helper.make_opsetid("", 18)]
        path = tmp_path / name
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
        return str(path)

    return written


@pytest.fixture
def pair(model: Callable[..., str]) -> tuple[str, str]:
    """A source and a target whose weight is not the source's."""
    return model("a.onnx"), model("b.onnx", scale=1.5)


def test_a_copy_is_equivalent(
    model: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A model and its copy: exit 0, and the verdict is the first word."""
    code = cli.main(["diff", model("a.onnx"), model("b.onnx")])

    assert code == 0
    assert capsys.readouterr().out.startswith("equivalent: b.onnx computes what a.onnx")


def test_a_broken_copy_is_divergent(
    pair: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A changed weight: exit 1, one root fault."""
    code = cli.main(["diff", *pair])

    assert code == 1
    assert "divergent: b.onnx is not a.onnx: 1 root fault" in capsys.readouterr().out


def test_exit_zero_only_changes_the_code(
    pair: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """--exit-zero still says divergent."""
    code = cli.main(["diff", *pair, "--exit-zero"])

    assert code == 0
    assert capsys.readouterr().out.startswith("divergent")


def test_the_report_folder_is_made(
    root: Path, pair: tuple[str, str], tmp_path: Path
) -> None:
    """--report DIR writes a valid report.json, whatever is shown."""
    cli.main(["diff", *pair, "--report", str(tmp_path / "deep" / "out"), "-q"])

    shown = json.loads((tmp_path / "deep" / "out" / "report.json").read_text())
    schema = json.loads((root / "analyzer/reports/report.schema.json").read_text())
    jsonschema.validate(shown, schema)
    assert (shown["command"], shown["verdict"]) == ("diff", "divergent")


def test_json_stands_alone_on_standard_output(
    pair: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """--format json can be piped: nothing else is printed there."""
    cli.main(["diff", *pair, "--format", "json"])

    assert json.loads(capsys.readouterr().out)["verdict"] == "divergent"


def test_two_formats_want_a_folder(
    pair: tuple[str, str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Terminal and JSON do not share one stream."""
    both = ["--format", "json", "--format", "terminal"]

    assert cli.main(["diff", *pair, *both]) == 2
    assert "--report DIR" in capsys.readouterr().err
    assert cli.main(["diff", *pair, *both, "--report", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().out.startswith("divergent")


def test_a_tolerance_replaces_the_noise_floor(pair: tuple[str, str]) -> None:
    """--rtol never decides what is a root fault: the pair stays divergent."""
    assert cli.main(["diff", *pair, "--rtol", "y:0.9", "-q"]) == 1


def test_own_inputs_are_used(
    pair: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """--inputs is counted in the report."""
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(0).random((5, 1, 3)))
    cli.main(["diff", *pair, "--inputs", str(tmp_path / "x.npz")])

    assert "probes: 5 npz samples" in capsys.readouterr().out


def test_repair_writes_what_computes_the_same(
    pair: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The mended file is equivalent, and the user's own two are untouched."""
    before = [Path(path).read_bytes() for path in pair]
    out = tmp_path / "mended.onnx"

    assert cli.main(["repair", *pair, "-o", str(out)]) == 0
    assert f"written: {out}" in capsys.readouterr().out
    assert cli.main(["diff", pair[0], str(out)]) == 0
    assert [Path(path).read_bytes() for path in pair] == before


def test_a_dry_run_shows_the_edits_and_writes_nothing(
    pair: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """--dry-run needs no OUT and leaves the folder as it was."""
    before = sorted(tmp_path.iterdir())

    assert cli.main(["repair", *pair, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "SetConstant node matmul, slot 1, value float32 of shape [3, 4]" in said
    assert said.endswith("nothing is written\n")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "words",
    [
        ["diff", "absent.onnx", "{b}"],
        ["diff", "{a}", "{b}", "--rtol", "much"],
        ["diff", "{a}", "{b}", "--samples", "0"],
        ["diff", "{a}", "{b}", "--val-range", "x"],
        ["diff", "{a}", "{b}", "--val-range", "z:[0,1]"],
        ["diff", "{a}", "{b}", "--input-shapes", "x:[1,9]"],
        ["diff", "{a}", "{b}", "--inputs", "absent.npz"],
        ["diff", "{a}", "{b}", "--format", "html"],
        ["diff", "{a}"],
        ["diff", "{a}", "{b}", "--samp", "3"],
        ["repair", "{a}", "{b}"],
        ["repair", "{a}", "{b}", "-o", "{b}"],
        ["repair", "{a}", "{b}", "-o", "{a}", "--force"],
        ["inspect", "absent.onnx"],
        ["explain", "no-such-rule"],
        ["mend", "{a}", "{b}"],
        [],
    ],
    ids=range(17),
)
def test_a_mistake_is_one_message(
    pair: tuple[str, str], capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    """Object, surprise and next step on standard error, exit 2, no traceback."""
    typed = [word.format(a=pair[0], b=pair[1]) for word in words]

    assert cli.main(typed) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert re.fullmatch(r"pivotfix: .{10,}\n  next: .{5,}\n", said.err, re.DOTALL), said.err
    assert "Traceback" not in said.err


def test_inspect_shows_inputs_and_operators(
    pair: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A model's pivot is told in a few lines."""
    assert cli.main(["inspect", pair[0]]) == 0
    said = capsys.readouterr().out
    assert "a.onnx: onnx, pivot of 3 nodes" in said
    assert "input x: float32 [1, 3]" in said
    assert "operators: MatMul 1, Add 1, Relu 1" in said


def test_inspect_emits_mlir(
    pair: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The pivot itself, operator by operator, and nothing else."""
    assert cli.main(["inspect", pair[0], "--emit", "mlir"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("module {\n")
    assert 'torch.operator "onnx.MatMul"' in said


def test_every_listed_rule_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    """What `rules` lists, `explain` explains: cause, evidence, repair."""
    assert cli.main(["rules"]) == 0
    lines = capsys.readouterr().out.splitlines()
    listed = [line.split()[0] for line in lines if line and not line.endswith(":")]

    assert len(listed) > 6
    for slug in listed:
        assert cli.main(["explain", slug]) == 0
        said = capsys.readouterr().out
        assert said.startswith(f"{slug} (")
        assert all(heading in said for heading in ("Cause", "Evidence", "Repair"))


def test_a_misspelt_rule_has_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    """The nearest rule is named."""
    cli.main(["explain", "weigth-differs"])

    assert "did you mean weight-differs" in capsys.readouterr().err


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """--help names the six commands and the exit codes."""
    with pytest.raises(SystemExit) as finished:
        cli.main(["--help"])

    said = capsys.readouterr().out
    assert finished.value.code == 0
    assert all(
        name in said for name in ("diff", "repair", "demo", "inspect", "explain", "rules")
    )
    assert "3 inconclusive" in said


def test_a_closed_pipe_is_no_traceback(root: Path, pair: tuple[str, str]) -> None:
    """``... | head -0`` ends the program without noise."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as closed:
        done = subprocess.run(
            [sys.executable, root / "cli.py", "diff", *pair], stdout=closed,
            stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip

    assert done.returncode == 141
    assert done.stderr == ""


def test_an_interrupt_is_one_line(root: Path, model: Callable[..., str]) -> None:
    """Ctrl-C says so and ends with 130."""
    waiting = (
        "import cli, sys, signal, os\n"
        "import analyzer.loading\n"
        "analyzer.loading.load = lambda *_, **__: os.kill(os.getpid(), signal.SIGINT)\n"
        f"sys.exit(cli.main(['diff', {model('a.onnx')!r}, {model('b.onnx')!r}]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", waiting], env=os.environ | {"PYTHONPATH": str(root)},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert done.returncode == 130
    assert done.stderr == "pivotfix: interrupted\n"


STAGES = (
    "analyzer.loading.load", "analyzer.prepared.draw", "analyzer.diff.native_runs",
    "analyzer.comparison.agreement", "analyzer.diff.verdict_of",
    "analyzer.reports.files.to_json",
)  # fmt: skip

INTERRUPTED_AT = """
import os, signal, sys
from importlib import import_module
import cli
stage, *words = sys.argv[1:]
module, _, name = stage.rpartition(".")
module = import_module(module)
real = getattr(module, name)
def interrupted(*given, **named):
    os.kill(os.getpid(), signal.SIGINT)
    return real(*given, **named)
setattr(module, name, interrupted)
sys.exit(cli.main(words))
"""


@pytest.mark.parametrize("stage", STAGES)
def test_an_interrupt_leaves_nothing(
    root: Path, model: Callable[..., str], tmp_path: Path, stage: str
) -> None:
    """Whatever is being done, Ctrl-C is one line and no file."""
    scratch, report = tmp_path / "scratch", tmp_path / "report"
    scratch.mkdir()
    words = ["diff", model("a.onnx"), model("b.onnx"), "--report", str(report)]
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_AT, stage, *words],
        env=os.environ | {"PYTHONPATH": str(root), "TMPDIR": str(scratch)},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert done.returncode == 130
    assert done.stderr == "pivotfix: interrupted\n"
    assert done.stdout == ""
    assert [*report.glob("*"), *report.glob(".*")] == []
    assert {path.name for path in scratch.iterdir()} <= {".ses"}  # importing onnxruntime


def test_an_ascii_terminal_is_no_traceback(root: Path, pair: tuple[str, str]) -> None:
    """What the terminal cannot show becomes a question mark."""
    done = subprocess.run(
        [sys.executable, root / "cli.py", "diff", *pair],
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("divergent")


def test_the_same_command_gives_the_same_report(
    pair: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Two runs differ in their timings and in nothing else."""
    shown = []
    for _ in range(2):
        cli.main(["diff", *pair, "--format", "json"])
        shown.append(json.loads(capsys.readouterr().out) | {"timings": {}})

    assert shown[0] == shown[1]
