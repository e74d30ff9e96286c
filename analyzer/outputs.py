"""The verdict's own evidence: the native source's outputs against the native target's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analyzer.core.errors import RunError, UsageError
from analyzer.core.listing import several
from analyzer.core.options import EVERY_OUTPUT, Options
from analyzer.core.report import InputPair, OutputPair
from analyzer.core.types import Array, Fault, Feeds, Pivot, Status
from analyzer.judge import NEGLIGIBLE, least_noise, whole_model_noise
from analyzer.matching.ends import output_names, target_feeds
from analyzer.matching.layouts import Layout, best_layout
from analyzer.matching.tensors import carried_or_none, likeliest_layout
from analyzer.matching.values import SAME_VALUES
from analyzer.runtime.metrics import label_disagreement, max_abs_error, relative_error
from analyzer.runtime.session import mapped_bytes

LIGHT = 1 << 20
"""Bytes of a model up to which a bare run costs nothing beside the comparison of a sample:
starting the process takes longer than all of them."""

UNSEEN = "OUS"
"""Kinds of NumPy dtypes that no dump holds: sequences and strings."""


@dataclass(frozen=True, slots=True, eq=False)
class NativeRuns:
    """What both native runtimes gave, sample by sample, by their own output names.

    Attributes:
        source: The source's outputs.
        target: The target's outputs; empty where it refused.
        refusal: Why the target did not run; None where it did.
    """

    source: tuple[Feeds, ...]
    target: tuple[Feeds, ...]
    refusal: RunError | None


def native_runs(
    source: Pivot, target: Pivot, probes: Sequence[Feeds], inputs: Sequence[InputPair]
) -> NativeRuns:
    """Return the outputs of both models in their own runtimes.

    An ONNX file is its own pivot: whether the runtime's optimizer changes it is seen on the
    first sample, and what it gives on the others is taken from the runs that follow. Light
    models are run on all of them: an optimizer's fault may need the right values.

    Args:
        source: The source; it must run.
        target: The target; it may refuse.
        probes: Samples by source input name.
        inputs: Which target input takes which source input.

    Raises:
        RunError: The source does not run.
    """
    light = all(_size(pivot) <= LIGHT for pivot in (source, target))
    ours = _ran(source, probes, light=light)
    fed = [target_feeds(feeds, inputs, target) for feeds in probes]
    try:
        return NativeRuns(ours, _ran(target, fed, light=light), None)
    except RunError as refusal:
        return NativeRuns(ours, (), refusal)


def _size(pivot: Pivot) -> int:
    """Return how many bytes a model has, its weights included."""
    return int(pivot.model.ByteSize()) + mapped_bytes(pivot.model)


def _ran(pivot: Pivot, probes: Sequence[Feeds], *, light: bool) -> tuple[Feeds, ...]:
    """Return what a model gives natively: of a heavy ONNX file, what no dump shows."""
    first = dict(pivot.run_native(probes[0]))
    unseen = any(array.dtype.kind in UNSEEN for array in first.values())
    is_own_pivot = pivot.framework == "onnx" or pivot.edited
    whole = light or unseen or not is_own_pivot
    rest = probes[1:] if whole else ()
    return (first, *(dict(pivot.run_native(feeds)) for feeds in rest))


def completed(
    runs: NativeRuns,
    seen: tuple[Sequence[Feeds], Sequence[Feeds]],
    refusal: RunError | None,
) -> NativeRuns:
    """Return native runs with what was seen since, on the samples they leave out.

    Args:
        runs: What both native runtimes gave.
        seen: Outputs of both models, sample by sample.
        refusal: Why the target stopped on a later sample; None where it did not.
    """
    ours = _continued(runs.source, seen[0])
    if runs.refusal or refusal:
        return NativeRuns(ours, (), runs.refusal or refusal)
    return NativeRuns(ours, _continued(runs.target, seen[1]), None)


def _continued(known: tuple[Feeds, ...], seen: Sequence[Feeds]) -> tuple[Feeds, ...]:
    """Return the outputs known of the first samples, and the same ones of the others."""
    later = ({name: given[name] for name in known[0]} for given in seen[len(known) :])
    return (*known, *later)


def output_layouts(
    names: Sequence[tuple[str, str]],
    ours: Feeds,
    theirs: Feeds,
    inputs: Sequence[InputPair],
) -> dict[tuple[str, str], Layout]:
    """Return how each source output lies in its target output.

    Where the inputs have their axes in one order, so must the outputs: whoever reads them
    was not told of another.

    Args:
        names: Output names that belong together.
        ours: The source's outputs for one sample.
        theirs: The target's outputs for the same sample.
        inputs: Which target input takes which source input.
    """
    orders = [pair.permutation for pair in inputs if pair.permutation is not None]
    fixed = not orders
    found = {}
    for left, right in names:
        if left not in ours or right not in theirs:
            continue
        both = ours[left], theirs[right]
        close = best_layout(*both, orders, limit=SAME_VALUES, fixed=fixed)
        found[left, right] = (
            close[0] if close else likeliest_layout(*both, orders, fixed=fixed)
        )
    return found


def output_pairs(
    source: Pivot,
    target: Pivot,
    runs: NativeRuns,
    floors: Mapping[str, float],
    options: Options,
    inputs: Sequence[InputPair] = (),
) -> tuple[OutputPair, ...]:
    """Return each pair of outputs, compared over all samples.

    Args:
        source: The source.
        target: The target.
        runs: What both gave.
        floors: Relative error that rounding makes in each target output.
        options: The user's tolerances, which replace the floor of the outputs they name.
        inputs: Which target input takes which source input.
    """
    names = output_names(source, target)
    if not runs.target:
        return ()
    layouts = output_layouts(names, runs.source[0], runs.target[0], inputs)
    pairs = (
        _output_pair(left, right, layouts[left, right], runs, floors, options)
        for left, right in names
        if (left, right) in layouts
    )
    return tuple(replace(one, step=_step(source, target, one)) for one in pairs)


def _step(source: Pivot, target: Pivot, pair: OutputPair) -> float | None:
    """Return what one step of an output's integers is, of the coarser side."""
    ends = source.ends.get(pair.source), target.ends.get(pair.target)
    return max((end.scale for end in ends if end is not None), default=None)


