"""What is mended in each format's own file? ``writeback.py [--formats A,B] [--faults C]``.

Builds a small network in every format, right and with one fault each, lets `repair` mend
the file against the right one, and runs what was written in the format's own runtime on
inputs that nobody has seen. Prints, for each cell, how it was written, the largest error
before and after, and the seconds; keeps the rows in ``results/writeback.json``.
"""

import argparse
import io
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np

import cli
from analyzer.frontends.child.client import warm_children

HERE = Path(__file__).resolve().parent
CACHE = HERE / ".cache" / "writeback"

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

GRID = 2.0
"""What the error of a rounded model may be of the right conversion's, as in the other
benchmarks: what it was calibrated on is not what it is judged on."""

Row = dict[str, object]


def sources() -> None:
    """Build every file, unless they are there as the scripts write them now."""
    for name in ("keras", "torch"):
        folder, script = CACHE / name, HERE / f"writeback_{name}.py"
        stamp, code = folder / "built", script.read_text(encoding="utf-8")
        if stamp.exists() and stamp.read_text(encoding="utf-8") == code:
            continue
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        subprocess.run([sys.executable, script, folder], check=True, capture_output=True)  # noqa: S603 - our own
        stamp.write_text(code, encoding="utf-8")


def rows(formats: Sequence[str], faults: Sequence[str]) -> Iterator[Row]:
    """Yield a row for each format and fault."""
    with warm_children():
        for form in (one for one in (*KERAS, *TORCH) if one in formats):
            asked = [one for one in faults if one != "quantization" or form in ON_GRIDS]
            yield from judged(form, {fault: repaired(form, fault) for fault in asked})


def repaired(form: str, fault: str) -> Row:
    """Return what one `repair` said, and what it wrote."""
    folder = CACHE / "out" / fault / form
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    target = CACHE / _family(form) / fault / form
    if form == "weights.pt":  # they are nothing without the code that they belong to
        for code in ("factory.py", "written.py"):
            shutil.copy(target.with_name(code), folder)
    out = folder / (form if target.suffix != ".py" else "mended.pt2")
    words = ["repair", _right(form), _typed(target), "-o", out, "--report", folder, "-q"]
    began, said = time.perf_counter(), io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        code = cli.main([*map(str, words), *_options(target)])
    row = {"exit": code, "seconds": time.perf_counter() - began}
    report = folder / "report.json"
    if not report.exists():
        return row | {"way": "refused", "said": said.getvalue()[-400:]}
    told = json.loads(report.read_text(encoding="utf-8"))
    way = told["written"]["way"] if told["written"] else "cannot"
    return row | {"way": way, "said": told["ended"], "out": str(_written(out))}


def _written(out: Path) -> Path:
    """Return the file that a repair wrote: as asked, or as ONNX."""
    return out if out.exists() else out.with_suffix(".onnx")


def _family(form: str) -> str:
    return "keras" if form in KERAS else "torch"


def _right(form: str) -> Path:
    """Return the source: the model before any conversion."""
    name = "model.keras" if form in KERAS else "program.pt2"
    return CACHE / _family(form) / "right" / name


def _typed(target: Path) -> str:
    return f"{target}:build" if target.suffix == ".py" else str(target)


def _options(target: Path) -> list[str]:
    if target.suffix == ".py":
        return ["--trust-code"]
    if target.name == "weights.pt":
        return ["--model", f"{target.parent / 'factory.py'}:build", "--trust-code"]
    return []


def judged(form: str, told: Mapping[str, Row]) -> Iterator[Row]:
    """Yield the rows of one format, what was written judged by the format's own runtime."""
    healthy = CACHE / _family(form) / "right" / form
    broken = {fault: CACHE / _family(form) / fault / form for fault in told}
    files = {fault: Path(str(row.get("out", ""))) for fault, row in told.items()}
    errors = _errors(form, [healthy, *broken.values(), *files.values()])
    expected, before = errors[0], dict(zip(told, errors[1:], strict=False))
    bound = max(FLOAT, GRID * expected)
    for (fault, row), after in zip(told.items(), errors[1 + len(told) :], strict=True):
        if before[fault] <= bound:
            raise SystemExit(f"{form}: {fault} changes nothing, so nothing can be mended")
        whole = {"error": after, "healthy": expected, "before": before[fault]}
        there = files[fault].suffix == broken[fault].suffix and files[fault].exists()
        grown = size(files[fault]) / size(broken[fault]) - 1 if there else None
        native = there or form == "factory.py"
        found = {"verified": native and after <= bound, "size": grown}
        done = {"format": form, "fault": fault, **row, **whole, **found}
        show(done)
        yield done


def _errors(form: str, files: Sequence[Path]) -> list[float]:
    """Return the relative error of each file against the source; infinity: it is none."""
    rng = np.random.default_rng(2026)
    shape = (SAMPLES, 16, 16, 3) if form in KERAS else (SAMPLES, 3, 16, 16)
    inputs, result = (CACHE / f"{form}.{one}" for one in ("npy", "npz"))
    np.save(inputs, rng.uniform(-1, 1, shape).astype(np.float32))
    judge = HERE / "writeback_outputs.py"
    command = [sys.executable, judge, inputs, result, _right(form), *files]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)  # noqa: S603 - our own
    with np.load(result) as found:
        right = found["0"]
        places = map(str, range(1, len(files) + 1))
        return [_off(right, found[one]) if one in found else np.inf for one in places]


def _off(right: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(other - right).max() / np.abs(right).max())


def size(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    files = path.rglob("*") if path.is_dir() else (path,)
    return sum(one.stat().st_size for one in files if one.is_file())


def show(row: Row) -> None:
    """Print one cell."""
    mark = "right" if row["verified"] else "WRONG" if row["exit"] == 0 else "not whole"
    grown = "" if row["size"] is None else f"  size {row['size']:+.2%}"
    said = "" if row["verified"] else f"  {row['said']}"
    print(
        f"{row['format']:16}{row['fault']:14}{row['way']:15}{mark:10}"
        f"error {row['error']:.1e} of {row['before']:.1e}, healthy {row['healthy']:.1e}"
        f"{grown}  {row['seconds']:.0f} s{said}",
        flush=True,
    )


def kept(table: Sequence[Row], path: Path) -> None:
    """Keep rows beside those of other cells."""
    old = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    cells = {(row["format"], row["fault"]): row for row in (*old, *table)}
    path.parent.mkdir(exist_ok=True)
    text = json.dumps(list(cells.values()), indent=1)
    path.write_text(f"{text}\n", encoding="utf-8")


def main() -> int:
    """Print the matrix and keep it; fail where a file was wrong and nobody said so."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--formats", default=",".join((*KERAS, *TORCH)))
    parser.add_argument("--faults", default=",".join(FAULTS))
    parser.add_argument("--results", type=Path, default=HERE / "results")
    asked = parser.parse_args()
    sources()
    table = list(rows(asked.formats.split(","), asked.faults.split(",")))
    kept(table, asked.results / "writeback.json")
    right = sum(bool(row["verified"]) for row in table)
    silent = [row for row in table if row["exit"] == 0 and not row["verified"]]
    print(
        f"verified in their own runtime: {right} of {len(table)}; "
        f"silent failures: {len(silent)}"
    )
    return 1 if silent else 0


if __name__ == "__main__":
    sys.exit(main())
