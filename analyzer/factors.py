"""The cause test for products: does one of several factors hold the wrong number?

A product of three factors is two operators, in either order and with the constant in either
of them: node by node nothing belongs together, but the constants' product must be the same.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from analyzer.core.types import Aspect, Difference, Fault, Node, Region
from analyzer.view.absorb import LAYOUT_OPS

PRODUCTS = frozenset({"Mul", "Div"})
DIVISOR = 1
"""The slot in which Div reads what it divides by."""


@dataclass(frozen=True, slots=True, eq=False)
class _Factor:
    """A number in a product, and the power in which it counts: 1 or -1."""

    node: Node
    slot: int
    value: float
    power: int

    @property
    def gain(self) -> float:
        """What the product is multiplied by."""
        return float(np.float64(self.value) ** self.power)


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
    named = Counter({partner.get(name, ""): n for name, n in theirs.leaves.items()})
    wanted = ours.without(None)
    with np.errstate(all="ignore"):
        if named != ours.leaves or np.isclose(wanted, theirs.without(None), rtol=1e-6):
            return
        for one in theirs.factors:
            right = np.float64(wanted / theirs.without(one)) ** one.power
            if np.isfinite(right):
                yield _difference(one, float(right))


def _difference(factor: _Factor, right: float) -> Difference:
    wrong = factor.node.constants[factor.slot]
    return Difference(
        Aspect.WEIGHT,
        f"input{factor.slot}",
        np.full_like(wrong, right),
        wrong,
        None,
        factor.node,
        factor.slot,
    )


def _product(part: Region) -> _Product | None:
    """Return what a region multiplies, None where it does anything else."""
    givers = {name: node for node in part.nodes for name in node.outputs}
    if len(part.outputs) != 1 or not all(map(_is_product, part.nodes)):
        return None
    leaves: Counter[str] = Counter()
    factors: list[_Factor] = []
    waiting = [(part.outputs[0], 1)]
    while waiting:
        name, power = waiting.pop()
        node = givers.get(name)
        if node is None or (name in part.inputs and name not in part.outputs):
            leaves[name] += power
            continue
        slots = (0,) if node.op in LAYOUT_OPS else (0, 1)
        for slot in slots:
            turned = -power if node.op == "Div" and slot == DIVISOR else power
            if slot in node.constants:
                number = node.constants[slot]
                factors.append(_Factor(node, slot, float(number.reshape(-1)[0]), turned))
            else:
                waiting.append((node.inputs[slot], turned))
    return _Product(leaves, tuple(factors))


def _is_product(node: Node) -> bool:
    if node.op in LAYOUT_OPS:
        return True
    numbers: Mapping[int, np.ndarray] = node.constants
    return node.op in PRODUCTS and all(one.size == 1 for one in numbers.values())
