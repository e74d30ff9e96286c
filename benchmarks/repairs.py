"""One pair: made, repaired by the code under test, judged by what that wrote."""

import hashlib
import os
import tempfile
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import onnx
from broken import SHOWN, Broken, Discarded, broken, write_inputs
from eight_bits import on_right_grids
from judge import HEALTHY, LEAST_EFFECT, Array, Outputs, Refused, deviation, deviations, run
from kinds import right_classes
from pairs import HealthyPair
from probes import like
from tasks import GOOD, KEEP, PATIENCE, Late, Task, healthy_gap, limited
from truth import hit
from zoo import SOURCES, Source, probes

Row = dict[str, object]
UNSEEN = 64
"""Fresh probes that a written file is judged by; nothing was ever shown of them."""

UNSEEN_SEED = 5
"""What the zoo and its calibration were not drawn with."""

TIMES_FLOOR = 2.0
"""How far above the healthy pair's own deviation a repaired one may stand: a mended node
may round in another order. Where a fault put in a grid of integers, the healthy model on
right grids deviates too, and a repair reaches no less."""

WORSE = 1.01
"""A deviation beyond this factor of what it was is worse: less is other rounding."""


def perform(task: Task) -> Row:
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
    return base | broken_row(made, lane, task.key)


def healthy_row(pair: HealthyPair) -> Row:
    """Return whether a healthy pair was edited, and what was said of it."""
    source = SOURCES[pair.source]
    gap = healthy_gap(pair, source)
    first = source.folder / f"{source.spellings[0]}.onnx"
    with tempfile.TemporaryDirectory() as scratch:
        inputs = Path(scratch) / "inputs.npz"
        out = Path(scratch) / f"out{pair.right.suffix}"
        readable = pair.left if pair.left.suffix == ".onnx" else first
        write_inputs(inputs, readable, source)
        said = mended(pair.left, pair.right, inputs, out)
        written = out.exists()
        edited = written and _digest(out) != _digest(pair.right)
    healthy = pair.lossy or gap < HEALTHY
    return {"pair": pair.name, "healthy": healthy, "gap": gap, "edited": edited, **said}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@lru_cache(maxsize=8)
def unseen(source: Source) -> tuple[Array, ...]:
    """Return fresh probes of a source, an array for each input, samples first."""
    return tuple(like(array, seed=UNSEEN_SEED) for array in probes(source))


@lru_cache(maxsize=64)
def given(path: Path, source: Source) -> Outputs | Refused:
    """Return what a healthy file gives for the fresh probes of its source."""
    return run(path, unseen(source), UNSEEN)


def broken_row(made: Broken, lane: str, key: str) -> Row:
    """Return what was broken, how well it was named, and what became of it."""
    kept = os.environ.get(KEEP)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(kept) / key.replace(":", "-") if kept else Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        target, out = folder / "target.onnx", folder / "out.onnx"
        write_inputs(folder / "inputs.npz", made.pair.left, SOURCES[made.pair.source])
        onnx.save(made.model, target)
        out.unlink(missing_ok=True)
        said = mended(made.pair.left, target, folder / "inputs.npz", out)
        became = outcome(made, out)
    findings = said["findings"]
    assert isinstance(findings, list)  # noqa: S101 - what a row holds is known here
    return {
        "pair": made.pair.name, "mutators": list(made.mutators), "effect": made.effect,
        "refused": made.refused, "guilty": [sorted(site.guilty) for site in made.sites],
        **named(made, lane, findings), **became, **said,
    }  # fmt: skip


def named(made: Broken, lane: str, findings: Sequence[dict[str, object]]) -> Row:
    """Return which faults were found, and of which the class was right.

    A single fault has to be the first finding; of several, each some finding.
    """
    asked = findings if len(made.sites) > 1 else findings[:1]
    found, right, wanted = [], [], []
    for mutator, site in zip(made.mutators, made.sites, strict=True):
        classes = right_classes(lane, mutator, site, made.model, refused=bool(made.refused))
        naming = [
            one
            for one in asked
            if hit(one["nodes"], one["tensors"], site, made.model) in GOOD
        ]
        found.append(bool(naming))
        right.append(any(one["class"] in classes for one in naming))
        wanted.append(sorted(classes))
    return {"found": found, "right": right, "classes": wanted}


