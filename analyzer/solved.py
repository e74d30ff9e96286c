"""The cause test for single numbers: is there one with which a region is right?

A slope, a bound or a factor may be an attribute on one side and a constant among several
operators on the other: then no value of the source can be copied. But where one number of
the target is wrong, what the region should give tells which it must be.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx

from analyzer.core.errors import RepairError, RunError
from analyzer.core.graph import schema_defaults
from analyzer.core.settings import setting_slots
from analyzer.core.types import Array, Aspect, Difference, Fault, Node
from analyzer.differences.undo import undo
from analyzer.runtime.region import open_region, region_error, run_opened

MOST_NODES = 16
"""Operators in a region, at most: activations and normalisations in steps have fewer."""

MOST_NUMBERS = 8
"""Numbers that are solved for in one region, at most; most of them take two runs."""

MOST_STEPS = 12
"""Newton steps for one number. What it is multiplied with takes one, what it is added to
under a root five."""

STEP = 1e-2
"""Relative change of a number that shows what it does: far above float32's rounding."""

PROMISING = 0.5
"""Share of the error, in squares, that a first straight step may leave."""

DIGITS = range(1, 8)
"""Decimal digits of a solved number, the fewest first: people choose round ones."""

ROUND = 3e-7
"""Relative deviation of a solved number from the round one it stands for: five units in
the last place of float32, as least squares leave them."""

MOST = 1e4
"""Largest number that is looked at, below what any float type ends at."""

SAME = 1e-6
"""Relative deviation up to which two numbers are one: a float32 written as a decimal."""

NEUTRAL = {
    ("LeakyRelu", "alpha"): 1.0,
    ("PRelu", "input1"): 1.0,
    ("Mul", "input0"): 1.0,
    ("Mul", "input1"): 1.0,
    ("Div", "input1"): 1.0,
    ("Pow", "input1"): 1.0,
    ("Add", "input0"): 0.0,
    ("Add", "input1"): 0.0,
    ("Sub", "input1"): 0.0,
}
"""Numbers with which an operator gives what it reads: then it is the operator that is too
much, and no setting of it is wrong."""

BOUNDS = frozenset({"Clip", "Min", "Max"})
"""Operators whose number is itself what they give at most, or at least."""


