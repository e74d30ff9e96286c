"""Loops, scans and branches, written out as the nodes that they stand for.

Where one model has a Loop and the other has its turns one after the other, the turns are
what belongs together. Each node of a turn knows the node of the body that it is.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper

from analyzer.core.graph import node_name
from analyzer.core.tensors import is_external
from analyzer.core.types import Inside
from analyzer.view.calls import renamed
from analyzer.view.counted import Constants, turns_taken
from analyzer.view.fused.known import UNKNOWN, Tensors
from analyzer.view.fused.steps import Steps, constant, inner, over_axes, step

CONTROL = frozenset({"If", "Loop", "Scan"})
"""Operators that hold graphs."""

MOST_TURNS = 64
"""Turns that are written out: exporters that unroll a longer sequence are not known."""

MOST_NODES = 4096
"""Nodes that one operator is written out into, at most: what is analysed stays small."""

PATH, NODE, GIVES = "path", "node", "gives"
"""What the metadata of a written-out node says of where it comes from."""


@dataclass(frozen=True, slots=True)
class Within:
    """The node of a body that a written-out node is.

    Attributes:
        path: The turns or branches it stands inside of, the outermost first.
        node: What the node is called there.
        outputs: What it gives there.
    """

    path: tuple[Inside, ...]
    node: str
    outputs: tuple[str, ...]


def within(node: onnx.NodeProto) -> Within | None:
    """Return which node of a body a node is; None where it was not written out of one."""
    said = {entry.key: entry.value for entry in node.metadata_props}
    if not said.keys() >= {PATH, NODE, GIVES}:
        return None
    path = tuple(Inside(*one) for one in json.loads(said[PATH]))
    return Within(path, said[NODE], tuple(json.loads(said[GIVES])))


def noted(node: onnx.NodeProto, place: Within) -> onnx.NodeProto:
    """Return a copy of a node that says which node of a body it is."""
    result = onnx.NodeProto()
    result.CopyFrom(node)
    del result.metadata_props[:]
    path = [(one.op, one.node, one.body, one.iteration) for one in place.path]
    for key, value in ((PATH, path), (GIVES, place.outputs)):
        result.metadata_props.add(key=key, value=json.dumps(value))
    result.metadata_props.add(key=NODE, value=place.node)
    return result


def handed_down(node: onnx.NodeProto, parts: Steps, base: str, *, is_call: bool) -> Steps:
    """Return the parts of a written-out node, told which node of a body they are.

    Args:
        node: The node that was opened.
        parts: What it was opened into, under their own names.
        base: What those begin with.
        is_call: Whether it calls a function, whose nodes have names of their own.
    """
    place = within(node)
    if place is None:
        return parts
    ends = dict(zip(node.output, place.outputs, strict=False))

    def called(name: str) -> str:
        own = f"{place.node}/{name.removeprefix(base + '/')}" if is_call else place.node
        return str(ends.get(name, own))

    def placed(one: onnx.NodeProto) -> Within:
        if is_call:
            return Within(place.path, called(one.name), tuple(map(called, one.output)))
        return Within(place.path, place.node, place.outputs[:1] * len(one.output))

    return tuple(one if within(one) else noted(one, placed(one)) for one in parts)


def written_out(
    node: onnx.NodeProto, known: Constants, opset: int, tensors: Tensors
) -> Steps | None:
    """Return the nodes that a control-flow node stands for, in the order they compute.

    Args:
        node: The node.
        known: Constants of the model it stands in.
        opset: Its default-domain opset.
        tensors: What is known of the tensors it reads.

    Returns:
        The turns of a Loop whose number is a constant, those of a Scan of known length; of
        an If the branch that a constant chooses, else both and the choice between them.
        None where the file does not say, or the result would be too large.
    """
    graphs = {one.name: one.g for one in node.attribute if one.HasField("g")}
    weights = [one for graph in graphs.values() for one in graph.initializer]
    if any(map(is_external, weights)) or not any(node.output[:1]):
        return None
    writing = _Writing(node, graphs, known, opset)
    steps = {"If": writing.branches, "Loop": writing.loop}.get(node.op_type)
    return steps() if steps else writing.scan(tensors)


Given = Callable[[int], tuple[Steps, dict[str, str]]]
"""What gives a turn its inputs, besides its states, and what those are called around it."""


@dataclass(frozen=True, slots=True, eq=False)
class _Writing:
    """A control-flow node on its way to being written out."""

    node: onnx.NodeProto
    graphs: Mapping[str, onnx.GraphProto]
    known: Constants
    opset: int

    def branches(self) -> Steps | None:
        """Return the branch that is taken, or both and a Where for each result."""
        given = list(self.node.output)
        both = {"then_branch", "else_branch"}
        sizes = {len(graph.output) for graph in self.graphs.values()}
        if self.graphs.keys() != both or sizes != {len(given)} or not self.node.input:
            return None
        chosen = self.known.number(self.node.input[0])
        if chosen is not None:
            body = "then_branch" if chosen else "else_branch"
            graph = self.graphs[body]
            return (*_weights(graph, body), *self._turn(body, None, {}, given)[0])
        steps: list[onnx.NodeProto] = []
        sides = []
        for body in ("then_branch", "else_branch"):
            steps += _weights(self.graphs[body], body)
            nodes, results = self._turn(body, None, {}, [""] * len(given))
            steps += nodes
            sides.append(results)
        for name, one, other in zip(given, *sides, strict=True):
            steps.append(step("Where", (self.node.input[0], one, other), name))
        return tuple(steps)

    def loop(self) -> Steps | None:
        """Return the turns of a Loop whose number no sample decides."""
        graph = self.graphs["body"]
        count = turns_taken(self.node, graph, self.known, MOST_TURNS)
        states = list(self.node.input[2:])
        clock = [value.name for value in graph.input[:2]]
        kept = [value.name for value in graph.output[1:]]

        def given(turn: int) -> tuple[Steps, dict[str, str]]:
            names = {name: inner(f"{turn}/{name}") for name in clock}
            number = constant(names[clock[0]], np.asarray(turn, np.int64))
            going = constant(names[clock[1]], np.asarray([True])[0])
            return (number, going), names

        inputs = [value.name for value in graph.input[2:]]
        return self._turns(count or 0, inputs, states, kept, given)

    def scan(self, tensors: Tensors) -> Steps | None:
        """Return the turns of a Scan over inputs whose length the file declares."""
        graph, count = self.graphs["body"], self._setting("num_scan_inputs")
        kept = len(self.node.input) - count
        axes = self._settings("scan_input_axes", count)
        back = self._settings("scan_input_directions", count)
        shape = tensors.get(self.node.input[-1], UNKNOWN).shape
        length = shape[axes[-1]] if shape and -len(shape) <= axes[-1] < len(shape) else None
        if not length or kept < 0:
            return None
        read = list(
            zip(graph.input[kept:], self.node.input[kept:], axes, back, strict=True)
        )

        def given(turn: int) -> tuple[Steps, dict[str, str]]:
            steps: list[onnx.NodeProto] = []
            names = {value.name: inner(f"{turn}/{value.name}") for value, *_ in read}
            for value, origin, axis, backwards in read:
                place = inner(f"{turn}/place of {value.name}")
                number = length - 1 - turn if backwards else turn
                steps.append(constant(place, np.asarray(number, np.int64)))
                steps.append(step("Gather", (origin, place), names[value.name], axis=axis))
            return tuple(steps), names

        inputs = [value.name for value in graph.input[:kept]]
        outputs = [value.name for value in graph.output]
        return self._turns(length, inputs, list(self.node.input[:kept]), outputs, given)

    def _turns(
        self,
        count: int,
        inputs: Sequence[str],
        states: list[str],
        outputs: Sequence[str],
        given: Given,
    ) -> Steps | None:
        """Return some turns of the body, and what collects their results."""
        graph = self.graphs["body"]
        if not 0 < count <= MOST_TURNS or count * len(graph.node) > MOST_NODES:
            return None
        steps = [*_weights(graph, "body")]
        collected: list[list[str]] = [[] for _ in outputs[len(inputs) :]]
        skipped = len(graph.output) - len(outputs)
        for turn in range(count):
            last = turn == count - 1
            nodes, names = given(turn)
            names |= dict(zip(inputs, states, strict=True))
            ends = [*self.node.output[: len(inputs)]] if last else [""] * len(inputs)
            ends = [""] * skipped + ends + [""] * len(collected)
            made_here, results = self._turn("body", turn, names, ends)
            steps += (*nodes, *made_here)
            states = results[skipped : skipped + len(inputs)]
            for rows, result in zip(
                collected, results[skipped + len(inputs) :], strict=True
            ):
                rows.append(result)
        for place, rows in enumerate(collected):
            steps += self._collected(place, rows, self.node.output[len(inputs) + place])
        return tuple(steps)

    def _collected(self, place: int, rows: Sequence[str], result: str) -> Steps:
        """Return what joins one result of each turn along an axis of its own."""
        axes = self._settings("scan_output_axes", place + 1)
        back = self._settings("scan_output_directions", place + 1)
        names = [inner(f"row {turn} of {place}") for turn in range(len(rows))]
        steps = [
            part
            for row, name in zip(rows, names, strict=True)
            for part in over_axes("Unsqueeze", self.opset, (row, name), [axes[place]])
        ]
        ordered = names[::-1] if back[place] else names
        return (*steps, step("Concat", ordered, result, axis=axes[place]))

    def _turn(
        self, body: str, turn: int | None, given: Mapping[str, str], ends: Sequence[str]
    ) -> tuple[Steps, list[str]]:
        """Return the nodes of one turn, and what it gives, by the names of its results.

        Args:
            body: The attribute that holds the graph.
            turn: Its number, None for a branch.
            given: What its inputs are called around it.
            ends: The names that its results must have; empty where any will do.
        """
        graph = self.graphs[body]
        scope = body if turn is None else f"turn_{turn}"
        weights = {one.name: inner(f"{body}/{one.name}") for one in graph.initializer}
        direct = {name for node in graph.node for name in node.output if name}
        own = {name: inner(f"{scope}/{name}") for name in direct}
        names = {**weights, **own, **given}
        results = [value.name for value in graph.output]
        names |= {
            name: end
            for name, end in zip(results, ends, strict=True)
            if end and name in direct and results.count(name) == 1
        }
        steps = [self._step(node, names, body, turn) for node in graph.node]
        for name, end in zip(results, ends, strict=True):
            if end and names.get(name, name) != end:
                steps.append(step("Identity", (names.get(name, name),), end))
        outer = [names.get(name, name) for name in results]
        return tuple(steps), [end or name for name, end in zip(outer, ends, strict=True)]

    def _step(
        self,
        origin: onnx.NodeProto,
        names: Mapping[str, str],
        body: str,
        turn: int | None,
    ) -> onnx.NodeProto:
        """Return a node of the body as one of a turn, which says where it comes from."""
        around = within(self.node)
        outer = around.path if around else ()
        name = around.node if around else node_name(self.node)
        here = Inside(self.node.op_type, name, body, turn)
        place = Within((*outer, here), node_name(origin), tuple(origin.output))
        node = noted(renamed(origin, names), place)
        scope = body if turn is None else f"turn_{turn}"
        node.name = f"{scope}/{node_name(origin)}"
        return node

    def _setting(self, name: str) -> int:
        return next((one.i for one in self.node.attribute if one.name == name), 0)

    def _settings(self, name: str, count: int) -> list[int]:
        found = (list(one.ints) for one in self.node.attribute if one.name == name)
        return next(found, [0] * count)


def _weights(graph: onnx.GraphProto, body: str) -> Steps:
    """Return the weights of a body as operators that give them."""
    return tuple(
        constant(inner(f"{body}/{one.name}"), numpy_helper.to_array(one))
        for one in graph.initializer
    )
