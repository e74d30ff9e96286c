"""What of the source is carried over: its region with its shape arithmetic, its results."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from analyzer.core.types import Array, Fault, Node, TensorPair
from rules.regions import computed_inputs


def with_sizes(fault: Fault, given: Sequence[str]) -> tuple[Node, ...]:
    """Return the source's region with what computes sizes for it, givers before readers.

    Args:
        fault: A fault.
        given: What the region reads from outside.
    """
    known, found = set(given), list[Node]()
    given_twice = {node.outputs for node in fault.source.nodes}
    sizes = [node for node in fault.sizes if node.outputs not in given_twice]
    waiting = [*sizes, *fault.source.nodes]
    while waiting:
        ready = [node for node in waiting if known.issuperset(computed_inputs(node))]
        if not ready:
            return fault.source.nodes
        found += ready
        known.update(name for node in ready for name in node.outputs)
        waiting = [node for node in waiting if node not in ready]
    return tuple(found)


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
