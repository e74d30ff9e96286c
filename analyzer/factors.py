"""The cause test for products: does one of several factors hold the wrong number?

A product of three factors is two operators, in either order and with the constant in either
of them: node by node nothing belongs together, but the constants' product must be the same.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from analyzer.core.types import Aspect, Difference, Fault, Node, Region
from analyzer.view.absorb import LAYOUT_OPS

PRODUCTS = frozenset({"Mul", "Div"})
DIVISOR = 1
"""The slot in which Div reads what it divides by."""


@dataclass(frozen=True, slots=True, eq=False)
class _Factor:
    """A number in a product, and the power in which it counts: negative in a divisor."""

    node: Node
    slot: int
    value: float
    power: int

    @property
    def gain(self) -> float:
        """What the product is multiplied by."""
        return float(np.float64(self.value) ** self.power)

    def solved(self, gain: float) -> float:
        """Return the number with which it gives a gain; NaN where no real one does."""
        return float(np.float64(gain) ** (1.0 / self.power))


@dataclass(frozen=True, slots=True, eq=False)
class _Product:
    """What a region multiplies: computed tensors with their powers, and numbers."""

    leaves: Counter[str]
    factors: tuple[_Factor, ...]

    def without(self, left_out: _Factor | None) -> float:
        """Return the product of all numbers but one."""
        kept = (one.gain for one in self.factors if one is not left_out)
        return float(np.prod([1.0, *kept]))


def factor_differences(fault: Fault) -> Iterator[Difference]:
    """Yield the numbers of a product with which it would be the source's.

    Args:
        fault: A fault; only regions of nothing but products and layouts are looked at.

    Yields:
        Differences in weights, one for each number of the target's product; the source's
        value is what makes both products of numbers the same.
    """
    ours, theirs = _product(fault.source), _product(fault.target)
    if ours is None or theirs is None or len(theirs.factors) == 0:
        return
    partner = {edge.target: edge.source for edge in fault.edges}
    named: Counter[str] = Counter()
    for name, power in theirs.leaves.items():
        named[partner.get(name, "")] += power  # two tensors may hold the same one
    if named != ours.leaves:
        return
    with np.errstate(all="ignore"):
        wanted = ours.without(None)
        if np.isclose(wanted, theirs.without(None), rtol=1e-6):
            return
        for one in theirs.factors:
            right = one.solved(float(np.float64(wanted) / theirs.without(one)))
            if np.isfinite(right):
                yield _difference(one, right)


def _difference(factor: _Factor, right: float) -> Difference:
    wrong = factor.node.constants[factor.slot]
    whole = wrong.dtype.kind in "iu"  # a quotient of floats falls just short of its integer
    return Difference(
        Aspect.WEIGHT,
        f"input{factor.slot}",
        np.full_like(wrong, np.rint(right) if whole else right),
        wrong,
        None,
        factor.node,
        factor.slot,
    )


def _product(part: Region) -> _Product | None:
    """Return what a region multiplies, None where it does anything else."""
    if len(part.outputs) != 1 or not all(map(_is_product, part.nodes)):
        return None
    counted = Counter({part.outputs[0]: 1})
    factors: list[_Factor] = []
    for node in reversed(part.nodes):  # readers first: each tensor's power is whole by then
        power = sum(counted.pop(name, 0) for name in node.outputs)
        for slot in _multiplied(node):
            turned = -power if node.op == "Div" and slot == DIVISOR else power
            if slot in node.constants:
                number = node.constants[slot]
                factors.append(_Factor(node, slot, float(number.reshape(-1)[0]), turned))
            else:
                counted[node.inputs[slot]] += turned
    leaves = Counter({name: power for name, power in counted.items() if power})
    return _Product(leaves, tuple(one for one in factors if one.power))


def _multiplied(node: Node) -> tuple[int, ...]:
    """Return the slots whose values a node multiplies, or passes on."""
    return (0,) if node.op in LAYOUT_OPS else (0, 1)


def _is_product(node: Node) -> bool:
    numbers = [node.constants[slot] for slot in _multiplied(node) if slot in node.constants]
    return node.op in PRODUCTS | LAYOUT_OPS and all(one.size == 1 for one in numbers)
