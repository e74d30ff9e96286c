"""One pair: made, analysed by the code under test, judged; a row of the tables."""

import os
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import numpy as np
import onnx
from broken import Broken, Discarded, broken, outputs, write_inputs
from judge import HEALTHY, Outputs, Refused, deviation
from pairs import HealthyPair
from truth import hit
from zoo import SOURCES, Source, probes

AGREEING = 64
"""Probes on which the two sides of a healthy pair have to agree."""

PATIENCE = 120
"""Seconds after which an analysis is given up."""

GOOD = frozenset({"exact", "region"})
DEVIATING = ("fault", "drift")
"""Statuses of findings that name a deviation, worst first."""

KEEP = "PIVOTFIX_BENCHMARK_KEEP"
"""The environment variable that names a folder in which broken models stay."""


@dataclass(frozen=True, slots=True)
class Task:
    """What one row is about: a healthy pair, or a lane, a seed and a turn."""

    lane: str
    seed: int
    turn: int
    sources: tuple[str, ...]
    pair: HealthyPair | None

    @property
    def key(self) -> str:
        """What the row is known by."""
        return f"{self.lane}:{self.pair.name if self.pair else f'{self.seed}:{self.turn}'}"


class Late(Exception):  # noqa: N818 - not an error of the code that it stops
    """The analysis took longer than it may."""


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Raise `Late` in the body once the time is over."""

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise Late(f"not done in {seconds} s")

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def perform(task: Task) -> dict[str, object]:
    """Return the row of a task."""
    if task.pair is not None:
        return {"key": task.key, "lane": task.lane, **healthy_row(task.pair)}
    many = task.lane.endswith("-many")
    sources = [SOURCES[name] for name in task.sources]
    lane = task.lane.removesuffix("-many")
    made = broken(sources, lane, task.seed, task.turn, faults=0 if many else 1)
    base = {"key": task.key, "lane": task.lane, "seed": task.seed, "turn": task.turn}
    if isinstance(made, Discarded):
        return base | {"discarded": made.why, "pair": made.pair, "mutators": [made.mutator]}
    return base | broken_row(made, task.key)


def healthy_row(pair: HealthyPair) -> dict[str, object]:
    """Return what is true of a healthy pair and what the analysis says of it."""
    source = SOURCES[pair.source]
    apart = healthy_gap(pair, source)
    with tempfile.TemporaryDirectory() as folder:
        inputs = Path(folder) / "inputs.npz"
        write_inputs(inputs, _readable(pair.left, source), source)
        said = analysed(pair.left, pair.right, inputs)
    return {"pair": pair.name, "lossy": pair.lossy, "gap": apart,
            "healthy": pair.lossy or apart < HEALTHY, **said}  # fmt: skip


def healthy_gap(pair: HealthyPair, source: Source) -> float:
    """Return by how much the two sides deviate, native against native where it is known."""
    return deviation(native(pair.left, source), native(pair.right, source))


def native(path: Path, source: Source) -> Outputs | Refused:
    """Return what a file gives in the runtime it is made for."""
    if path.suffix == ".onnx":
        return outputs(path, source, AGREEING)
    if path.suffix == ".tflite":
        return lite(path, source)
    with np.load(path.with_name("native.npz")) as arrays:
        rows = zip(*(arrays[name] for name in arrays.files), strict=True)
        return tuple(tuple(np.asarray(one) for one in row) for row in rows)


def lite(path: Path, source: Source) -> Outputs | Refused:
    """Return what LiteRT makes of a file."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    given = interpreter.get_input_details()
    taken = interpreter.get_output_details()
    rows = []
    for place in range(AGREEING):
        for detail, array in zip(given, probes(source), strict=True):
            interpreter.set_tensor(detail["index"], array[place])
        interpreter.invoke()
        rows.append(tuple(interpreter.get_tensor(detail["index"]) for detail in taken))
    return tuple(rows)


def _readable(left: Path, source: Source) -> Path:
    """Return an ONNX file with the inputs of a native one."""
    if left.suffix == ".onnx":
        return left
    return source.folder / f"{source.spellings[0]}.onnx"


def broken_row(made: Broken, key: str) -> dict[str, object]:
    """Return what was broken, what the analysis says, and how well it names it."""
    kept = os.environ.get(KEEP)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(kept) / key.replace(":", "-") if kept else Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        inputs, target = folder / "inputs.npz", folder / "target.onnx"
        write_inputs(inputs, made.pair.left, SOURCES[made.pair.source])
        onnx.save(made.model, target)
        said = analysed(made.pair.left, target, inputs)
    findings = said["findings"]
    grades = [
        [hit(one["nodes"], one["tensors"], site, made.model) for site in made.sites]
        for one in findings
    ]
    found = [any(row[k] in GOOD for row in grades) for k in range(len(made.sites))]
    alarms = zip(grades, findings, strict=True)
    true = [bool(GOOD & set(row)) for row, one in alarms if one["status"] == "fault"]
    return {
        "pair": made.pair.name, "mutators": list(made.mutators), "effect": made.effect,
        "refused": made.refused, "grade": _best(grades[0]) if grades else "silent",
        "guilty": [sorted(site.guilty) for site in made.sites],
        "kinds": [site.kind for site in made.sites], "found": found, "true": true, **said,
    }  # fmt: skip


def _best(row: Sequence[str]) -> str:
    return min(row, key=("exact", "region", "wide", "miss").index)


def analysed(left: Path, right: Path, inputs: Path) -> dict[str, object]:
    """Return verdict and fault findings of the code under test, or how it failed."""
    from analyzer.core.errors import PivotfixError
    from analyzer.core.options import Options
    from analyzer.diff import diff
    from rules.discovery import all_rules

    start = time.perf_counter()
    failed = ""
    try:
        with limited(PATIENCE):
            options = Options(inputs=inputs)
            report = diff(str(left), str(right), options=options, rules=all_rules)
    except PivotfixError as refusal:
        failed = f"refused: {refusal}"
    except Late as late:
        failed = f"late: {late}"
    except Exception as crash:  # noqa: BLE001 - a crash is a row too
        failed = f"crash: {type(crash).__name__}: {crash}"
    seconds = time.perf_counter() - start
    if failed:
        silent = {"verdict": "none", "findings": [], "seconds": seconds}
        return silent | {"failed": failed[:400]}
    findings = [
        {"rule": one.rule, "class": one.fault_class.value, "nodes": list(one.target_nodes),
         "tensors": list(one.target_tensors), "message": one.message[:200],
         "status": one.status.value}
        for wanted in DEVIATING for one in report.findings if one.status.value == wanted
    ]  # fmt: skip
    return {"verdict": report.verdict.value, "findings": findings, "seconds": seconds,
            "statuses": [one.status.value for one in report.findings],
            "coverage": [report.coverage.pairs, len(report.coverage.unpaired_source),
                         len(report.coverage.unpaired_target)]}  # fmt: skip
