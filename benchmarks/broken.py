"""Broken pairs: a healthy pair, faults put into its right side, and where they are."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import onnx
from judge import (
    HEALTHY,
    Array,
    Outputs,
    Refused,
    deviation,
    effective,
    exposed_shapes,
    fitted,
    run,
)
from mutators import BLIND, Mutator, Scene, sabotages
from pairs import LOSSY, HealthyPair
from truth import Site, merged, sites
from zoo import Source, probes

SHOWN = 8
"""Probes that both the judge and the analysis see."""

DRAWS = 12
"""Places tried before a mutator is said to have none."""

MOST_FAULTS = 5
RUNNING = 0.9
"""Share of blind faults that have to load: a refusal is told at once by the runtime."""


@dataclass(frozen=True, slots=True, eq=False)
class Broken:
    """A pair with faults.

    Attributes:
        pair: The pair it comes from.
        model: Its right side with the faults in.
        mutators: What was done, in order.
        sites: Where, one for each mutator.
        effect: What all of it does to the outputs, relative; infinite where it is refused.
        refused: The runtime's words where the model does not load or run.
    """

    pair: HealthyPair
    model: onnx.ModelProto
    mutators: tuple[str, ...]
    sites: tuple[Site, ...]
    effect: float
    refused: str


@dataclass(frozen=True, slots=True)
class Discarded:
    """A fault that was left out, and why: ``no place``, ``no effect`` or ``no change``."""

    pair: str
    mutator: str
    why: str


@dataclass(frozen=True, slots=True)
class Step:
    """What one mutator did to a model."""

    model: onnx.ModelProto
    mutator: str
    site: Site
    outputs: Outputs | Refused


def rng_of(*words: object) -> np.random.Generator:
    """Return the generator that the same words always give."""
    digest = hashlib.sha256(repr(words).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))


@lru_cache(maxsize=64)
def outputs(path: Path, source: Source, count: int = SHOWN) -> Outputs | Refused:
    """Return what a healthy file gives for the first probes of its source."""
    return run(path, probes(source), count)


@lru_cache(maxsize=512)
def noise(left: Path, right: Path, source: Source) -> float:
    """Return by how much the two sides of a healthy pair deviate."""
    return deviation(outputs(left, source), outputs(right, source))


@lru_cache(maxsize=64)
def shapes(path: Path, source: Source) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor of a healthy file."""
    return exposed_shapes(onnx.load(path), probes(source))


def spellings(source: Source) -> tuple[Path, ...]:
    """Return the files of a source that hold it exactly and run."""
    found = sorted(source.folder.glob("*.onnx"))
    exact = [path for path in found if path.stem.partition("+")[2] not in LOSSY]
    first = source.folder / f"{source.spellings[0]}.onnx"
    return tuple(path for path in exact if noise(first, path, source) < HEALTHY)


def lanes() -> dict[str, dict[str, Mutator]]:
    """Return the mutators of each lane, by name."""
    return {"rules": sabotages(), "blind": BLIND}


def broken(
    sources: Sequence[Source], lane: str, seed: int, turn: int, *, faults: int = 1
) -> Broken | Discarded:
    """Return the pair that a seed stands for.

    Args:
        sources: The zoo to draw from.
        lane: ``rules`` or ``blind``.
        seed: Its seed.
        turn: Its number among those of the seed.
        faults: How many at once; 0: two to five.
    """
    rng = rng_of(lane, seed, turn, faults)
    source = sources[int(rng.integers(len(sources)))]
    spelt = spellings(source)
    left, right = (spelt[k] for k in rng.choice(len(spelt), 2, replace=False))
    pair = HealthyPair(source.name, left, right, lossy=False)
    count = faults or int(rng.integers(2, MOST_FAULTS + 1))
    made = steps(pair, source, lane, rng, count)
    if isinstance(made, Discarded):
        return made
    last = made[-1]
    refused = last.outputs.why if isinstance(last.outputs, Refused) else ""
    return Broken(
        pair=pair,
        model=last.model,
        mutators=tuple(step.mutator for step in made),
        sites=tuple(step.site for step in made),
        effect=deviation(outputs(right, source), last.outputs),
        refused=refused,
    )


def steps(
    pair: HealthyPair, source: Source, lane: str, rng: np.random.Generator, count: int
) -> tuple[Step, ...] | Discarded:
    """Return the faults put in one after another.

    What finds no place is drawn again; so is, among several, what has no effect.
    """
    model, before = onnx.load(pair.right), outputs(pair.right, source)
    made: list[Step] = []
    dud = Discarded(pair.name, "", "no place")
    for _ in range(DRAWS):
        name, mutate = _chosen(lanes()[lane], rng)
        step = _step(model, source, pair, (name, mutate), (before, rng, lane, count))
        if isinstance(step, Discarded):
            dud = step
            if count == 1 and step.why == "no effect":
                break
            continue
        taken = {name for old in made for name in old.site.region}
        if taken & step.site.region:
            continue
        made.append(step)
        model, before = step.model, step.outputs
        if len(made) == count:
            break
    return tuple(made) if len(made) >= min(count, 2) else dud


def _chosen(known: dict[str, Mutator], rng: np.random.Generator) -> tuple[str, Mutator]:
    names = sorted(known)
    name = names[int(rng.integers(len(names)))]
    return name, known[name]


def _step(
    model: onnx.ModelProto,
    source: Source,
    pair: HealthyPair,
    mutator: tuple[str, Mutator],
    terms: tuple[Outputs | Refused, np.random.Generator, str, int],
) -> Step | Discarded:
    """Return what a mutator does, or why it does not count."""
    before, rng, lane, count = terms
    name, mutate = mutator
    scene = Scene(model, shapes(pair.right, source), rng)
    running = count > 1 or (lane == "blind" and rng.random() < RUNNING)
    why = "no place"
    for after in _drawn(mutate, scene):
        places = sites(model, after)
        if not places:
            why = "no change"
            continue
        result = run(after, probes(source), SHOWN)
        if isinstance(result, Refused) and running:
            why = "refused"
            continue
        effect = deviation(before, result)
        if not effective(effect, noise(pair.left, pair.right, source)):
            return Discarded(pair.name, name, "no effect")
        return Step(after, name, merged(places), result)
    return Discarded(pair.name, name, why)


def _drawn(mutate: Mutator, scene: Scene) -> Iterator[onnx.ModelProto]:
    for _ in range(DRAWS):
        after = mutate(scene)
        if after is not None:
            yield after


def write_inputs(path: Path, left: Path, source: Source) -> None:
    """Write the shown probes as the left side's inputs want them."""
    shown: list[Array] = []
    declared = onnx.load(left, load_external_data=False).graph.input
    for value, rows in zip(declared, probes(source), strict=True):
        sizes = [axis.dim_value or None for axis in value.type.tensor_type.shape.dim]
        shown.append(np.stack([fitted(one, sizes) for one in rows[:SHOWN]]))
    np.savez(path, **{f"in{place}": rows for place, rows in enumerate(shown)})
