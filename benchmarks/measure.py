"""Time and peak memory of whole processes, as a table and as JSON."""

import compileall
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from threading import Thread

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
CACHE = HERE / ".cache"
RESULTS = HERE / "results"
KIB = 1024
PAUSE = 0.005
"""Seconds between two looks at a process's memory."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a command cost.

    Attributes:
        name: What was run.
        seconds: Wall time from start to exit, the median of its runs.
        work: Processor time, user and system, the median of its runs, in seconds.
        peak_mib: Largest resident memory of any run, in MiB.
        own_mib: Largest anonymous memory seen in any run, in MiB, without mapped files.
    """

    name: str
    seconds: float
    work: float
    peak_mib: float
    own_mib: float = 0.0


def cost(
    name: str,
    *commands: Sequence[str | Path],
    runs: int = 3,
    expected: Collection[int] = (0,),
) -> Cost:
    """Return what commands cost that run one after another, each in its own process.

    This process must stay small: Linux counts a parent's memory at the fork as the child's.
    """
    _compile()
    rounds = [[once(name, command, expected) for command in commands] for _ in range(runs)]
    return Cost(
        name=name,
        seconds=statistics.median(sum(row.seconds for row in turn) for turn in rounds),
        work=statistics.median(sum(row.work for row in turn) for turn in rounds),
        peak_mib=max(row.peak_mib for turn in rounds for row in turn),
        own_mib=max(row.own_mib for turn in rounds for row in turn),
    )


@lru_cache(maxsize=1)
def _compile() -> None:
    """Write our bytecode, as an installation or the first run does, wherever it is off."""
    for folder in ("analyzer", "rewriter", "rules"):
        compileall.compile_dir(ROOT / folder, quiet=1)


def once(
    name: str, command: Sequence[str | Path], expected: Collection[int] = (0,)
) -> Cost:
    """Return what one process cost; one that failed ends the benchmark with its words."""
    start = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603  # the commands are this folder's own
        [str(part) for part in command],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    own = [0.0]
    watch = Thread(target=_watch, args=(process.pid, own))
    watch.start()
    said = process.stdout.read() if process.stdout else ""
    watch.join()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    code = os.waitstatus_to_exitcode(status)
    if code not in expected:
        sys.exit(f"{name}: {command[0]} ended with {code}:\n{said}")
    work = usage.ru_utime + usage.ru_stime
    return Cost(name, seconds, work, usage.ru_maxrss / KIB, own[0])


def _watch(pid: int, largest: list[float]) -> None:
    """Note the largest anonymous memory of a process, in MiB, until it has ended.

    The kernel keeps no peak of it, so it is read every `PAUSE` seconds.
    """
    status = Path(f"/proc/{pid}/status")
    while True:
        try:
            rows = status.read_text(encoding="ascii").splitlines()
        except OSError:  # there is no such file on this system, or the process is gone
            return
        found = [row for row in rows if row.startswith("RssAnon:")]
        if not found:  # it has ended, and waits to be asked for its exit code
            return
        largest[0] = max(largest[0], int(found[0].split()[1]) / KIB)
        time.sleep(PAUSE)


def publish(name: str, costs: Iterable[Cost], against: str) -> None:
    """Print costs with their ratios to one of them, and write them as JSON.

    Args:
        name: The benchmark, and the name of its JSON file.
        costs: Its rows.
        against: The row every ratio is taken to.
    """
    rows = tuple(costs)
    base = next(row for row in rows if row.name == against)
    print(f"{name} (ratios to {against!r})")
    heads = ("seconds", "cpu s", "peak MiB", "own MiB", "time x", "memory x")
    print(f"{'':46}" + "".join(f"{head:>10}" for head in heads))
    for row in rows:
        ratios = f"{row.seconds / base.seconds:>10.2f}{row.peak_mib / base.peak_mib:>10.2f}"
        memory = f"{row.peak_mib:>10.0f}{row.own_mib:>10.0f}"
        print(f"{row.name:46}{row.seconds:>10.2f}{row.work:>10.2f}{memory}{ratios}")
    RESULTS.mkdir(exist_ok=True)
    told = json.dumps([asdict(row) for row in rows], indent=1)
    (RESULTS / f"{name}.json").write_text(told + "\n", encoding="utf-8")
