"""One pair of known truth: made, disguised, analysed by the code under test, counted."""

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnx
from broken import Discarded, rng_of, steps, write_inputs
from disguise import disguised, roots, truth
from judge import Refused
from judge import run as run_model
from onnx import numpy_helper
from pairs import HealthyPair
from zoo import SOURCES, Source, probes

Row = dict[str, object]
FIRST = -1
"""The number of faults that stands for one fault, in the first layer."""

SIZE_OF_NOISE = 0.5
"""Noise on the first layer's weights, in their standard deviations: nothing computed is as
it was, and no fingerprint of that layer survives."""

TRIES = 5
"""Draws of several faults before a pair is left out: not every one has an effect."""


@dataclass(frozen=True, slots=True)
class Task:
    """What one row is about.

    Attributes:
        source: The zoo's name of the network.
        left: The file that is right by definition.
        right: What a transformation that keeps tensor names made of it.
        told: The transformation.
        faults: How many are put in.
        seed: Of names, order and faults.
        without: The kind of evidence that is switched off; empty for none.
    """

    source: str
    left: Path
    right: Path
    told: str
    faults: int
    seed: int
    without: str


def perform(task: Task) -> Row:
    """Return the row of a task: true, false and unknown pairs, and what is unpaired."""
    source = SOURCES[task.source]
    about = described(task)
    rng = rng_of("matching", task.source, task.right.name, task.faults, task.seed)
    made = _made(task, source, rng)
    if made is None:
        return about | {"left out": "no place for the faults"}
    model, guilty = made
    original = onnx.load(task.left)
    target, log = disguised(model, rng)
    start = time.perf_counter()
    try:
        pairs, unpaired, count = analysed(task, target, source)
    except Exception as crash:  # noqa: BLE001 - a crash is a row too
        return about | {"crash": f"{type(crash).__name__}: {crash}"[:300]}
    seconds = time.perf_counter() - start
    counted = _counted(original, target, log, pairs)
    alone = _alone(original, target, log, unpaired, guilty)
    return about | counted | alone | {"macro pairs": count, "seconds": seconds}


def described(task: Task) -> Row:
    """Return what a row is about."""
    return asdict(task) | {"left": task.left.stem, "right": task.right.stem}


def _made(
    task: Task, source: Source, rng: np.random.Generator
) -> tuple[onnx.ModelProto, frozenset[str]] | None:
    """Return the right side with its faults in, and what the guilty nodes give.

    None where the faults find no place.
    """
    model = onnx.load(task.right)
    if task.faults == FIRST:
        broken = first_layer_broken(model, source, rng)
        return None if broken is None else (broken, frozenset())
    if not task.faults:
        return model, frozenset()
    pair = HealthyPair(task.source, task.left, task.right, lossy=False)
    for _ in range(TRIES):
        made = steps(pair, source, "blind", rng, task.faults)
        if not isinstance(made, Discarded) and len(made) == task.faults:
            guilty = frozenset().union(*(step.site.guilty for step in made))
            return made[-1].model, guilty
    return None


def first_layer_broken(
    model: onnx.ModelProto, source: Source, rng: np.random.Generator
) -> onnx.ModelProto | None:
    """Return the model with noise on the weight that stands nearest to its inputs."""
    weights = {one.name: one for one in model.graph.initializer if _is_weight(one)}
    near = _distances(model)
    reached = [
        (near[node.output[0]], place, name)
        for place, node in enumerate(model.graph.node) if node.output[0] in near
        for name in node.input if name in weights
    ]  # fmt: skip
    if not reached:
        return None
    weight = weights[min(reached)[2]]
    value = numpy_helper.to_array(weight)
    noise = rng.normal(0, SIZE_OF_NOISE * float(value.std()), value.shape)
    harmed = (value + noise).astype(value.dtype)
    weight.CopyFrom(numpy_helper.from_array(harmed, weight.name))
    return None if isinstance(run_model(model, probes(source), 1), Refused) else model


def _is_weight(tensor: onnx.TensorProto) -> bool:
    return tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) > 1


def _distances(model: onnx.ModelProto) -> dict[str, int]:
    """Return how many nodes stand between each tensor and the nearest input."""
    weights = {one.name for one in model.graph.initializer}
    found = {value.name: 0 for value in model.graph.input if value.name not in weights}
    for node in model.graph.node:
        before = [found[name] for name in node.input if name in found]
        if before and node.op_type != "Shape":
            found |= dict.fromkeys(node.output, min(before) + 1)
    return found


def analysed(
    task: Task, target: onnx.ModelProto, source: Source
) -> tuple[Mapping[str, str], Sequence[str], int]:
    """Return pairs by target tensor, target macro nodes without any, and those with."""
    from analyzer.core.options import EVIDENCE, Options
    from analyzer.diff import analyse

    with tempfile.TemporaryDirectory() as folder:
        path, inputs = Path(folder) / "target.onnx", Path(folder) / "inputs.npz"
        onnx.save(target, path)
        write_inputs(inputs, task.left, source)
        options = Options(inputs=inputs, evidence=EVIDENCE - {task.without})
        analysis = analyse(str(task.left), str(path), options=options, rules=())
    coverage = analysis.report.coverage
    pairs = {pair.target: pair.source for pair in analysis.report.pairs}
    return pairs, coverage.unpaired_target, coverage.pairs


def _counted(
    source: onnx.ModelProto,
    target: onnx.ModelProto,
    log: dict[str, str],
    pairs: Mapping[str, str],
) -> Row:
    """Return how many pairs are true, false and of unknown truth, and the false ones."""
    known, ours, theirs = truth(source, target, log), roots(source), roots(target)
    judged = [
        (right, left, ours.get(left, left) in known[theirs[right]])
        for right, left in pairs.items()
        if theirs.get(right) in known
    ]
    false = [[log[right], left] for right, left, true in judged if not true]
    computed = sum(right in theirs for right in pairs)
    return {"true": len(judged) - len(false), "false": len(false), "wrong": false,
            "unknown": computed - len(judged)}  # fmt: skip


def _alone(
    source: onnx.ModelProto,
    target: onnx.ModelProto,
    log: dict[str, str],
    unpaired: Sequence[str],
    guilty: frozenset[str],
) -> Row:
    """Return the unpaired macro nodes with a true counterpart, and how many have none.

    A node that was itself replaced or rewired has no counterpart that it must find.
    """
    known, theirs = truth(source, target, log), roots(target)
    nodes = {node.name: node for node in target.graph.node}
    missed = [
        [nodes[name].op_type, log[nodes[name].output[0]]]
        for name in unpaired
        if any(theirs[given] in known for given in nodes[name].output if given)
        and guilty.isdisjoint(log[given] for given in nodes[name].output if given)
    ]
    return {"missed": missed, "alone": len(unpaired)}
