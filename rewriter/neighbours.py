"""Two regions one behind the other, as one: what their fixes do together shows there."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from analyzer.core.types import Fault, Feeds, Region, Sample


def joined(one: Fault, other: Fault) -> Fault | None:
    """Return the fault of two regions together; None where neither reads the other.

    Args:
        one: A fault of the main graph.
        other: Another.

    Returns:
        The second with the first in front: it is fed what both are, but for what passes
        between them, and gives what both give. Its error is not measured anew.
    """
    if set(other.target.outputs) & set(one.target.inputs):
        one, other = other, one
    passed = set(one.target.outputs) & set(other.target.inputs)
    recorded = tuple(_joined_samples(one, other, passed))
    if not passed or not recorded:
        return None
    behind = tuple(name for name in other.target.inputs if name not in passed)
    region = Region(
        (*one.target.nodes, *other.target.nodes),
        tuple(dict.fromkeys((*one.target.inputs, *behind))),
        tuple(recorded[0].expected),
    )
    floor = max(one.noise_floor, other.noise_floor)
    return replace(
        other, target=region, recorded=recorded, noise_floor=floor, outer=None, inside=()
    )


def _joined_samples(one: Fault, other: Fault, passed: set[str]) -> Iterator[Sample]:
    """Yield the samples that both recorded, told by the values that pass between them."""
    for first in one.recorded:
        for then in other.recorded:
            if not all(_is_same(first.expected, then.inputs, name) for name in passed):
                continue
            behind = {k: v for k, v in then.inputs.items() if k not in passed}
            beside = {k: v for k, v in first.expected.items() if k not in passed}
            yield replace(
                then,
                inputs={**behind, **first.inputs},
                expected={**beside, **then.expected},
            )
            break


def _is_same(ones: Feeds, others: Feeds, name: str) -> bool:
    return name in ones and name in others and np.array_equal(ones[name], others[name])
