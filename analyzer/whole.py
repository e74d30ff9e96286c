"""Faults that lie in no region: only the outputs show them."""

from collections.abc import Sequence

from analyzer.comparison import Compared
from analyzer.core.report import OutputPair
from analyzer.core.types import Fault
from analyzer.grids.biases import bias_faults
from analyzer.lost_outputs import lost_output_faults
from analyzer.narrowed import narrowing_faults
from analyzer.outputs import NativeRuns
from analyzer.prepared import Prepared


def whole_faults(
    pair: Prepared, compared: Compared, runs: NativeRuns, outputs: Sequence[OutputPair]
) -> tuple[tuple[Fault, ...], tuple[Fault, ...]]:
    """Return the faults of whole models: those to be said first, and those said last.

    Args:
        pair: The pair.
        compared: What comparing the values of the models gave.
        runs: What both gave natively.
        outputs: The same, compared.
    """
    asked = pair, compared, runs, outputs
    lost = tuple(lost_output_faults(pair, compared))
    return bias_faults(*asked), (*narrowing_faults(*asked), *lost)
