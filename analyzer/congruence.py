"""What a target computes by the very steps of the source, from the very same values.

The same operator, with the same settings and the same weights byte for byte, gives the same
values for the same values. What is known so needs no run, and of models of gigabytes that
differ in one layer it is nearly everything.

Source: value numbering, as in B. Alpern, M. N. Wegman and F. K. Zadeck, Detecting equality
of variables in programs, POPL 1988.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx

from analyzer.core.types import Array, Feeds, Node
from analyzer.matching.tensors import Links
from analyzer.matching.twins import Same, look, same_bytes
from analyzer.view import View
from analyzer.view.classes import KNOWN_DOMAINS, RANDOM_OPS

SHORT = 1 << 10
"""Bytes up to which a constant is told by all of them, not by a look."""


@dataclass(frozen=True, slots=True)
class _Step:
    """A node: what tells its operator, the tensors it reads, and those it gives."""

    sign: Hashable
    reads: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Congruence:
    """The values that a source computes, by number, and what a target does with them.

    Attributes:
        numbers: Number of each source tensor; those of equal ones are the same.
        made: Number of what an operator gives for numbered values.
        steps: The target's nodes whose operator the source has too.
        inputs: The source input for each of the target's.
    """

    numbers: Mapping[str, int]
    made: Mapping[Hashable, int]
    steps: tuple[_Step, ...]
    inputs: Mapping[str, str]

    def values(
        self, links: Links, fed: Feeds, given: Feeds, feeds: Feeds
    ) -> dict[str, Array]:
        """Return what the target's tensors must hold in a run, as far as it is known.

        Args:
            links: Tensor pairs by target tensor.
            fed: What readers of a cut tensor get in that run, by target tensor.
            given: The source's values of the same sample.
            feeds: The target's inputs.
        """
        if not self.steps:
            return {}
        read = {name: self._number(links, name, fed, given) for name in fed}
        for name, source in self.inputs.items():
            alike = name in feeds and source in given
            if alike and same_bytes(feeds[name], given[source]):
                read[name] = self.numbers[source]
        names = {self.numbers[n]: n for n in given if n in self.numbers}
        found = self._found(read)
        return {name: given[names[n]] for name, n in found.items() if n in names}

    def _number(self, links: Links, name: str, fed: Feeds, given: Feeds) -> int | None:
        """Return the number of a cut's value, None where it is not just the source's."""
        tensors = links[name].tensors
        ours, theirs = given.get(tensors.source), fed[name]
        if ours is None or tensors.permutation is not None:
            return None
        same = ours.shape == theirs.shape and ours.dtype == theirs.dtype
        return self.numbers.get(tensors.source) if same else None

    def _found(self, read: Mapping[str, int | None]) -> dict[str, int]:
        """Return the number of each target tensor that has one."""
        held: dict[str, int | None] = dict(read)
        found: dict[str, int] = {}
        for step in self.steps:
            key = (step.sign, tuple(held.get(name) for name in step.reads))
            if None in key[1]:
                continue
            for slot, name in enumerate(step.outputs):
                if name and (key, slot) in self.made:
                    found[name] = self.made[key, slot]
                    held.setdefault(name, found[name])
        return found


UNLIKE = Congruence({}, {}, (), {})
"""Of models of which nothing is known to be computed alike."""


def congruence_of(
    source: View, target: View, inputs: Mapping[str, str], same: Same = same_bytes
) -> Congruence:
    """Return what a target computes as its source does.

    Args:
        source: The source's macro graph.
        target: The target's.
        inputs: The source input for each of the target's.
        same: Says whether two constants are the same.
    """
    content = _contents((*source.nodes, *target.nodes), same)
    numbers = {name: place for place, name in enumerate(source.inputs)}
    made: dict[Hashable, int] = {}
    signs = set()
    for node in source.nodes:
        step = _step(node, content)
        held = tuple(numbers.get(name) for name in step.reads) if step else (None,)
        key = (id(node),) if step is None or None in held else (step.sign, held)
        for slot, name in enumerate(node.outputs):
            if name:
                numbers[name] = made.setdefault((key, slot), len(numbers))
        signs |= {step.sign} if step else set()
    found = (_step(node, content) for node in target.nodes)
    steps = tuple(step for step in found if step and step.sign in signs)
    return Congruence(numbers, made, steps, inputs)


def _step(node: Node, content: Mapping[int, int]) -> _Step | None:
    """Return a node as a step, None for one of which nothing can be known."""
    values = node.attributes.values()
    opaque = any(isinstance(value, onnx.GraphProto | np.ndarray) for value in values)
    if opaque or node.op in RANDOM_OPS or node.domain not in KNOWN_DOMAINS:
        return None
    slots = tuple(
        content[id(node.constants[slot])] if slot in node.constants else bool(name)
        for slot, name in enumerate(node.inputs)
    )
    kinds = tuple((type(slot) is int, slot) for slot in slots)
    settings = tuple(sorted((name, repr(v)) for name, v in node.attributes.items()))
    shown = tuple(bool(name) for name in node.outputs)
    sign = (node.op, node.domain, node.opset, settings, kinds, shown)
    read = enumerate(node.inputs)
    reads = tuple(name for slot, name in read if name and slot not in node.constants)
    return _Step(sign, reads, node.outputs)


def _contents(nodes: Iterable[Node], same: Same) -> dict[int, int]:
    """Return a number for each constant, by its identity; equal ones have the same."""
    known: dict[Hashable, list[tuple[Array, int]]] = defaultdict(list)
    found: dict[int, int] = {}
    for value in (value for node in nodes for value in node.constants.values()):
        if id(value) in found:
            continue
        near = known[_mark(value)]
        alike = (n for other, n in near if value.nbytes <= SHORT or same(other, value))
        number = next(alike, None)
        if number is None:
            number = len(found)
            near.append((value, number))
        found[id(value)] = number
    return found


def _mark(value: Array) -> Hashable:
    """Return what tells a constant from most others, a short one from all."""
    if value.dtype.hasobject:
        return id(value)
    if value.nbytes <= SHORT:
        return value.shape, str(value.dtype), value.tobytes()
    return look(value)


class Sameness:
    """Compares arrays byte for byte, each two of them once.

    What has been compared is kept, so that no other array can take its identity.
    """

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], tuple[Array, Array, bool]] = {}

    def __call__(self, one: Array, other: Array) -> bool:
        """Return whether two arrays hold the same bytes in the same order and shape.

        Args:
            one: Array of any shape and dtype.
            other: Likewise.
        """
        key = id(one), id(other)
        if key not in self._known:
            self._known[key] = one, other, same_bytes(one, other)
        return self._known[key][2]
