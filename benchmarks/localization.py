"""How exactly faults are localized: ``python benchmarks/localization.py --seeds 0-99``.

Prints four tables and writes them, with every miss, to ``results/localization.json``: false
alarms on healthy pairs; single faults by the rules' own sabotage and by blind mutators; two
to five faults at once. Rows are kept by the analysis' own source code, so that a run that
was stopped continues where it was; ``--time-limit`` stops it in time.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pairs import CONVERSIONS, derive, pairs_of
from rows import Perform, Row, fingerprint, known, performed
from tables import publish
from tasks import KEEP, Task, perform
from zoo import FULL, NARROW, SOURCES, Source, build

HERE = Path(__file__).resolve().parent
CACHE = HERE / ".cache"
RESULTS = HERE / "results"
Publish = Callable[[Sequence[Row], int, Path], None]
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


def prepared(names: Sequence[str], conversions: Sequence[str]) -> tuple[Source, ...]:
    """Return the sources asked for that can be built, built and derived."""
    asked = [SOURCES[name] for name in names] if names else list(NARROW)
    built = [source for source in asked if build(source)]
    for source in built:
        derive(source, conversions)
    return tuple(built)


def main(words: Sequence[str]) -> int:
    """Run what is missing, print the tables, write them."""
    return measured(
        arguments(words, "localization", __doc__),
        perform,
        publish,
        ("analyzer", "rules", "benchmarks"),
    )


def measured(
    asked: argparse.Namespace, perform: Perform, publish: Publish, code: Sequence[str]
) -> int:
    """Run what is missing, print the tables, write them.

    Args:
        asked: The options of a command line.
        perform: Gives the row of a task.
        publish: Prints and writes rows, told how many are missing, and where to.
        code: Folders of the code that rows belong to.
    """
    sys.path.insert(0, str(HERE.parent))  # what is measured; worker processes inherit it
    first, _, last = asked.seeds.partition("-")
    seeds = range(int(first), int(last or first) + 1)
    start = time.monotonic()
    names = [name for name in asked.sources.split(",") if name]
    sources = prepared(names, asked.conversions.split(","))
    large = () if names else prepared(LARGE, asked.conversions.split(","))
    folder = CACHE / asked.name
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{fingerprint(code)}.jsonl"
    earlier = {} if asked.keep else known(path)
    if asked.keep:
        os.environ[KEEP] = str(asked.keep.resolve())
    every = tuple(tasks(sources, large, seeds, asked.lanes))
    wanted = [task for task in every if not asked.only or task.key.startswith(asked.only)]
    missing = (task for task in wanted if task.key not in earlier)
    until = start + 60 * asked.time_limit
    fresh = {
        str(row["key"]): row
        for row in performed(perform, missing, path, jobs=asked.jobs, until=until)
    }
    rows = [(earlier | fresh)[task.key] for task in wanted if task.key in earlier | fresh]
    publish(rows, len(wanted) - len(rows), asked.results / f"{asked.name}.json")
    return 0


def arguments(words: Sequence[str], name: str, told: str | None) -> argparse.Namespace:
    """Return the options of a command line, for a benchmark of a name and what it tells."""
    parser = argparse.ArgumentParser(description=str(told).partition("\n")[0])
    parser.add_argument("--seeds", default="0-99", help="first-last")
    parser.add_argument("--time-limit", type=float, default=45.0, help="minutes")
    parser.add_argument("--lanes", default=",".join(LANES), help="comma-separated")
    full = ",".join(source.name for source in FULL)
    parser.add_argument("--sources", default="", help=f"comma-separated; also {full}")
    parser.add_argument("--conversions", default=",".join(CONVERSIONS))
    parser.add_argument("--only", default="", help="the beginning of the keys to run")
    parser.add_argument("--keep", type=Path, help="folder for the broken models")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--name", default=name, help="of the rows and the JSON file")
    parser.add_argument("--results", type=Path, default=RESULTS, help="its folder")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
