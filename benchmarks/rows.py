"""Rows of a benchmark, kept by the code they were measured on, so that a run continues."""

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path

from tasks import Task

ROOT = Path(__file__).resolve().parent.parent
Row = dict[str, object]
Perform = Callable[[Task], Row]


def fingerprint(folders: Iterable[str]) -> str:
    """Return a digest of the code under test: rows of other code do not count."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def known(path: Path) -> dict[str, Row]:
    """Return the rows of earlier runs by their task's key."""
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = (json.loads(line) for line in lines)
    return {row["key"]: row for row in rows}


def performed(
    perform: Perform, waiting: Iterator[Task], path: Path, *, jobs: int, until: float
) -> Iterator[Row]:
    """Yield rows as they are ready, each written to the file, until a moment has come.

    Args:
        perform: Gives the row of a task.
        waiting: What is to be done.
        path: Of the file that rows are added to.
        jobs: Processes at work.
        until: The moment, by the monotonic clock.
    """
    context = get_context("spawn")
    with (
        path.open("a", encoding="utf-8") as rows,
        ProcessPoolExecutor(jobs, mp_context=context, max_tasks_per_child=200) as pool,
    ):
        running: set[Future[Row]] = set()
        keys: dict[Future[Row], str] = {}
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
