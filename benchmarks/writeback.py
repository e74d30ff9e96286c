"""What is mended in each format's own file? ``writeback.py [--formats A,B] [--faults C]``.

Builds a small network in every format, right and with one fault each, lets `repair` mend
the file against the right one, and runs what was written in the format's own runtime on
inputs that nobody has seen. Prints, for each cell, how it was written, the largest error
after, and the seconds; writes ``results/writeback.json``.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
CACHE = HERE / ".cache" / "writeback"
CLI = HERE.parent / "cli.py"

KERAS = (
    "model.keras", "model.h5", "saved_model", "frozen.pb",
    "float32.tflite", "float16.tflite", "dynamic.tflite", "int8.tflite",
)  # fmt: skip
TORCH = ("program.pt2", "script.pt", "weights.pt", "factory.py", "model.onnx")
ON_GRIDS = ("dynamic.tflite", "int8.tflite")
FAULTS = (
    "weight", "attribute", "activation", "padding",
    "quantization", "missing", "extra", "layout",
)  # fmt: skip
SAMPLES = 16
FLOAT = 1e-5
"""Relative error up to which a float model is the right one: float32 has 1.2e-7 a step,
and a dozen layers in another order add up."""

GRID = 1.5
"""What the error of a rounded model may be of the right conversion's, on inputs that
neither was calibrated on."""

LIMIT = 600.0

Row = dict[str, object]


def sources() -> None:
    """Build every file, unless they are there."""
    for name in ("keras", "torch"):
        folder = CACHE / name
        done = folder / "built"
        if done.exists():
            continue
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        script = HERE / f"writeback_{name}.py"
        subprocess.run([sys.executable, script, folder], check=True, capture_output=True)  # noqa: S603 - our own
        done.touch()


def rows(formats: Sequence[str], faults: Sequence[str]) -> Iterator[Row]:
    """Yield a row for each format and fault."""
    for form in (one for one in (*KERAS, *TORCH) if one in formats):
        family = "keras" if form in KERAS else "torch"
        healthy = CACHE / family / "right" / form
        for fault in faults:
            target = CACHE / family / fault / form
            if fault == "quantization" and form not in ON_GRIDS:
                continue
            row = {"format": form, "fault": fault, **cell(healthy, target)}
            show(row)
            yield row


def cell(healthy: Path, target: Path) -> Row:
    """Return what came of one repair, judged in the format's own runtime."""
    folder = CACHE / "out" / target.parent.name / target.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    out = folder / (target.name if target.suffix != ".py" else "mended.pt2")
    right = _right(healthy)
    began = time.perf_counter()
    command = [sys.executable, CLI, "repair", right, _typed(target), "-o", out]
    ended = subprocess.run(  # noqa: S603 - our own
        [*map(str, command), "--report", str(folder), *_options(target)],
        capture_output=True, text=True, check=False, timeout=LIMIT,
    )  # fmt: skip
    seconds = time.perf_counter() - began
    report = folder / "report.json"
    if not report.exists():
        return {"way": "refused", "said": ended.stderr[-400:], "seconds": seconds}
    told = json.loads(report.read_text(encoding="utf-8"))
    written = told["written"]
    way = written["way"] if written else "cannot"
    row = {"way": way, "exit": ended.returncode, "seconds": seconds, "said": told["ended"]}
    if written is None or not out.exists():
        return row
    before = target if target.suffix != ".py" else out
    error, expected = judged(healthy, out)
    verified = error <= max(FLOAT, GRID * expected)
    return row | {
        "error": error, "healthy": expected, "verified": verified,
        "size": size(out) / size(before) - 1,
    }  # fmt: skip


def _right(healthy: Path) -> str:
    """Return the source: the model before any conversion."""
    if healthy.name in KERAS:
        return str(healthy.parent / "model.keras")
    return str(healthy.parent / "program.pt2")


def _typed(target: Path) -> str:
    return f"{target}:build" if target.suffix == ".py" else str(target)


def _options(target: Path) -> list[str]:
    if target.suffix == ".py":
        return ["--trust-code"]
    if target.name == "weights.pt":
        return ["--model", f"{target.parent / 'factory.py'}:build", "--trust-code"]
    return []


def judged(healthy: Path, out: Path) -> tuple[float, float]:
    """Return the relative error of what was written, and of the right file like it."""
    right = Path(_right(healthy))
    rng = np.random.default_rng(2026)
    shape = (SAMPLES, 16, 16, 3) if healthy.name in KERAS else (SAMPLES, 3, 16, 16)
    inputs, result = out.parent / "inputs.npy", out.parent / "outputs.npz"
    np.save(inputs, rng.uniform(-1, 1, shape).astype(np.float32))
    command = [
        sys.executable,
        HERE / "writeback_outputs.py",
        inputs,
        result,
        right,
        healthy,
        out,
    ]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)  # noqa: S603 - our own
    with np.load(result) as found:
        if "2" not in found:
            return float("inf"), 0.0
        scale = np.abs(found["0"]).max()
        errors = [
            float(np.abs(found[one] - found["0"]).max() / scale) for one in ("2", "1")
        ]
    return errors[0], errors[1]


def size(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    files = path.rglob("*") if path.is_dir() else (path,)
    return sum(one.stat().st_size for one in files if one.is_file())


def show(row: Row) -> None:
    """Print one cell."""
    head = f"{row['format']:16}{row['fault']:14}{row['way']:14}"
    if "error" not in row:
        print(f"{head}{str(row.get('said', ''))[:120]}", flush=True)
        return
    mark = "right" if row["verified"] else "WRONG" if row["exit"] == 0 else "not whole"
    print(
        f"{head}{mark}  error {row['error']:.1e} (healthy {row['healthy']:.1e})"
        f"  size {row['size']:+.2%}  {row['seconds']:.0f} s",
        flush=True,
    )


def main() -> int:
    """Print the matrix and write it; fail where a file was wrong and nobody said so."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--formats", default=",".join((*KERAS, *TORCH)))
    parser.add_argument("--faults", default=",".join(FAULTS))
    asked = parser.parse_args()
    sources()
    table = list(rows(asked.formats.split(","), asked.faults.split(",")))
    path = HERE / "results" / "writeback.json"
    path.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    right = sum(bool(row.get("verified")) for row in table)
    silent = [row for row in table if row.get("exit") == 0 and not row.get("verified")]
    print(
        f"verified in their own runtime: {right} of {len(table)}; "
        f"silent failures: {len(silent)}"
    )
    return 1 if silent else 0


if __name__ == "__main__":
    sys.exit(main())
