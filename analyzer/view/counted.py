"""How many turns a Loop takes, where constants and fixed sizes alone decide it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from analyzer.core.errors import RunError
from analyzer.core.graph import constant_value, reads
from analyzer.core.tensors import is_external, tensor_value
from analyzer.core.types import Array
from analyzer.runtime.region import needed, open_region, run_opened, run_region
from analyzer.view.classes import dynamic_tensors
from analyzer.view.sizes import with_every_fixed_size

NOWHERE = Path()
"""Where external weights are looked for: nothing that counts turns is one."""

SMALL = 64
"""Numbers of a constant that may count or choose: a weight has more, and is not copied."""


@dataclass(frozen=True, slots=True, eq=False)
class Constants:
    """What a model's main graph gives whatever it is fed.

    Attributes:
        model: The model.
        beside: Nodes that stand in it where a node of its own was opened.
    """

    model: onnx.ModelProto
    beside: Sequence[onnx.NodeProto] = ()

    def value(self, name: str) -> Array | None:
        """Return a tensor's value; None where it depends on an input or a weight's file.

        Args:
            name: A tensor of the main graph.
        """
        for weight in self.model.graph.initializer:
            if weight.name == name:
                return None if is_external(weight) else tensor_value(weight, NOWHERE)
        nodes = (*self.beside, *self.model.graph.node)
        giver = next((node for node in nodes if name in node.output), None)
        if giver is None or not name:
            return None
        if giver.op_type == "Constant" and giver.attribute[:1]:
            return constant_value(giver, NOWHERE)
        near = any(giver is node for node in self.beside)
        return self._computed_beside(name) if near else self._computed(name)

    def number(self, name: str) -> int | None:
        """Return a constant's only number; None for anything else.

        Args:
            name: A tensor of the main graph.
        """
        found = self.value(name)
        return int(found.ravel()[0]) if found is not None and found.size == 1 else None

    def _computed_beside(self, name: str) -> Array | None:
        near = onnx.ModelProto(ir_version=self.model.ir_version)
        near.opset_import.extend(self.model.opset_import)
        near.graph.node.extend(self.beside)
        read = {one for node in self.beside for one in reads(node)}
        near.graph.initializer.extend(
            one
            for one in self.model.graph.initializer
            if one.name in read and math.prod(one.dims) <= SMALL and not is_external(one)
        )
        try:
            return run_region(near, NOWHERE, {}, [name])[name]
        except RunError:  # it reads what is computed around it
            return None

    def _computed(self, name: str) -> Array | None:
        sized = with_every_fixed_size(self.model)
        if name in dynamic_tensors(sized):
            return None
        try:
            return run_region(sized, NOWHERE, {}, [name])[name]
        except RunError:  # a size that is open, or a weight in another file
            return None


def turns_taken(
    loop: onnx.NodeProto, body: onnx.GraphProto, known: Constants, most: int
) -> int | None:
    """Return how many turns a Loop takes; None where the samples decide, or too many.

    Args:
        loop: The node.
        body: Its body.
        known: Constants of the model around it.
        most: Turns that are counted.
    """
    limit = known.number(loop.input[0]) if loop.input[0] else most + 1
    starts = known.number(loop.input[1]) if loop.input[1:2] and loop.input[1] else 1
    if limit is None or starts is None:
        return None
    if not starts:
        return 0
    going = body.output[0].name
    if _is_passed_on(going, body):
        return limit if limit <= most else None
    counting = _counting(loop, body, known)
    return None if counting is None else _count(counting, min(limit, most + 1), most)


def _is_passed_on(name: str, body: onnx.GraphProto) -> bool:
    """Return whether a body's condition is the one it was given."""
    givers = {one: node for node in body.node for one in node.output}
    while name in givers and givers[name].op_type == "Identity":
        name = givers[name].input[0]
    return bool(name == body.input[1].name)


@dataclass(frozen=True, slots=True, eq=False)
class _Counting:
    """The part of a body that says whether another turn follows.

    Attributes:
        model: The body as a model, and what it reads around it.
        going: What says so.
        states: The output behind each input that it reads and that is a state.
        first: What those are given first, and the number of the turn.
        number: The input that is the number of the turn.
    """

    model: onnx.ModelProto
    going: str
    states: Mapping[str, str]
    first: Mapping[str, Array]
    number: str


def _counting(
    loop: onnx.NodeProto, body: onnx.GraphProto, known: Constants
) -> _Counting | None:
    """Return what counts the turns of a Loop; None where that reads the samples."""
    model = onnx.ModelProto(ir_version=known.model.ir_version)
    model.opset_import.extend(known.model.opset_import)
    model.graph.CopyFrom(body)
    pairs = zip(body.input[2:], loop.input[2:], body.output[1:], strict=False)
    states = {one.name: (first, after.name) for one, first, after in pairs}
    going = body.output[0].name
    reached = _reached(model.graph, [going], states)
    held = {one.name for one in body.initializer}
    clock = {value.name for value in body.input[:2]}
    first = {}
    for name in reached - held - clock:
        value = known.value(states[name][0] if name in states else name)
        if value is None:
            return None
        first[name] = value
    kept = {name: states[name][1] for name in first if name in states}
    return _Counting(model, going, kept, first, body.input[0].name)


def _reached(
    graph: onnx.GraphProto, names: Sequence[str], states: Mapping[str, tuple[str, str]]
) -> set[str]:
    """Return what is read, at any turn, to compute some tensors of a body."""
    wanted, found = set(names), set[str]()
    while True:
        nodes = needed(graph, (), sorted(wanted))
        made = {name for node in graph.node for name in node.output}
        found = {name for node in nodes for name in reads(node)} | wanted
        found -= made
        more = wanted | {states[name][1] for name in found & states.keys()}
        if more == wanted:
            return found
        wanted = more


def _count(counting: _Counting, limit: int, most: int) -> int | None:
    """Return how many turns there are; None where there are more than `most`."""
    values = {**counting.first, counting.number: np.asarray(0, np.int64)}
    outputs = list(dict.fromkeys((counting.going, *counting.states.values())))
    try:
        session = open_region(counting.model, NOWHERE, values, outputs)
        for turn in range(limit):
            values[counting.number] = np.asarray(turn, np.int64)
            given = run_opened(session, values, outputs)
            if not given[counting.going].ravel()[0]:
                return turn + 1
            values |= {name: given[after] for name, after in counting.states.items()}
    except RunError:  # it reads the condition, or what cannot be computed by itself
        return None
    return limit if limit <= most else None
