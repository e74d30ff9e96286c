"""The comparison of a pair by its parts, of as much of the target as runs."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from analyzer.breakage import Runnable, runnable, whole
from analyzer.comparison import Compared, compare_values
from analyzer.core.errors import RunError
from analyzer.core.options import Options, Progress
from analyzer.core.types import Feeds
from analyzer.matching.overrides import Named
from analyzer.outputs import NativeRuns
from analyzer.severed import Severed, own_entries


def compare_opened(
    cut: Severed,
    runs: NativeRuns,
    fed: Sequence[Feeds],
    names: Named,
    options: Options,
    progress: Progress,
) -> tuple[Runnable, Compared]:
    """Return the comparison, of as much of the target as runs, its bodies looked into.

    Args:
        cut: The pair, its fused operators opened.
        runs: What both gave natively.
        fed: The samples by target input name.
        names: What the user states to be pairs, by the names of parts.
        options: Seed and tolerances.
        progress: Told what is being done.
    """
    pivots, on = (cut.source, cut.target), (cut.samples, cut.inputs)
    native = runs.source, runs.target

    def compare(working: Runnable) -> tuple[Runnable, Compared]:
        found = compare_values(
            *pivots, working, *on, native, options, progress, names, cut.outputs
        )
        faults = (own_entries(one, found.target, cut.inputs) for one in found.faults)
        found = replace(found, faults=tuple(faults))
        if not found.faults:
            return working, found
        from analyzer.bodies.looked_into import looked_into

        return working, looked_into(found, pivots, *on, options, progress)

    if runs.refusal is None:
        with suppress(RunError):  # its native runtime may take more than ours does
            return compare(whole(cut.target))
    tried = (runnable(cut.target, feeds) for feeds in fed)  # it may stop at any sample
    return compare(next((one for one in tried if one.refusal), whole(cut.target)))
