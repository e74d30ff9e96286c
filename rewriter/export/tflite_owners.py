"""Which operator of the flatbuffer stands behind each node of its pivot.

Importers keep tensor names, so most nodes are found by the name of what they give; the
others by what their operator reads. Axes are tracked, because the pivot computes images as
NCHW where the flatbuffer has NHWC.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np

from analyzer.core.types import Array, Node, Permutation
from rewriter.export.tflite_file import (
    NOTHING,
    FbOperator,
    Flatbuffer,
    kind,
    option,
    tensor_name,
    value,
)

NONE, RELU, RELU_N1_TO_1, RELU6 = 0, 1, 2, 3
"""Fused activations, as the schema numbers them."""

BOUNDS = {
    (0.0, np.inf): RELU,
    (-1.0, 1.0): RELU_N1_TO_1,
    (0.0, 6.0): RELU6,
    (-np.inf, np.inf): NONE,
}
"""The fused activation that clips to each interval."""

CHANNELS_FIRST = frozenset(
    {
        "Conv",
        "ConvTranspose",
        "MaxPool",
        "AveragePool",
        "GlobalAveragePool",
        "GlobalMaxPool",
        "BatchNormalization",
        "Resize",
        "DepthToSpace",
        "SpaceToDepth",
        "InstanceNormalization",
        "LRN",
    }
)
"""ONNX operators that take images as [N, C, H, W] and nothing else."""

NCHW: Permutation = (0, 3, 1, 2)
"""The flatbuffer's axes in the order the pivot has them."""

KINDS = {
    "Conv": {"CONV_2D", "DEPTHWISE_CONV_2D"},
    "ConvTranspose": {"TRANSPOSE_CONV"},
    "Gemm": {"FULLY_CONNECTED"},
    "MatMul": {"FULLY_CONNECTED", "BATCH_MATMUL"},
    "Resize": {"RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"},
    "MaxPool": {"MAX_POOL_2D"},
    "AveragePool": {"AVERAGE_POOL_2D"},
    "GlobalAveragePool": {"MEAN", "AVERAGE_POOL_2D"},
    "Concat": {"CONCATENATION"},
    "ReduceMean": {"MEAN"},
    "ReduceSum": {"SUM"},
    "ReduceMax": {"REDUCE_MAX"},
    "ReduceMin": {"REDUCE_MIN"},
    "Pad": {"PAD", "PADV2", "MIRROR_PAD"},
    "Reshape": {"RESHAPE"},
    "Softmax": {"SOFTMAX"},
    "LeakyRelu": {"LEAKY_RELU"},
    "PRelu": {"PRELU"},
    "Sigmoid": {"LOGISTIC"},
    "Gather": {"GATHER"},
    "Transpose": {"TRANSPOSE"},
    "Add": {"ADD"},
    "Sub": {"SUB"},
    "Mul": {"MUL", "SOFTMAX"},
    "Div": {"DIV"},
}
"""What a node whose own name was lost can have been made from."""

ADDED = re.compile(r"(~\w+|(_raw_output_|_[A-Z]\w*?)?__\d+(:\d+)?)$")
"""What an importer appends to the name of a node that it adds."""

BIASED = frozenset({"FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"})
"""Operators of the flatbuffer that add a bias, which the pivot may have as an Add."""


@dataclass(frozen=True, slots=True, eq=False)
class Owners:
    """A pivot's nodes and tensors, as places in its flatbuffer.

    Attributes:
        operators: The operator behind each node that has one, by node name.
        fused: The operator that each activation is fused into, by node name.
        place: The flatbuffer's tensor behind each of the pivot's, by name. Tensors inside
            what is one operator there share its output.
        layout: ``pivot == flatbuffer.transpose(layout)``, by tensor, where that is known.
        last: The pivot's last tensor in each of the flatbuffer's.
    """

    operators: Mapping[str, FbOperator]
    fused: Mapping[str, FbOperator]
    place: Mapping[str, int]
    layout: Mapping[str, Permutation]
    last: Mapping[int, str]


@dataclass(frozen=True, slots=True, eq=False)
class _Walk:
    """What is known after some nodes; it grows node by node."""

    flatbuffer: Flatbuffer
    writers: Mapping[str, FbOperator]
    named: frozenset[str]
    operators: dict[str, FbOperator] = field(default_factory=dict)
    fused: dict[str, FbOperator] = field(default_factory=dict)
    place: dict[str, int] = field(default_factory=dict)
    layout: dict[str, Permutation] = field(default_factory=dict)
    last: dict[int, str] = field(default_factory=dict)