def refuse_unknown_outputs(source: Pivot, target: Pivot, options: Options) -> None:
    """Refuse tolerances for outputs that neither model has.

    Raises:
        UsageError: A name is misspelt; the message lists the outputs there are.
    """
    known = [spec.name for spec in (*source.outputs, *target.outputs)]
    for name in (*options.rtol, *options.atol):
        if name != EVERY_OUTPUT and name not in known:
            raise UsageError(
                f"a tolerance is given for {name}, which is no output of either model",
                hint=f"name one of {several(dict.fromkeys(known))}",
            )


def _output_pair(
    left: str,
    right: str,
    layout: Layout,
    runs: NativeRuns,
    floors: Mapping[str, float],
    options: Options,
) -> OutputPair:
    both = [
        (_in_layout(ours[left], layout), theirs[right])
        for ours, theirs in zip(runs.source, runs.target, strict=True)
    ]
    absolute = max(max_abs_error(got, want) for want, got in both)
    relative = max(relative_error(got, want) for want, got in both)
    floor = floors.get(right, NEGLIGIBLE)
    return OutputPair(
        left,
        right,
        layout.permutation,
        absolute,
        relative,
        floor,
        _is_within(
            right, left, both, bool(np.isfinite(relative)) and relative <= floor, options
        ),
        label_disagreement(both),
    )


def _in_layout(array: Array, layout: Layout) -> Array:
    moved = carried_or_none(array, layout)
    return array if moved is None else moved


def _is_within(
    right: str,
    left: str,
    both: Sequence[tuple[Array, Array]],
    default: bool,  # noqa: FBT001 - the answer where the user gave no tolerance
    options: Options,
) -> bool:
    rtol = _tolerance(options.rtol, right, left)
    atol = _tolerance(options.atol, right, left)
    if rtol is None and atol is None:
        return default
    return all(
        got.shape == want.shape
        and np.allclose(got, want, rtol=rtol or 0.0, atol=atol or 0.0, equal_nan=True)
        for want, got in both
    )


def _tolerance(given: Mapping[str, float], *names: str) -> float | None:
    return next((given[n] for n in (*names, EVERY_OUTPUT) if n in given), None)


def judged_outputs(
    pivots: tuple[Pivot, Pivot],
    feeds: tuple[Sequence[Feeds], Sequence[Feeds]],
    inputs: Sequence[InputPair],
    runs: NativeRuns,
    options: Options,
    faults: Sequence[Fault],
) -> tuple[OutputPair, ...]:
    """Return the outputs compared; noise is measured only where they plainly deviate.

    Args:
        pivots: Source and target.
        feeds: Samples by source and by target input name.
        inputs: Which target input takes which source input.
        runs: What both gave.
        options: Tolerances, and the seed of the noise.
        faults: What explains a deviation anyhow.
    """
    source, target = pivots
    plain = output_pairs(source, target, runs, {}, options, inputs)
    shown = any(fault.status is not Status.LATENT for fault in faults)
    if all(pair.within for pair in plain) or shown:
        return plain
    least = max(least_noise(source), least_noise(target))
    cheap = {right: least for _, right in output_names(source, target)}
    pairs = output_pairs(source, target, runs, cheap, options, inputs)
    if all(pair.within for pair in pairs):
        return pairs
    floors = output_floors(source, target, *feeds, options.seed)
    return output_pairs(source, target, runs, floors, options, inputs)


def output_floors(
    source: Pivot, target: Pivot, feeds: Sequence[Feeds], theirs: Sequence[Feeds], seed: int
) -> dict[str, float]:
    """Return the relative error that rounding can make in each target output, end to end.

    Args:
        source: The source.
        target: The target.
        feeds: Samples by source input name.
        theirs: The same samples by target input name.
        seed: Seed of the perturbations.
    """
    ours = whole_model_noise(source, feeds, seed)
    own = whole_model_noise(target, theirs, seed)
    return {
        right: max(own.get(right, NEGLIGIBLE), ours.get(left, NEGLIGIBLE))
        for left, right in output_names(source, target)
    }
