"""Rows of a benchmark, kept by the code they were measured on, so that a run continues."""

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from math import inf
from multiprocessing import get_context
from pathlib import Path
from typing import TextIO

from tasks import Task

ROOT = Path(__file__).resolve().parent.parent
BUILT = ".cache"
"""Where benchmarks keep what they build, code of networks and folders among it."""

Row = dict[str, object]
Perform = Callable[[Task], Row]


def fingerprint(folders: Iterable[str]) -> str:
    """Return a digest of the code under test: rows of other code do not count."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if BUILT not in path.relative_to(ROOT).parts:
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

    A task whose process dies, and dies again alone, has no row; it is named.

    Args:
        perform: Gives the row of a task.
        waiting: What is to be done.
        path: Of the file that rows are added to.
        jobs: Processes at work.
        until: The moment, by the monotonic clock.
    """
    lost: list[Task] = []
    alone: list[Task] = []
    with path.open("a", encoding="utf-8") as rows:
        while True:
            for row in _pooled(perform, waiting, lost, jobs=jobs, until=until):
                yield _kept(row, rows)
            if not lost:
                return
            while lost:
                task = lost.pop()
                for row in _pooled(perform, iter((task,)), alone, jobs=1, until=inf):
                    yield _kept(row, rows)
                if task in alone:
                    print(f"{task.key}: its process dies", file=sys.stderr)


def _kept(row: Row, rows: TextIO) -> Row:
    rows.write(json.dumps(row) + "\n")
    rows.flush()
    return row


def _pooled(
    perform: Perform, waiting: Iterator[Task], lost: list[Task], *, jobs: int, until: float
) -> Iterator[Row]:
    """Yield rows until a process dies; add what was at work then to the lost ones."""
    context = get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, max_tasks_per_child=200) as pool:
        tasks: dict[Future[Row], Task] = {}
        while True:
            while len(tasks) < 2 * jobs and time.monotonic() < until:
                task = next(waiting, None)
                if task is None:
                    break
                tasks[pool.submit(perform, task)] = task
            if not tasks:
                return
            done, _ = wait(tasks, return_when=FIRST_COMPLETED)
            died = any(future.exception() for future in done)
            for future in list(tasks) if died else done:
                task = tasks.pop(future)
                if died and (not future.done() or future.exception()):
                    lost.append(task)
                else:
                    yield future.result()
            if died:
                return
