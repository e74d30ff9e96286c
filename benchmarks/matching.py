"""How truly and how widely models are paired: ``python benchmarks/matching.py``.

The truth is told by transformations that keep tensor names or write down what they rename;
every name is then replaced by a digest and the nodes are shuffled, so that the code under
test sees neither. Prints four tables and writes them to ``results/matching.json``: healthy
pairs, pairs with one to five faults and with a fault in the first layer, each kind of
evidence switched off in turn, and time against nodes with a plot beside the JSON.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path

from matching_rows import Row, Task, described, perform
from matching_tables import show, told
from pairs import derive
from scaling import SIZES, scaled
from zoo import FULL, NARROW, SOURCES, Source, build

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
TOLD = ("renamed", "ort-basic", "onnxscript", "onnxslim")
"""Transformations that record or keep tensor names; the first is the disguise alone."""

FAULTS = (0, 1, 2, 3, 4, 5, -1)
"""Faults put into a pair; -1: one in its first layer."""

SPOT = (0, 3, -1)
"""The same where a kind of evidence is switched off, and in networks of full size."""

LARGE = ("mobilenetv2-full", "resnet-full")
"""Networks of full size beside the narrow ones."""

KINDS = (
    "weights", "fingerprint", "structure before", "structure after", "neighbours", "names",
    "position", "values", "isolation",
)  # fmt: skip
PARTS = ("pairs", "evidence", "scaling")


def tasks(
    sources: Sequence[Source], seeds: Sequence[int], part: str, counts: Sequence[int]
) -> Iterator[Task]:
    """Yield what is to be analysed, source by source."""
    if part == "pairs":
        for source in sources:
            few = [count for count in counts if count in SPOT]
            yield from _of_pairs(source, seeds, few if source in FULL else counts)
    if part == "evidence":
        for source in (one for one in sources if one not in FULL):
            first = source.folder / f"{source.spellings[0]}.onnx"
            for kind in ("", *KINDS):
                for faults in SPOT:
                    yield Task(source.name, first, first, "renamed", faults, seeds[0], kind)


def _of_pairs(
    source: Source, seeds: Sequence[int], counts: Sequence[int]
) -> Iterator[Task]:
    for spelling in source.spellings:
        origin = source.folder / f"{spelling}.onnx"
        for kept in TOLD if origin.exists() else ():
            right = origin.with_name(f"{spelling}+{kept}.onnx")
            right = origin if kept == TOLD[0] else right
            for faults in counts if right.exists() else ():
                for seed in seeds if faults else seeds[:1]:
                    yield Task(source.name, origin, right, kept, faults, seed, "")


def performed(waiting: Sequence[Task], jobs: int) -> list[Row]:
    """Return the row of each task, done side by side.

    A broken model may take the runtime's whole process with it: what was running then is
    run again, each task alone, and what ends its process once more is a row that says so.
    """
    rows: list[Row] = []
    while waiting:
        done = _until_broken(waiting, jobs)
        rows += done
        suspects = waiting[len(done) : len(done) + jobs]
        waiting = waiting[len(done) + jobs :]
        rows += [_alone(task) for task in suspects]
    return rows


def _until_broken(waiting: Sequence[Task], jobs: int) -> list[Row]:
    """Return the rows of the first tasks, up to one whose process died."""
    context = get_context("spawn")
    rows: list[Row] = []
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        for future in [pool.submit(perform, task) for task in waiting]:
            try:
                rows.append(future.result())
                told(rows[-1])
            except BrokenProcessPool:
                break
    return rows


def _alone(task: Task) -> Row:
    rows = _until_broken([task], 1)
    if rows:
        return rows[0]
    died: Row = {**described(task), "crash": "its process died"}
    told(died)
    return died


def prepared(names: Iterable[str]) -> tuple[Source, ...]:
    """Return the sources asked for, built and put through what keeps names."""
    large = (SOURCES[name] for name in LARGE)
    asked = [SOURCES[name] for name in names] or [*NARROW, *large]
    built = tuple(source for source in asked if build(source))
    for source in built:
        derive(source, TOLD[1:])
    return built


def main(words: Sequence[str]) -> int:
    """Run what is asked for, print the tables, write them beside those of other parts."""
    sys.path.insert(0, str(HERE.parent))  # what is measured; worker processes inherit it
    asked = arguments(words)
    first, _, last = asked.seeds.partition("-")
    seeds = range(int(first), int(last or first) + 1)
    parts = [part for part in PARTS if part in asked.parts.split(",")]
    names = [name for name in asked.sources.split(",") if name]
    sources = prepared(names) if {"pairs", "evidence"} & set(parts) else ()
    tables = earlier(asked.results / f"{asked.name}.json")
    for part in parts:
        if part == "scaling":
            sizes = [int(size) for size in asked.sizes.split(",")]
            tables[part] = scaled(sizes, asked.results / f"{asked.name}-scaling.svg")
        else:
            counts = [int(count) for count in asked.faults.split(",")]
            wanted = tuple(tasks(sources, seeds, part, counts))
            rows = performed(wanted, asked.jobs)
            tables[part] = show(part, rows)
    asked.results.mkdir(parents=True, exist_ok=True)
    text = json.dumps(tables, indent=1)
    (asked.results / f"{asked.name}.json").write_text(text + "\n", encoding="utf-8")
    return 0


def earlier(path: Path) -> dict[str, object]:
    """Return the tables of parts that were measured before; none where there are none."""
    if not path.exists():
        return {}
    return dict(json.loads(path.read_text(encoding="utf-8")))


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """Return the options of a command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", default="0", help="first-last")
    parser.add_argument("--parts", default=",".join(PARTS), help="comma-separated")
    parser.add_argument("--sources", default="", help="comma-separated")
    faults = ",".join(map(str, FAULTS))
    parser.add_argument("--faults", default=faults, help="how many; -1: in the first layer")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="of graphs")
    parser.add_argument("--name", default="matching", help="of the JSON file")
    parser.add_argument("--results", type=Path, default=RESULTS, help="its folder")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