def owners(flatbuffer: Flatbuffer, nodes: Sequence[Node]) -> Owners:
    """Return which operator and tensor of a flatbuffer stands behind what in its pivot.

    Args:
        flatbuffer: The tree.
        nodes: The pivot's nodes, in topological order.
    """
    graph = flatbuffer.graph
    names = [tensor_name(tensor) for tensor in graph.tensors]
    writers = {names[int(i)]: one for one in graph.operators for i in one.outputs}
    given = frozenset(name for node in nodes for name in node.outputs)
    walk = _Walk(flatbuffer, writers, given)
    for index in graph.inputs:
        walk.place[names[int(index)]] = int(index)
        walk.layout[names[int(index)]] = _straight(_rank(flatbuffer, int(index)))
    for node in nodes:
        _step(walk, node)
    return Owners(walk.operators, walk.fused, walk.place, walk.layout, walk.last)


def _step(walk: _Walk, node: Node) -> None:
    """Learn what stands behind one node and its outputs."""
    host = _fusing(walk, node)
    operator = None
    if host is None:
        operator = _named(walk, node) or _biased(walk, node) or _reader(walk, node)
    if host is not None:
        walk.fused[node.name] = host
    if operator is not None:
        walk.operators[node.name] = operator
    given = [] if operator is None else [int(index) for index in operator.outputs]
    passed = next((walk.place[one] for one in node.inputs if one in walk.place), NOTHING)
    for slot, name in enumerate(node.outputs):
        index = given[slot] if slot < len(given) else passed
        walk.place[name] = index
        walk.last[index] = name
    layout = _layout(walk, node) if _is_next(walk, node, operator) else None
    walk.layout.update({name: layout for name in node.outputs if layout is not None})


def _is_next(walk: _Walk, node: Node, operator: FbOperator | None) -> bool:
    """Return whether a node reads what its operator reads: no transpose moved past it."""
    if operator is None:
        return True
    known = {int(index) for index in (*operator.inputs, *operator.outputs)}
    return all(walk.place.get(name, NOTHING) in {NOTHING, *known} for name in node.inputs)


def _fusing(walk: _Walk, node: Node) -> FbOperator | None:
    """Return the operator that an activation is fused into, if it is."""
    code = activation(node)
    if code in {None, NONE}:
        return None
    index = walk.place.get(node.inputs[0], NOTHING)
    host = next(
        (
            one
            for one in walk.flatbuffer.graph.operators
            if index in {int(i) for i in one.outputs}
        ),
        None,
    )
    if host is None or option(host, "fusedActivationFunction") != code:
        return None
    if walk.writers.get(node.outputs[0], host) is not host:
        return None
    return None if any(one is host for one in walk.fused.values()) else host


def activation(node: Node) -> int | None:
    """Return the fused activation that does what a node does; None where none does.

    Args:
        node: Any node.
    """
    if node.domain or node.op not in {"Relu", "Clip"}:
        return None
    if node.op == "Relu":
        return RELU
    low, high = bounds(node)
    return None if low is None or high is None else BOUNDS.get((low, high))


def bounds(node: Node) -> tuple[float | None, float | None]:
    """Return the interval that a Clip clips to; a bound that is computed is None.

    Args:
        node: A Clip of any opset.
    """
    return _bound(node, 1, "min", -np.inf), _bound(node, 2, "max", np.inf)


def _bound(node: Node, slot: int, attribute: str, default: float) -> float | None:
    if slot in node.constants and node.constants[slot].size == 1:
        return float(node.constants[slot].item())
    if slot < len(node.inputs) and node.inputs[slot]:
        return None
    number = node.attributes.get(attribute, default)
    return _infinite(float(number)) if isinstance(number, int | float) else default


def _infinite(number: float) -> float:
    """Return infinity for the largest float, which Clip had as default until opset 11."""
    largest = float(np.finfo(np.float32).max)
    return float(np.copysign(np.inf, number)) if abs(number) >= largest else number


def _named(walk: _Walk, node: Node) -> FbOperator | None:
    """Return the operator that gives a tensor of the node's name."""
    found = next((walk.writers[one] for one in node.outputs if one in walk.writers), None)
    if found is not None:
        return found
    found = walk.writers.get(ADDED.sub("", node.outputs[0]))
    return found if found is not None and _fits(walk, node, found) else None


