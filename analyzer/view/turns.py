"""Loops, scans and branches, written out as the nodes that they stand for.

Where one model has a Loop and the other has its turns one after the other, the turns are
what belongs together. Each node of a turn knows the node of the body that it is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper

from analyzer.core.graph import node_name
from analyzer.core.tensors import is_external
from analyzer.view.calls import made, renamed
from analyzer.view.fused.known import UNKNOWN, Tensors
from analyzer.view.fused.steps import Steps, constant, inner, over_axes, step

CONTROL = frozenset({"If", "Loop", "Scan"})
"""Operators that hold graphs."""

MOST_TURNS = 64
"""Turns that are written out: exporters that unroll a longer sequence are not known."""

MOST_NODES = 4096
"""Nodes that one operator is written out into, at most: what is analysed stays small."""

BODY, TURN, NODE, GIVES = "body", "turn", "node", "gives"
"""What the metadata of a written-out node says of where it comes from."""


@dataclass(frozen=True, slots=True)
class Within:
    """The node of a body that a written-out node is.

    Attributes:
        body: The attribute that holds the body.
        turn: The turn, None for a branch.
        node: What the node is called there.
        outputs: What it gives there.
    """

    body: str
    turn: int | None
    node: str
    outputs: tuple[str, ...]


def within(node: onnx.NodeProto) -> Within | None:
    """Return which node of a body a node is; None where it was not written out of one."""
    said = {entry.key: entry.value for entry in node.metadata_props}
    if BODY not in said or GIVES not in said:
        return None
    turn = int(said[TURN]) if said[TURN] else None
    return Within(said[BODY], turn, said[NODE], tuple(said[GIVES].split("\n")))


def written_out(
    node: onnx.NodeProto, model: onnx.ModelProto, opset: int, tensors: Tensors
) -> Steps | None:
    """Return the nodes that a control-flow node stands for, in the order they compute.

    Args:
        node: The node.
        model: The model it stands in.
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
    writing = _Writing(node, graphs, _constants(model), opset)
    steps = {"If": writing.branches, "Loop": writing.loop}.get(node.op_type)
    return steps() if steps else writing.scan(tensors)


def _constants(model: onnx.ModelProto) -> dict[str, onnx.TensorProto]:
    found = {one.name: one for one in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[:1]:
            found[node.output[0]] = node.attribute[0].t
    return found


Given = Callable[[int], tuple[Steps, dict[str, str]]]
"""What gives a turn its inputs, besides its states, and what those are called around it."""


@dataclass(frozen=True, slots=True, eq=False)
class _Writing:
    """A control-flow node on its way to being written out."""

    node: onnx.NodeProto
    graphs: Mapping[str, onnx.GraphProto]
    known: Mapping[str, onnx.TensorProto]
    opset: int

    def branches(self) -> Steps | None:
        """Return the branch that is taken, or both and a Where for each result."""
        chosen = self._number(self.node.input[0])
        given = list(self.node.output)
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
        """Return the turns of a Loop that nothing but a constant count ends."""
        graph, count = self.graphs["body"], self._number(self.node.input[0])
        starts = self.node.input[1] if len(self.node.input) > 1 else ""
        if (starts and not self._number(starts)) or not self._goes_on(graph):
            return None
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
        own = dict.fromkeys(name for name in made(graph.node))
        names = {**weights, **{name: inner(f"{scope}/{name}") for name in own}, **given}
        direct = {name for node in graph.node for name in node.output if name}
        results = [value.name for value in graph.output]
        names |= {
            name: end
            for name, end in zip(results, ends, strict=True)
            if end and name in direct and results.count(name) == 1
        }
        steps = [_noted(node, renamed(node, names), body, turn) for node in graph.node]
        for name, end in zip(results, ends, strict=True):
            if end and names.get(name, name) != end:
                steps.append(step("Identity", (names.get(name, name),), end))
        outer = [names.get(name, name) for name in results]
        return tuple(steps), [end or name for name, end in zip(outer, ends, strict=True)]

    def _goes_on(self, graph: onnx.GraphProto) -> bool:
        """Return whether a Loop's body never ends it by itself."""
        name = graph.output[0].name
        givers = {one: node for node in graph.node for one in node.output}
        while name in givers and givers[name].op_type == "Identity":
            name = givers[name].input[0]
        if name == graph.input[1].name:
            return True
        inside = {one.name: one for one in graph.initializer}
        if name in givers and givers[name].op_type == "Constant":
            inside[name] = givers[name].attribute[0].t
        return bool(_value(inside.get(name) or self.known.get(name)))

    def _number(self, name: str) -> int | None:
        return _value(self.known.get(name))

    def _setting(self, name: str) -> int:
        return next((one.i for one in self.node.attribute if one.name == name), 0)

    def _settings(self, name: str, count: int) -> list[int]:
        found = (list(one.ints) for one in self.node.attribute if one.name == name)
        return next(found, [0] * count)


def _value(tensor: onnx.TensorProto | None) -> int | None:
    """Return a constant's only number; None for anything else."""
    if tensor is None or is_external(tensor):
        return None
    values = numpy_helper.to_array(tensor).ravel()
    return int(values[0]) if values.size == 1 else None


def _weights(graph: onnx.GraphProto, body: str) -> Steps:
    """Return the weights of a body as operators that give them."""
    return tuple(
        constant(inner(f"{body}/{one.name}"), numpy_helper.to_array(one))
        for one in graph.initializer
    )


def _noted(
    origin: onnx.NodeProto, node: onnx.NodeProto, body: str, turn: int | None
) -> onnx.NodeProto:
    """Return a written-out node that says which node of a body it is."""
    scope = body if turn is None else f"turn_{turn}"
    node.name = f"{scope}/{node_name(origin)}"
    notes = {
        BODY: body,
        TURN: "" if turn is None else str(turn),
        NODE: node_name(origin),
        GIVES: "\n".join(origin.output),
    }
    for key, value in notes.items():
        node.metadata_props.add(key=key, value=value)
    return node
