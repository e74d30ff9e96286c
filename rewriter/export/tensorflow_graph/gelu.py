"""GELU said with Erf or Erfc, found as one operator: TFLite has GELU and has no Erf."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import onnx

from analyzer.core.types import Array

CLOSE = 1e-3
"""How far, relatively, a constant may be from the square root of two in 16 bits."""

LONGEST = 4
"""Products from the error function to the end: by x and by 0.5, and by what is neither."""


@dataclass(frozen=True, slots=True)
class _Graph:
    """Who makes and who reads each tensor, and what is known."""

    makers: Mapping[str, onnx.NodeProto]
    readers: Mapping[str, list[onnx.NodeProto]]
    weights: Mapping[str, Array]

    def scalar(self, name: str) -> float | None:
        """Return a known single number."""
        array = self.weights.get(name)
        maker = self.makers.get(name)
        if array is None and maker is not None and maker.op_type == "Constant":
            found = next((a for a in maker.attribute if a.name == "value"), None)
            array = None if found is None else onnx.numpy_helper.to_array(found.t)
        if array is None or array.size != 1 or array.dtype.kind not in "fV":
            return None
        return float(array.reshape(-1)[0])

    def factors(self, name: str) -> tuple[str, float]:
        """Return a tensor as a tensor times a number."""
        node = self.makers.get(name)
        if node is None or node.op_type not in {"Mul", "Div", "Neg"}:
            return name, 1.0
        if node.op_type == "Neg":
            base, factor = self.factors(node.input[0])
            return base, -factor
        left, right = node.input
        if (number := self.scalar(right)) is not None:
            base, factor = self.factors(left)
            return base, factor * number if node.op_type == "Mul" else factor / number
        if node.op_type == "Mul" and (number := self.scalar(left)) is not None:
            base, factor = self.factors(right)
            return base, factor * number
        return name, 1.0


def with_gelu(graph: onnx.GraphProto, weights: Mapping[str, Array]) -> onnx.GraphProto:
    """Return a graph in which x/2 (1 + erf(x/sqrt 2)) is a node ``Gelu``.

    Args:
        graph: Any graph.
        weights: Its known tensors by name.
    """
    if not any(node.op_type in {"Erf", "Erfc"} for node in graph.node):
        return graph
    seen = _Graph(
        {name: node for node in graph.node for name in node.output},
        _readers(graph),
        weights,
    )
    found = {}
    for node in graph.node:
        if node.op_type in {"Erf", "Erfc"} and (ends := _ends(seen, node)) is not None:
            found[ends[1]] = ends[0]
    return _replaced(graph, found)


def _readers(graph: onnx.GraphProto) -> dict[str, list[onnx.NodeProto]]:
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in Counter(node.input):
            readers.setdefault(name, []).append(node)
    return readers


def _ends(seen: _Graph, node: onnx.NodeProto) -> tuple[str, str] | None:
    """Return the tensors between which an error function is a GELU."""
    base, factor = seen.factors(node.input[0])
    sign = -1 if factor < 0 else 1
    if abs(abs(factor) * math.sqrt(2) - 1) > CLOSE:
        return None
    gate = node.output[0]
    if node.op_type == "Erfc" and sign > 0:
        return None
    if node.op_type == "Erf":
        add = _only(seen, gate)
        gate = "" if add is None else _one_more(seen, add, gate, subtracted=sign < 0)
    return _product(seen, base, gate) if gate else None


def _one_more(seen: _Graph, node: onnx.NodeProto, gate: str, *, subtracted: bool) -> str:
    """Return one plus a gate, or one minus it; empty where a node gives neither."""
    wanted = "Sub" if subtracted else "Add"
    other = [name for name in node.input if name != gate]
    turned = subtracted and node.input[0] == gate
    if node.op_type != wanted or len(other) != 1 or seen.scalar(other[0]) != 1 or turned:
        return ""
    return str(node.output[0])


def _product(seen: _Graph, base: str, gate: str) -> tuple[str, str] | None:
    """Return the ends where a gate is multiplied by the base and by one half."""
    number, times = 1.0, 0
    for _ in range(LONGEST):
        node = _only(seen, gate)
        if node is None or node.op_type not in {"Mul", "Div"}:
            return None
        other = next((name for name in node.input if name != gate), "")
        if node.op_type == "Div":
            divisor = seen.scalar(other)
            if divisor is None or node.input[0] != gate:
                return None
            number /= divisor
        elif (scalar := seen.scalar(other)) is not None:
            number *= scalar
        elif other == base or seen.factors(other)[0] == base:
            number *= 1.0 if other == base else seen.factors(other)[1]
            times += 1
        else:
            return None
        gate = node.output[0]
        if times == 1 and abs(number - 1 / 2) < CLOSE:
            return base, gate
    return None


def _only(seen: _Graph, name: str) -> onnx.NodeProto | None:
    readers = seen.readers.get(name, [])
    return readers[0] if len(readers) == 1 else None


def _replaced(graph: onnx.GraphProto, found: Mapping[str, str]) -> onnx.GraphProto:
    copy = onnx.GraphProto()
    copy.CopyFrom(graph)
    del copy.node[:]
    for node in graph.node:
        base = found.get(node.output[0]) if node.output else None
        made = (
            onnx.helper.make_node("Gelu", [base or ""], [node.output[0]]) if base else node
        )
        copy.node.append(made)
    return copy
