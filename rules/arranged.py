"""What of the source is carried over: its region with its shape arithmetic, its results."""

from collections.abc import Iterable, Iterator

import numpy as np

from analyzer.core.types import Array, Fault, TensorPair


def held_results(
    results: Iterable[TensorPair], prefix: str, fault: Fault
) -> Iterator[dict[str, Array]]:
    """Yield the results that the source need not compute: the same on every sample.

    Args:
        results: The results.
        prefix: Before their names.
        fault: The fault, with its recorded samples.
    """
    given = {name for node in fault.source.nodes for name in node.outputs}
    for pair in results:
        if pair.source in given or pair.source in fault.source.inputs:
            continue
        seen = [one.source_outputs.get(pair.source) for one in fault.recorded]
        known = [one for one in seen if one is not None]
        if known and all(np.array_equal(one, known[0]) for one in known):
            yield {f"{prefix}{pair.source}": known[0]}


def last_outputs(fault: Fault) -> tuple[TensorPair, ...]:
    """Return what the regions of a model that does not run should give, by position."""
    if not fault.source.outputs or not fault.target.outputs:
        return ()
    return (TensorPair(fault.source.outputs[0], fault.target.outputs[0]),)