def _biased(walk: _Walk, node: Node) -> FbOperator | None:
    """Return the operator whose bias a node adds to what came out of the rest of it."""
    if node.op != "Add" or node.domain or len(node.constants) != 1:
        return None
    index = next((walk.place[one] for one in node.inputs if one in walk.place), NOTHING)
    known = (one for one in walk.operators.values() if index in map(int, one.outputs))
    return next((one for one in known if adds_bias(walk.flatbuffer, one, node)), None)


def adds_bias(flatbuffer: Flatbuffer, operator: FbOperator, node: Node) -> bool:
    """Return whether a node of the pivot is the bias of an operator.

    Args:
        flatbuffer: The tree.
        operator: The operator behind the node.
        node: The node.
    """
    return node.op == "Add" and kind(flatbuffer, operator) in BIASED


def is_beta(flatbuffer: Flatbuffer, operator: FbOperator, node: Node) -> bool:
    """Return whether a node of the pivot is what a SOFTMAX multiplies with first.

    Args:
        flatbuffer: The tree.
        operator: The operator behind the node.
        node: The node.
    """
    if node.op != "Mul" or kind(flatbuffer, operator) != "SOFTMAX":
        return False
    factors = [float(one.item()) for one in node.constants.values() if one.size == 1]
    beta = np.float32(cast("float", option(operator, "beta")))
    return [float(beta)] == factors


def _reader(walk: _Walk, node: Node) -> FbOperator | None:
    """Return the one operator of the node's kind that reads what the node reads.

    Operators that another node is named after are not among them.
    """
    places = {walk.place.get(name, NOTHING) for name in node.inputs} - {NOTHING}
    known = {id(one) for one in walk.operators.values()}
    known |= {id(one) for name, one in walk.writers.items() if name in walk.named}
    found = [
        one
        for one in walk.flatbuffer.graph.operators
        if id(one) not in known
        and _fits(walk, node, one)
        and not places.isdisjoint(int(index) for index in one.inputs)
    ]
    return found[0] if len(found) == 1 else None


def _fits(walk: _Walk, node: Node, operator: FbOperator) -> bool:
    own = kind(walk.flatbuffer, operator)
    return own in KINDS.get(node.op, ()) or own.replace("_", "") == node.op.upper()


def _layout(walk: _Walk, node: Node) -> Permutation | None:
    """Return how a node's output lies in the pivot, against the flatbuffer."""
    rank = _rank(walk.flatbuffer, walk.place[node.outputs[0]])
    known = [walk.layout[name] for name in node.inputs if name in walk.layout]
    if node.op in CHANNELS_FIRST and not node.domain:
        return NCHW if rank == len(NCHW) else None
    if node.op == "Transpose" and known:
        return _transposed(walk, node, known[0])
    moved = [one for one in known if len(one) == rank and one != _straight(rank)]
    return moved[0] if moved else _straight(rank)


def _transposed(walk: _Walk, node: Node, layout: Permutation) -> Permutation | None:
    """Return the layout behind a Transpose, whether the flatbuffer has it too or not.

    Inside what is one operator there, as a BATCH_TO_SPACE_ND, ranks are the pivot's own.
    """
    axes = permutation(node, len(layout))
    if len(axes) != len(layout):
        return None
    operator = walk.operators.get(node.name)
    if operator is None or kind(walk.flatbuffer, operator) != "TRANSPOSE":
        return composed(layout, axes)
    own = value(walk.flatbuffer, int(operator.inputs[1]))
    if own is None:
        return composed(layout, axes)
    return composed(inverse(tuple(int(axis) for axis in own)), composed(layout, axes))


def permutation(node: Node, rank: int) -> Permutation:
    """Return a Transpose's axes; they are reversed where it names none."""
    axes = node.attributes.get("perm")
    if isinstance(axes, tuple):
        return tuple(int(axis) for axis in axes)
    return tuple(reversed(range(rank)))


def composed(first: Permutation, second: Permutation) -> Permutation:
    """Return the permutation that does one transpose after another."""
    return tuple(first[axis] for axis in second)


def inverse(axes: Permutation) -> Permutation:
    """Return the permutation that undoes another."""
    return tuple(int(axis) for axis in np.argsort(axes))


def _straight(rank: int) -> Permutation:
    return tuple(range(rank))


def _rank(flatbuffer: Flatbuffer, index: int) -> int:
    return 0 if index == NOTHING else len(sizes(flatbuffer, index))


def sizes(flatbuffer: Flatbuffer, index: int) -> tuple[int, ...]:
    """Return a tensor's sizes, as the file declares them."""
    shape: Array | None = flatbuffer.graph.tensors[index].shape
    return () if shape is None else tuple(int(size) for size in shape)
