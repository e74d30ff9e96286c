"""Is a network the same in any two formats? ``format_pairs.py [--only A,B] [--sources A]``.

Writes the zoo's MobileNetV2 in every format that is read, opens each file once, compares
each with each as ``diff`` does, and prints the verdicts: a row for each source, a column
for each target. What is no *equivalent* without drift is told below. Each cell is written
down as it is known; with ``--kept``, those of earlier runs are not run anew.
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

RESULTS = HERE / "results" / "format_pairs.json"
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


Cells = dict[tuple[str, str], Row]
"""What was said of each pair, by source and target."""


def kept() -> Cells:
    """Return the cells of earlier runs, those that were refused left out."""
    rows = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else []
    return {(r["source"], r["target"]): r for r in rows if r["verdict"] != "refused"}


def keep(cells: Cells) -> None:
    """Write down what is known so far."""
    RESULTS.parent.mkdir(exist_ok=True)
    rows = json.dumps([*cells.values()], indent=1)
    RESULTS.write_text(f"{rows}\n", encoding="utf-8")


def main(asked: Sequence[str], sources: Sequence[str], folder: Path, known: Cells) -> Cells:
    """Print the table of some formats, a row for each source; return its cells.

    Args:
        asked: The formats, by their short names.
        sources: Those of them that get a row.
        folder: It holds a file of each.
        known: Cells that are not run anew.
    """
    cells = dict(known)
    with warm_children():
        pivots = dict(opened(folder, asked))
        pairs = [(one, two) for one in pivots if one in sources for two in pivots]
        print(f"{'':8}" + "".join(f"{form:>8}" for form in pivots))
        for source, target in pairs:
            if (source, target) not in cells:
                said = compared(pivots[source], pivots[target])
                cells[source, target] = {"source": source, "target": target, **said}
                keep(cells)
            begin = f"\n{source:8}" if target == next(iter(pivots)) else ""
            print(f"{begin}{mark(cells[source, target]):>8}", end="", flush=True)
    print()
    told = {pair: cells[pair] for pair in pairs}
    for row in told.values():
        if mark(row) not in "=~":
            print(row["source"], row["target"], row["verdict"], *row["told"], sep="\n   ")
    return told


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(FORMS))
    parser.add_argument("--sources", help="rows of the table; without it, all")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--kept", action="store_true", help="take what earlier runs said")
    given = parser.parse_args()
    only, rows = given.only.split(","), (given.sources or given.only).split(",")
    cells = main(only, rows, given.folder or written(), kept() if given.kept else {})
    sys.exit(not all(cell["verdict"] == "equivalent" for cell in cells.values()))