@dataclass(frozen=True, slots=True, eq=False)
class _Number:
    """One number of a target node: an attribute, or a constant of one element."""

    node: Node
    field: str
    slot: int
    value: float

    def at(self, value: float) -> Difference:
        """Return the difference in this number from another value of it."""
        if self.slot < 0:
            return Difference(
                Aspect.ATTRIBUTE, self.field, value, self.value, None, self.node
            )
        present = self.node.constants[self.slot]
        return Difference(
            Aspect.ATTRIBUTE if self.field in {"min", "max"} else Aspect.WEIGHT,
            self.field,
            np.full_like(present, value),
            present,
            None,
            self.node,
            self.slot,
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Bench:
    """A region to be run with other numbers, and what it should give."""

    fault: Fault
    model: onnx.ModelProto
    folder: Path
    names: tuple[str, ...]
    wanted: Array

    def given(self, number: _Number, value: float) -> Array | None:
        """Return all results with one number changed, flat; None where it does not run."""
        if not abs(value) <= MOST:
            return None
        try:
            changed = undo(self.model, number.at(value))
            if changed is None:
                return None
            first = self.fault.recorded[0]
            session = open_region(changed, self.folder, first.inputs, self.names)
            runs = [
                run_opened(session, one.inputs, self.names) for one in self.fault.recorded
            ]
        except (RepairError, RunError):  # the node is elsewhere, or refuses the number
            return None
        found = _flat(one[name] for one in runs for name in self.names)
        return found if found.shape == self.wanted.shape else None

    def cured(self, number: _Number, value: float) -> Difference | None:
        """Return the difference where this value cures the region."""
        if not abs(value) <= MOST:
            return None
        difference = number.at(value)
        try:
            changed = undo(self.model, difference)
        except RepairError:  # the node is elsewhere
            return None
        if changed is None:
            return None
        fault, samples = self.fault, self.fault.recorded
        error = region_error(changed, self.folder, samples, fault.target.outputs)
        return replace(difference, cure=error) if error <= fault.noise_floor else None


def number_causes(
    fault: Fault, model: onnx.ModelProto, folder: Path
) -> tuple[Difference, ...]:
    """Return a difference for each number with which alone the region would be right.

    Args:
        fault: A fault with recorded samples.
        model: The part of the target that the region is in.
        folder: The folder of the target's weights.

    Returns:
        Differences whose source value is what the target's number must be; at most one.
    """
    numbers = tuple(_numbers(fault, _stored(model)))
    names = fault.target.outputs
    if not 0 < len(numbers) <= MOST_NUMBERS or len(fault.target.nodes) > MOST_NODES:
        return ()
    if not all(name in one.expected for one in fault.recorded for name in names):
        return ()
    expected = [one.expected[name] for one in fault.recorded for name in names]
    wanted = _flat(expected)
    if not wanted.size or not np.isfinite(wanted).all():
        return ()
    bench = _Bench(fault, model, folder, names, wanted)
    found = (_solved(bench, number) for number in numbers)
    return tuple(one for one in found if one is not None and not _is_neutral(one))[:1]


def _is_neutral(found: Difference) -> bool:
    """Return whether an operator with the solved number does nothing."""
    node = found.target_node
    number = NEUTRAL.get((node.op, found.field)) if node is not None else None
    return number is not None and bool(
        np.allclose(np.asarray(found.source, np.float64), number, rtol=0, atol=SAME)
    )


def _stored(model: onnx.ModelProto) -> frozenset[str]:
    """Return the constants that are no node's result, though it be always the same one."""
    constants = (node for node in model.graph.node if node.op_type == "Constant")
    names = (name for node in constants for name in node.output)
    return frozenset((*names, *(one.name for one in model.graph.initializer)))


def _numbers(fault: Fault, stored: frozenset[str]) -> Iterator[_Number]:
    """Yield the real numbers of a region that its operators compute with."""
    for node in fault.target.nodes:
        defaults = schema_defaults(node.op, node.opset, node.domain)
        for field, value in {**defaults, **node.attributes}.items():
            if isinstance(value, float) and field not in {"momentum", "seed"}:
                yield _Number(node, field, -1, value)
        for slot, array in node.constants.items():
            is_number = array.size == 1 and array.dtype.kind == "f"
            if is_number and node.inputs[slot] in stored:
                yield _Number(node, _field(node, slot), slot, float(array.reshape(-1)[0]))


def _field(node: Node, slot: int) -> str:
    bounds = {1: "min", 2: "max"}
    is_bound = node.op == "Clip" and slot in setting_slots(node)
    return bounds[slot] if is_bound else f"input{slot}"


def _solved(bench: _Bench, number: _Number) -> Difference | None:
    """Return the difference with the number that cures the region, if there is one."""
    guesses = _bounds(bench.wanted) if number.node.op in BOUNDS else ()
    for guess in (*guesses, _newton(bench, number)):
        for value in _rounded(guess):
            found = bench.cured(number, value)
            if found is not None:
                return found
    return None


def _bounds(wanted: Array) -> tuple[float, ...]:
    return float(wanted.max()), float(wanted.min())


def _rounded(value: float | None) -> Iterator[float]:
    """Yield a number with the fewest digits that still say it, then as it is."""
    if value is None:
        return
    shortened = (float(f"{value:.{digits}g}") for digits in DIGITS)
    near = [one for one in shortened if abs(one - value) <= ROUND * abs(value)]
    yield from dict.fromkeys((*near[:1], value))


def _newton(bench: _Bench, number: _Number) -> float | None:
    """Return the number at which least squares leave nothing, None where none does."""
    value, given = number.value, bench.given(number, number.value)
    for count in range(MOST_STEPS):
        if given is None:
            return None
        rest = bench.wanted - given
        length = STEP * max(abs(value), STEP)
        beside = bench.given(number, value + length)
        slope = None if beside is None else (beside - given) / length
        power = 0.0 if slope is None else float(slope @ slope)
        if slope is None or not power:
            return None
        step = float(slope @ rest) / power
        left = rest - step * slope
        if count == 0 and left @ left > PROMISING * (rest @ rest):
            return None
        value += step
        if abs(step) <= SAME / 10 * abs(value):
            return value
        given = bench.given(number, value)
    return value


def _flat(arrays: Iterable[Array]) -> Array:
    parts: Sequence[Array] = [np.asarray(one, np.float64).ravel() for one in arrays]
    return np.concatenate(parts) if parts else np.zeros(0)
