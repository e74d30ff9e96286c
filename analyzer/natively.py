"""A pair of which a pivot does not load: its own runtimes are all there is to compare."""

from collections.abc import Iterator
from dataclasses import dataclass

from analyzer.core.errors import RunError
from analyzer.core.options import Options
from analyzer.core.report import InputPair, NotCompared, OutputPair, ProbeSummary
from analyzer.core.types import Feeds, Pivot
from analyzer.judge import least_noise
from analyzer.matching.ends import input_pairs, narrowed, output_names
from analyzer.outputs import NativeRuns, native_runs, output_pairs
from analyzer.probes import draw


@dataclass(frozen=True, slots=True, eq=False)
class Natively:
    """What two native runtimes alone say of a pair.

    Attributes:
        samples: The samples, by source input name.
        summary: What they are.
        inputs: Which target input takes which source input.
        outputs: The outputs, compared; none where a model does not run.
        missed: What could not be compared, and why.
    """

    samples: tuple[Feeds, ...]
    summary: ProbeSummary
    inputs: tuple[InputPair, ...]
    outputs: tuple[OutputPair, ...]
    missed: tuple[NotCompared, ...]


def refused(source: Pivot, target: Pivot) -> tuple[NotCompared, ...]:
    """Return the models that cannot be looked into, as their importers' pivots do not load.

    Args:
        source: The source.
        target: The target.
    """
    return tuple(
        NotCompared(str(pivot.path), pivot.refusal.problem)
        for pivot in (source, target)
        if pivot.refusal is not None
    )


def natively(
    source: Pivot,
    target: Pivot,
    options: Options,
    probes: tuple[tuple[Feeds, ...], ProbeSummary] | None,
) -> Natively:
    """Return what the native runtimes of a pair say of it.

    Args:
        source: The source.
        target: The target.
        options: How the pair is probed and judged.
        probes: The samples to use; None: drawn as the options say.
    """
    inputs = input_pairs(source, target)
    own = source if options.inputs else narrowed(source, target, inputs)
    samples, summary = probes or draw(own, options)
    missed = refused(source, target)
    try:
        runs = native_runs(source, target, samples, inputs)
    except RunError as refusal:
        stopped = NotCompared(str(source.path), f"it does not run: {refusal.problem}")
        return Natively(samples, summary, inputs, (), (*missed, stopped))
    floor = max(least_noise(source), least_noise(target))
    floors = {right: floor for _, right in output_names(source, target)}
    outputs = output_pairs(source, target, runs, floors, options, inputs)
    return Natively(samples, summary, inputs, outputs, (*missed, *_stopped(target, runs)))


def _stopped(target: Pivot, runs: NativeRuns) -> Iterator[NotCompared]:
    if runs.refusal is not None:
        yield NotCompared(str(target.path), f"it does not run: {runs.refusal.problem}")
