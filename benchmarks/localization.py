"""How exactly faults are localized: ``python benchmarks/localization.py --seeds 0-99``.

Prints four tables and writes them, with every miss, to ``results/localization.json``: false
alarms on healthy pairs; single faults by the rules' own sabotage and by blind mutators; two
to five faults at once. Rows are kept by the analysis' own source code, so that a run that
was stopped continues where it was; ``--time-limit`` stops it in time.
"""

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path

from pairs import CONVERSIONS, derive, pairs_of
from tables import publish
from tasks import KEEP, Task, perform
from zoo import FULL, NARROW, SOURCES, Source, build

HERE = Path(__file__).resolve().parent
ROWS = HERE / ".cache" / "localization"
RESULTS = HERE / "results"
SINGLES = 7
"""Single faults of each lane that one seed stands for: a hundred seeds make 600."""

MULTIPLES = 4
"""Pairs with several faults that one seed stands for."""

LARGE = ("mobilenetv2-full",)
"""Networks of full size that every twentieth seed is drawn from: five of a hundred."""

LARGE_EVERY = 20

LANES = ("healthy", "rules", "blind", "rules-many", "blind-many")


def tasks(
    sources: Sequence[Source], large: Sequence[Source], seeds: Sequence[int], lanes: str
) -> Iterator[Task]:
    """Yield what is to be done, healthy pairs first, then seed by seed."""
    asked = set(lanes.split(","))
    if "healthy" in asked:
        for source in (*sources, *large):
            for pair in pairs_of(source):
                yield Task("healthy", 0, 0, (source.name,), pair)
    for seed in seeds:
        drawn = large if large and seed % LARGE_EVERY == 0 else sources
        names = tuple(source.name for source in drawn)
        for lane in (lane for lane in LANES[1:] if lane in asked):
            turns = MULTIPLES if lane.endswith("-many") else SINGLES
            yield from (Task(lane, seed, turn, names, None) for turn in range(turns))


def fingerprint() -> str:
    """Return a digest of the code under test: rows of other code do not count."""
    digest = hashlib.sha256()
    for folder in ("analyzer", "rules", "benchmarks"):
        for path in sorted((HERE.parent / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def prepared(names: Sequence[str], conversions: Sequence[str]) -> tuple[Source, ...]:
    """Return the sources asked for that can be built, built and derived."""
    asked = [SOURCES[name] for name in names] if names else list(NARROW)
    built = [source for source in asked if build(source)]
    for source in built:
        derive(source, conversions)
    return tuple(built)


def known(path: Path) -> dict[str, dict[str, object]]:
    """Return the rows of earlier runs by their task's key."""
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = (json.loads(line) for line in lines)
    return {row["key"]: row for row in rows}


def performed(
    waiting: Iterator[Task], path: Path, *, jobs: int, until: float
) -> Iterator[dict[str, object]]:
    """Yield rows as they are ready, each written to the file, until a moment has come."""
    context = get_context("spawn")
    with (
        path.open("a", encoding="utf-8") as rows,
        ProcessPoolExecutor(jobs, mp_context=context, max_tasks_per_child=200) as pool,
    ):
        running: set[Future[dict[str, object]]] = set()
        keys: dict[Future[dict[str, object]], str] = {}
        while True:
            while len(running) < 2 * jobs and time.monotonic() < until:
                task = next(waiting, None)
                if task is None:
                    break
                future = pool.submit(perform, task)
                running.add(future)
                keys[future] = task.key
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            died = [future for future in done if future.exception()]
            if died:
                lost = ", ".join(keys[future] for future in (*died, *running))
                print(f"a worker process died; it was at one of {lost}", file=sys.stderr)
                return
            for row in (future.result() for future in done):
                rows.write(json.dumps(row) + "\n")
                rows.flush()
                yield row


def main(words: Sequence[str]) -> int:
    """Run what is missing, print the tables, write them."""
    sys.path.insert(0, str(HERE.parent))  # what is measured; worker processes inherit it
    asked = arguments(words)
    first, _, last = asked.seeds.partition("-")
    seeds = range(int(first), int(last or first) + 1)
    start = time.monotonic()
    names = [name for name in asked.sources.split(",") if name]
    sources = prepared(names, asked.conversions.split(","))
    large = () if names else prepared(LARGE, asked.conversions.split(","))
    ROWS.mkdir(parents=True, exist_ok=True)
    path = ROWS / f"{fingerprint()}.jsonl"
    earlier = {} if asked.keep else known(path)
    if asked.keep:
        os.environ[KEEP] = str(asked.keep.resolve())
    every = tuple(tasks(sources, large, seeds, asked.lanes))
    wanted = [task for task in every if not asked.only or task.key.startswith(asked.only)]
    missing = (task for task in wanted if task.key not in earlier)
    until = start + 60 * asked.time_limit
    fresh = {
        str(row["key"]): row
        for row in performed(missing, path, jobs=asked.jobs, until=until)
    }
    rows = [(earlier | fresh)[task.key] for task in wanted if task.key in earlier | fresh]
    publish(rows, len(wanted) - len(rows), asked.results / f"{asked.name}.json")
    return 0


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """Return the options of a command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", default="0-99", help="first-last")
    parser.add_argument("--time-limit", type=float, default=45.0, help="minutes")
    parser.add_argument("--lanes", default=",".join(LANES), help="comma-separated")
    full = ",".join(source.name for source in FULL)
    parser.add_argument("--sources", default="", help=f"comma-separated; also {full}")
    parser.add_argument("--conversions", default=",".join(CONVERSIONS))
    parser.add_argument("--only", default="", help="the beginning of the keys to run")
    parser.add_argument("--keep", type=Path, help="folder for the broken models")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--name", default="localization", help="of the JSON file")
    parser.add_argument("--results", type=Path, default=RESULTS, help="its folder")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