def outcome(made: Broken, out: Path) -> Row:
    """Return what a repair made of a broken model: what is written against what was broken.

    Returns:
        ``outcome``: ``repaired``, ``improved``, ``unrepaired`` or ``worse``; and the
        deviation of the healthy, the broken and the written file from the source.
    """
    source = SOURCES[made.pair.source]
    expected = given(made.pair.left, source)
    healthy = deviation(expected, given(made.pair.right, source))
    broken_outputs = run(made.model, unseen(source), UNSEEN)
    before = deviation(expected, broken_outputs)
    base: Row = {"healthy": healthy, "before": before, "after": before}
    if not out.exists():
        return base | {"outcome": "unrepaired"}
    result = run(out, unseen(source), UNSEEN)
    after = deviation(expected, result)
    least = max(healthy, grids_leave(made, expected))
    floor = max(LEAST_EFFECT, TIMES_FLOOR * least)
    return base | {"after": after, "outcome": _judged(
        expected, broken_outputs, result, floor)}  # fmt: skip


def grids_leave(made: Broken, expected: Outputs | Refused) -> float:
    """Return by how much right grids in place of wrong ones deviate; 0 without any."""
    source = SOURCES[made.pair.source]
    model = on_right_grids(onnx.load(made.pair.right), made.model, probes(source), SHOWN)
    if model is None:
        return 0.0
    left = deviation(expected, run(model, unseen(source), UNSEEN))
    return left if np.isfinite(left) else 0.0


def _judged(
    expected: Outputs | Refused,
    before: Outputs | Refused,
    after: Outputs | Refused,
    floor: float,
) -> str:
    """Return what became of the outputs: none may be worse, all must reach the floor."""
    if deviation(expected, after) <= floor:
        return "repaired"
    if isinstance(after, Refused) or isinstance(expected, Refused):
        return "unrepaired" if isinstance(before, Refused) else "worse"
    if isinstance(before, Refused):
        return "improved"
    pairs = tuple(
        zip(deviations(expected, before), deviations(expected, after), strict=True)
    )
    if any(left > max(floor, WORSE * was) for was, left in pairs):
        return "worse"
    less = any(was > max(floor, WORSE * left) for was, left in pairs)
    return "improved" if less else "unrepaired"


def mended(left: Path, right: Path, inputs: Path, out: Path) -> Row:
    """Return what the code under test says of a pair while it writes its repair."""
    from analyzer.core.errors import PivotfixError
    from analyzer.core.options import Options
    from rewriter.repair import repair
    from rules.discovery import all_rules

    start, work = time.perf_counter(), time.process_time()
    failed = ""
    try:
        with limited(PATIENCE):
            options = Options(inputs=inputs)
            report = repair(str(left), str(right), out, options=options, rules=all_rules())
    except PivotfixError as refusal:
        failed = f"refused: {refusal}"
    except Late as late:
        failed = f"late: {late}"
    except Exception as crash:  # noqa: BLE001 - a crash is a row too
        failed = f"crash: {type(crash).__name__}: {crash}"
    spent = {"seconds": time.perf_counter() - start, "work": time.process_time() - work}
    if failed:
        return {"verdict": "none", "findings": [], "failed": failed[:400], **spent}
    findings = [
        {"rule": one.rule, "class": one.fault_class.value, "nodes": list(one.target_nodes),
         "tensors": list(one.target_tensors), "message": one.message[:200],
         "outcome": f"{one.outcome.verdict.value}: {one.outcome.reason}"[:120]
         if one.outcome else ""}
        for one in report.findings if one.status.value == "fault"
    ]  # fmt: skip
    return {"verdict": report.verdict.value, "findings": findings, **spent}
