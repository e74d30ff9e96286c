"""Does the target work at a second size, where both sides declare the size open?"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analyzer.comparison import Compared
from analyzer.core.errors import RunError
from analyzer.core.options import Options, silent
from analyzer.core.report import InputPair, OutputPair
from analyzer.core.types import Array, FaultClass, Feeds, Finding, Pivot, Status, TensorPair
from analyzer.judge import QUANTIZING
from analyzer.matching.ends import target_feeds
from analyzer.naming import in_file
from analyzer.opened import compare_opened
from analyzer.outputs import NativeRuns, judged_outputs, native_runs
from analyzer.outside import bare_fault, bare_finding
from analyzer.probes.second import second_sizes, told
from analyzer.runtime.dump import dump, instrument
from analyzer.runtime.metrics import relative_error
from analyzer.runtime.session import open_session
from analyzer.severed import Severed
from analyzer.view.inline import Opened

FROZEN = "shape-frozen"
"""The rule of a size that was frozen at conversion."""

OF_SIZES = frozenset(
    {FaultClass.TENSOR_SHAPE_STRUCTURE, FaultClass.INPUT_DIMS, FaultClass.RUNTIME}
)
"""What a size can be wrong in, whatever values a sample has."""

IN_ORDER = 0.5
"""Relative error up to which two rows of numbers are one row: quantization, and faults
before it, move numbers by far less than another order does."""


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A pair that agrees on every sample so far.

    Attributes:
        source: The source's pivot.
        target: The target's pivot.
        inputs: Which target input takes which source input.
        options: How the pair is judged.
        runs: What both gave for the samples so far.
        compared: What comparing their values gave.
    """

    source: Pivot
    target: Pivot
    inputs: tuple[InputPair, ...]
    options: Options
    runs: NativeRuns
    compared: Compared


def at_second_sizes(
    asked: Asked,
    sides: tuple[Opened, Opened],
    samples: Sequence[Feeds],
    explain: Callable[[Compared], tuple[tuple[Finding, ...], object]],
) -> tuple[Finding, ...]:
    """Return what is found only where an open size is not the one all samples have.

    Args:
        asked: The pair; nothing is asked of one with a fault already, or that does not run.
        sides: Its models with their fused operators opened.
        samples: The samples so far, by source input name.
        explain: Gives the findings of a comparison, and what is not asked for here.
    """
    wrong = any(fault.status is Status.FAULT for fault in asked.compared.faults)
    if wrong or asked.runs.refusal is not None:
        return ()
    both, inputs = (asked.source, asked.target), asked.inputs
    options = replace(asked.options, inputs=None)  # what is drawn is no input of the user's

    def found(sample: Feeds, given: NativeRuns, fed: Feeds) -> tuple[Finding, ...]:
        once = Severed(ours, theirs, (sample,), inputs, None, ())
        return explain(compare_opened(once, given, (fed,), (), options, silent)[1])[0]

    ours, theirs = (
        replace(pivot, model=side.model) for pivot, side in zip(both, sides, strict=True)
    )
    parts = replace(asked, source=ours, target=theirs)
    return tuple(in_file(one, *sides) for one in size_findings(parts, samples, found))


def size_findings(
    asked: Asked,
    samples: Sequence[Feeds],
    compare: Callable[[Feeds, NativeRuns, Feeds], tuple[Finding, ...]],
) -> Iterator[Finding]:
    """Yield what is wrong at another batch, or at another size, than all samples have.

    Args:
        asked: The pair.
        samples: The samples so far, by source input name.
        compare: Gives the findings on one more sample, for what both natively gave for it
            and what the target is fed.
    """
    source, target, inputs = asked.source, asked.target, asked.inputs
    view, seed = asked.compared.target, asked.options.seed
    for sample in second_sizes(source, target, inputs, samples[0], view, seed=seed):
        try:
            runs = native_runs(source, target, (sample,), inputs)
        except RunError:  # the source itself works at one size only
            continue
        fed = target_feeds(sample, inputs, target)
        pairs = () if runs.refusal else _outputs(asked, sample, fed, runs)
        if pairs and all(pair.within for pair in pairs):
            continue
        sizes = told(samples[0], sample)
        found = [one for one in compare(sample, runs, fed) if _counts(one, target)]
        sized = not pairs or any(np.isinf(pair.max_abs_error) for pair in pairs)
        for one in found or (_misshapen(asked, sample, fed) if sized else ()):
            message = f"{one.message}; seen at {sizes} only"
            yield replace(one, message=message, affected=1, samples=len(samples) + 1)


def _counts(finding: Finding, target: Pivot) -> bool:
    """Return whether what one drawn sample shows is a fault.

    No calibration saw its like: of a quantized target it tells sizes, and no values.
    """
    rounded = any(node.op_type.startswith(QUANTIZING) for node in target.model.graph.node)
    sized = finding.fault_class in OF_SIZES or not rounded
    return finding.status is Status.FAULT and sized


def _outputs(
    asked: Asked, sample: Feeds, fed: Feeds, runs: NativeRuns
) -> tuple[OutputPair, ...]:
    """Return the outputs for one more sample, compared in the layout known so far."""
    source, target, inputs = asked.source, asked.target, asked.inputs
    before = asked.runs
    both = NativeRuns(
        (*before.source[:1], *runs.source), (*before.target[:1], *runs.target), None
    )
    feeds = (sample,), (fed,)
    return judged_outputs((source, target), feeds, inputs, both, asked.options, ())


def _misshapen(asked: Asked, sample: Feeds, fed: Feeds) -> Iterator[Finding]:
    """Yield a finding for the first tensor that holds its numbers in other sizes.

    A pair of tensors may have been one at the first sizes only, as two orders of axes are
    of which one has size 1: there the numbers lie in another order, too. Such a pair is
    told where there is no other.
    """
    compared = asked.compared
    given, seen = (
        dump(open_session(instrument(pivot.model), pivot.folder), feeds)
        for pivot, feeds in ((asked.source, sample), (asked.target, fed))
    )
    order, given_by = compared.target.order, compared.target.giver
    known = (one.tensors for one in compared.links.values())
    held = (
        (pair.target, _both(pair, given, seen)) for pair in known if pair.target in given_by
    )
    odd = [(name, both) for name, both in held if both and both[0].shape != both[1].shape]
    if not odd:
        return
    name, (ours, theirs) = min(odd, key=lambda one: (_reordered(*one[1]), order[one[0]]))
    yield bare_finding(
        FROZEN,
        bare_fault(
            FaultClass.TENSOR_SHAPE_STRUCTURE,
            f"{name}: has the shape {theirs.shape}, the source's is {ours.shape}",
            nodes=(given_by[name],),
            guilty=(name,),
        ),
    )


def _reordered(ours: Array, theirs: Array) -> bool:
    """Return whether two arrays of as many numbers have them in different orders."""
    if ours.size != theirs.size:
        return False
    return relative_error(theirs.reshape(-1), ours.reshape(-1)) > IN_ORDER


def _both(pair: TensorPair, given: Feeds, seen: Feeds) -> tuple[Array, Array] | None:
    """Return the source's array in the target's layout, and the target's."""
    if pair.shape is not None or pair.source not in given or pair.target not in seen:
        return None
    ours, theirs = given[pair.source], seen[pair.target]
    order = pair.permutation or tuple(range(ours.ndim))
    return (ours.transpose(order), theirs) if len(order) == ours.ndim else None
