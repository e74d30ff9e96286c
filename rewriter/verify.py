"""How good an edited model is: in the fault's own region, and at the model's outputs."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import onnx

from analyzer.core.errors import RunError
from analyzer.core.options import Options
from analyzer.core.report import OutputPair
from analyzer.core.types import Array, Fault, Feeds, Pivot, Sample
from analyzer.frontends.imported import specs
from analyzer.matching.ends import input_pairs, target_feeds
from analyzer.outputs import NativeRuns, output_pairs
from analyzer.runtime.metrics import relative_error
from analyzer.runtime.region import region_error
from analyzer.runtime.session import Session, open_session
from analyzer.view.inline import opened
from rewriter.parts import EVERYTHING
from rewriter.remembered import answering
from rewriter.surgeon import Applied

WORSE = 1.001
"""An output is worse beyond this factor: the same faults, summed in another order, move a
large error by far less."""


def local_error(applied: Applied, pivot: Pivot, fault: Fault) -> float | None:
    """Return the error that is left in a fault's region, fed the source's own values.

    Args:
        applied: The edited model, and where the tensors went that its edits moved.
        pivot: What was edited.
        fault: The fault, by the names of the model before the edits.

    Returns:
        The largest relative error of any result on any recorded sample; infinite where
        the region does not run, None where no sample was recorded.
    """
    if not fault.recorded:
        return None
    samples = tuple(_moved(sample, applied) for sample in fault.recorded)
    passed = _passed_through(applied, fault)
    direct = [
        relative_error(sample.inputs[name], sample.expected[name])
        for sample in samples
        for name in passed
    ]
    names = {name for sample in samples for name in sample.expected} - passed
    known = {name for sample in samples for name in (*sample.inputs, *sample.expected)}
    parts = in_parts(applied.model, known)
    computed = region_error(parts, pivot.folder, samples, sorted(names))
    return max([computed, *direct]) if names else max(direct, default=0.0)


def in_parts(model: onnx.ModelProto, bounds: Collection[str]) -> onnx.ModelProto:
    """Return a model with those nodes opened whose inner tensors bound a region.

    No more of them: where a product is written apart, its own result is gone.

    Args:
        model: The model.
        bounds: Tensors at which the region begins or ends.
    """
    side = opened(model, also=EVERYTHING)
    reached = {side.tensors[name] for name in bounds if name in side.tensors}
    return opened(model, reached, also=EVERYTHING).model if reached else model


def _moved(sample: Sample, applied: Applied) -> Sample:
    """Return a sample by the names of the edited model."""
    inputs = {applied.produced.get(k, k): array for k, array in sample.inputs.items()}
    expected = {applied.read.get(k, k): array for k, array in sample.expected.items()}
    return replace(sample, inputs=inputs, expected=expected)


def _passed_through(applied: Applied, fault: Fault) -> set[str]:
    """Return results that an edit made the same tensor as an input of the region."""
    first = fault.recorded[0]
    fed = {applied.produced.get(name, name): name for name in first.inputs}
    given = {applied.read.get(name, name): name for name in first.expected}
    return {name for name in fed.keys() & given.keys() if fed[name] != given[name]}


def edited_pivot(pivot: Pivot, applied: Applied) -> Pivot:
    """Return the pivot of an edited model; its native runtime is ONNX Runtime.

    Args:
        pivot: What was edited.
        applied: The edited model.
    """
    model, folder = applied.model, pivot.folder
    names = [value.name for value in model.graph.output]

    @cache
    def session() -> Session:
        return open_session(model, folder, optimize=True)

    def run(feeds: Feeds) -> Feeds:
        return session().run(feeds, names)

    constant = {tensor.name for tensor in model.graph.initializer}
    fed = (value for value in model.graph.input if value.name not in constant)
    return replace(
        pivot,
        model=model,
        inputs=specs(fed),
        outputs=specs(model.graph.output),
        run_native=answering(model, run),
        remake=None,
        edited=True,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """What the source gives for some probes, and how a target is measured by it.

    Attributes:
        source: The source.
        probes: Samples by source input name.
        expected: The source's native outputs, sample by sample.
        options: The user's tolerances.
    """

    source: Pivot
    probes: tuple[Feeds, ...]
    expected: tuple[Feeds, ...]
    options: Options

    def outputs(self, target: Pivot) -> tuple[OutputPair, ...]:
        """Return a target's outputs, compared; empty where it does not run."""
        try:
            inputs = input_pairs(self.source, target)
            observed = tuple(
                dict(target.run_native(target_feeds(feeds, inputs, target)))
                for feeds in self.probes
            )
        except RunError:
            return ()
        runs = NativeRuns(self.expected, observed, None)
        return output_pairs(self.source, target, runs, {}, self.options, inputs)

    def error(self, target: Pivot) -> float:
        """Return the largest relative error of any output; infinite where none is given."""
        return max((pair.relative_error for pair in self.outputs(target)), default=np.inf)


def judgement(source: Pivot, probes: Sequence[Feeds], options: Options) -> Judgement:
    """Return the source's outputs as the measure of targets.

    Args:
        source: The source.
        probes: Samples by source input name.
        options: The user's tolerances.

    Raises:
        RunError: The source does not run.
    """
    expected = tuple(dict[str, Array](source.run_native(feeds)) for feeds in probes)
    return Judgement(source, tuple(probes), expected, options)


def worse_outputs(
    before: Sequence[OutputPair], after: Sequence[OutputPair], floors: Mapping[str, float]
) -> tuple[str, ...]:
    """Return the outputs that deviate more than they did before a repair.

    Args:
        before: The outputs of the target; empty where it did not run.
        after: The outputs of the repaired model; empty where it does not run.
        floors: Relative error that rounding makes, by target output name.
    """
    if not after:
        return tuple(pair.target for pair in before) or ("every output",)
    known = {pair.target: pair.relative_error for pair in before}
    return tuple(
        pair.target
        for pair in after
        if not pair.within
        and pair.relative_error
        > WORSE * max(known.get(pair.target, np.inf), floors.get(pair.target, 0.0))
    )
