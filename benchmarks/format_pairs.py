"""Is a network the same in any two formats? ``format_pairs.py [--only A,B] [--sources A]``.

Writes the zoo's MobileNetV2 in every format that is read, opens each file once, compares
each with each as ``diff`` does, and prints the verdicts: a row for each source, a column
for each target. What is no *equivalent* without drift is told below.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from frameworks import HERE, ran
from zoo import CACHE

from analyzer.core.errors import PivotfixError
from analyzer.core.report import Report
from analyzer.core.types import Pivot
from analyzer.diff import analyse_pivots
from analyzer.frontends.child.client import warm_children
from analyzer.frontends.hints import Hints
from analyzer.integer_ends import with_float_ends
from analyzer.pivot import load
from rules.discovery import all_rules

FORMS = {
    "onnx": "model.onnx",
    "keras": "model.keras",
    "h5": "model.h5",
    "saved": "saved_model",
    "pb": "frozen.pb",
    "lite": "float32.tflite",
    "lite16": "float16.tflite",
    "lite8w": "dynamic.tflite",
    "lite8": "int8.tflite",
    "pt2": "program.pt2",
    "script": "script.pt",
    "weights": "weights.pt",
    "module": "factory.py:factory",
    "jax": "jax_function.py:factory",
}
"""Each format's file, by what the table calls it: ``lite8w`` has weights of eight bits."""

SHORT = {"equivalent": "=", "divergent": "X", "inconclusive": "?"}
Row = dict[str, object]


def written() -> Path:
    """Return the folder with the network in every format; build it unless it is there."""
    folder = CACHE.parent / "formats" / "every"
    if not (folder / "built").exists():
        folder.mkdir(parents=True, exist_ok=True)
        if ran(HERE / "formats_all.py", folder):
            (folder / "built").touch()
    return folder


def opened(folder: Path, forms: Sequence[str]) -> Iterator[tuple[str, Pivot]]:
    """Yield each format with its file's pivot; one that is not read is told."""
    hints = Hints(model=f"{folder / 'factory.py'}:factory")
    for form in forms:
        try:
            yield form, load(f"{folder}/{FORMS[form]}", trust_code=True, hints=hints)
        except PivotfixError as surprise:
            print(f"{form}: {surprise}")


def compared(source: Pivot, target: Pivot) -> Row:
    """Return what `diff` says of a pair, and the processor seconds of this process."""
    began = time.process_time()
    try:
        pair = with_float_ends(source, target)
        report = analyse_pivots(*pair, rules=partial(all_rules, None)).report
    except PivotfixError as surprise:
        return {"verdict": "refused", "told": [str(surprise)]}
    seconds = round(time.process_time() - began, 2)
    return {"verdict": report.verdict, "told": list(told(report)), "seconds": seconds}


def told(report: Report) -> list[str]:
    """Return what a verdict rests on: findings, outputs, and what was not compared."""
    said = [
        f"{one.status} {one.rule} at {', '.join(one.target_nodes[:2])}"
        for one in report.findings
        if one.status != "harmless"
    ]
    beyond = [f"{one.target}: {one.relative_error:.1e}" for one in report.outputs]
    skipped = [f"{one.what}: {one.why}" for one in report.coverage.not_compared]
    return [*said, *beyond, *skipped]


def mark(row: Row) -> str:
    """Return a verdict as a cell shows it; ``~`` where drift is all there is."""
    short = SHORT.get(str(row["verdict"]), "!")
    drifts = any(str(one).startswith("drift") for one in row["told"])
    return "~" if short == "=" and drifts else short


def main(asked: Sequence[str], sources: Sequence[str], folder: Path) -> list[Row]:
    """Print the table of some formats, a row for each source; return its cells."""
    rows: list[Row] = []
    with warm_children():
        pivots = dict(opened(folder, asked))
        print(f"{'':8}" + "".join(f"{form:>8}" for form in pivots))
        for source in (form for form in pivots if form in sources):
            print(f"{source:8}", end="")
            for target, right in pivots.items():
                said = compared(pivots[source], right)
                row = {"source": source, "target": target, **said}
                rows.append(row)
                print(f"{mark(row):>8}", end="", flush=True)
            print()
    for row in rows:
        if mark(row) not in "=~":
            print(row["source"], row["target"], row["verdict"], *row["told"], sep="\n   ")
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(FORMS))
    parser.add_argument("--sources", help="rows of the table; without it, all")
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    only, rows = given.only.split(","), (given.sources or given.only).split(",")
    cells = main(only, rows, given.folder or written())
    path = HERE / "results" / "format_pairs.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(cells, indent=1) + "\n", encoding="utf-8")
    sys.exit(not all(cell["verdict"] == "equivalent" for cell in cells))
