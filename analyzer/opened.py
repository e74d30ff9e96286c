"""The comparison of a pair by its parts, of as much of the target as runs."""

from collections.abc import Sequence
from dataclasses import replace

from analyzer.breakage import Runnable, runnable, whole
from analyzer.comparison import Compared, compare_values
from analyzer.core.errors import RunError
from analyzer.core.options import Options, Progress
from analyzer.core.report import InputPair
from analyzer.core.types import Feeds, Pivot
from analyzer.naming import pairs_in_parts
from analyzer.outputs import NativeRuns
from analyzer.view.inline import Opened


def compare_opened(  # noqa: PLR0913 - the pair, what it runs on, and how it is judged
    both: tuple[Pivot, Pivot],
    sides: tuple[Opened, Opened],
    samples: tuple[Feeds, ...],
    inputs: tuple[InputPair, ...],
    runs: NativeRuns,
    fed: Sequence[Feeds],
    options: Options,
    progress: Progress,
) -> tuple[Runnable, Compared]:
    """Return the comparison, of as much of the target as runs, by the names of parts.

    Args:
        both: Source and target, as the user's files hold them.
        sides: The same with their fused operators opened.
        samples: Samples by source input name.
        inputs: Which target input takes which source input.
        runs: What both gave natively.
        fed: The samples by target input name.
        options: Seed, tolerances and stated pairs.
        progress: Told what is being done.
    """
    names = pairs_in_parts(options.pairs, *sides)
    ours, theirs = (
        replace(pivot, model=side.model) for pivot, side in zip(both, sides, strict=True)
    )
    native = runs.source, runs.target
    if runs.refusal is None:
        try:
            working = whole(theirs)
            return working, compare_values(
                ours, theirs, working, samples, inputs, native, options, progress, names
            )
        except RunError:  # its native runtime takes more than ours does
            pass
    tried = (runnable(theirs, feeds) for feeds in fed)  # it may stop at any sample
    working = next((one for one in tried if one.refusal), whole(theirs))
    return working, compare_values(
        ours, theirs, working, samples, inputs, native, options, progress, names
    )
