"""Operators rewritten for another opset, with the same meaning."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import onnx
from onnx import defs, helper, numpy_helper

from analyzer.core.graph import schema_defaults
from analyzer.core.inlaid import keeps_meaning
from analyzer.core.permutations import last_axis_swap
from analyzer.core.settings import (
    setting_dtype,
    setting_slot,
    setting_slots,
    settings,
    worded,
)
from analyzer.core.types import Array, AttributeValue, Node

PER_AXIS_SOFTMAX = 13
"""From this opset Softmax normalises one axis; before, everything from its axis on.

Source: https://onnx.ai/onnx/operators/onnx__Softmax.html"""

SOFTMAXES = frozenset({"Softmax", "LogSoftmax", "Hardmax"})
IDENTITIES = frozenset({"Dropout"})
"""Operators that pass their input on when a model is not being trained."""

CARRIED = "@"
"""Joins the target tensor a spelling serves and the source tensor one of its stands for."""


@dataclass(frozen=True, slots=True, eq=False)
class Spelling:
    """Operators and constants that compute what one node computes."""

    nodes: tuple[onnx.NodeProto, ...]
    constants: Mapping[str, Array]


def spelled(
    node: Node,
    opset: int,
    *,
    rank: int | None = None,
    within: str = "",
    bodies: bool = False,
) -> Spelling | None:
    """Return a node as an opset spells it, its tensors under their own names.

    Args:
        node: An operator of ONNX's own domain.
        opset: The opset to write for.
        rank: Rank of the node's first input, where known.
        within: Put before the name of each new tensor, to keep it apart from others.
        bodies: Whether it may hold graphs, whose names are as they should be.

    Returns:
        Operators that give the node's outputs, or None where the opset knows no spelling.
    """
    graphs = [v for v in node.attributes.values() if isinstance(v, onnx.GraphProto)]
    kept = bodies and all(keeps_meaning(one, node.opset, opset) for one in graphs)
    if node.domain or (graphs and not kept):
        return None
    if node.op in IDENTITIES:
        return Spelling((_proto("Identity", node.inputs[:1], node.outputs[:1], {}),), {})
    if not known_attributes(node.op, opset):
        return None
    across = (node.opset < PER_AXIS_SOFTMAX) != (opset < PER_AXIS_SOFTMAX)
    if node.op in SOFTMAXES and across:
        return _softmax(node, opset, rank, within)
    lost = lost_settings(node, opset)
    if not lost:
        return _plain(node, opset, within)
    rewrite = REWRITES.get((node.op, *sorted(lost)))
    return rewrite(node, opset, within) if rewrite else None


def lost_settings(node: Node, opset: int) -> frozenset[str]:
    """Return the settings of a node that an opset cannot express, defaults left out."""
    defaults = schema_defaults(node.op, node.opset, node.domain)
    known = known_attributes(node.op, opset) or frozenset()
    return frozenset(
        field
        for field, value in settings(node).items()
        if field not in known
        and setting_slot(node.op, field, opset) is None
        and (field not in defaults or defaults[field] != value)
    )


@lru_cache(maxsize=2048)
def known_attributes(op: str, opset: int) -> frozenset[str] | None:
    """Return the attributes an opset's operator has; None: the opset lacks the operator.

    ``op`` itself is among them, so that an operator without attributes is not taken for one
    that does not exist.
    """
    try:
        schema = defs.get_schema(op, opset, "")
    except defs.SchemaError:
        return None
    return None if schema.deprecated else frozenset({op, *schema.attributes})


def _plain(node: Node, opset: int, within: str) -> Spelling | None:
    """Return the same operator, each setting where the opset wants it."""
    if _takes_setting_from_tensor(node, opset):
        return None
    inputs = [
        "" if slot in setting_slots(node) and slot in node.constants else name
        for slot, name in enumerate(node.inputs)
    ]
    constants = {
        node.inputs[slot]: value for slot, value in node.constants.items() if inputs[slot]
    }
    attributes: dict[str, AttributeValue] = {}
    moved = replace(node, opset=opset)
    for field, value in settings(node).items():
        slot = setting_slot(node.op, field, opset)
        if slot is None:
            attributes[field] = worded(node.op, field, value, opset)
            continue
        inputs += [""] * (slot + 1 - len(inputs))
        inputs[slot] = f"{within}{node.outputs[0]}{CARRIED}{field}"
        constants[inputs[slot]] = _setting(moved, slot, field, value)
    while inputs and not inputs[-1]:
        inputs.pop()
    kept = {name: attributes[name] for name in attributes if name in _known(node.op, opset)}
    return Spelling((_proto(node.op, inputs, node.outputs, kept),), constants)


def _known(op: str, opset: int) -> frozenset[str]:
    return known_attributes(op, opset) or frozenset()


def _takes_setting_from_tensor(node: Node, opset: int) -> bool:
    """Return whether a computed setting would have to become an attribute."""
    computed = (
        slot
        for slot in setting_slots(node)
        if slot < len(node.inputs) and node.inputs[slot] and slot not in node.constants
    )
    return any(slot not in setting_slots(replace(node, opset=opset)) for slot in computed)


def _setting(node: Node, slot: int, field: str, value: AttributeValue) -> Array:
    present = node.constants.get(slot)
    array = np.asarray(value, dtype=setting_dtype(node, slot))
    if present is not None and present.size == array.size:
        return array.reshape(present.shape)
    return array.reshape(-1) if field in {"k", "axes"} else array


def _proto(
    op: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    attributes: Mapping[str, AttributeValue],
) -> onnx.NodeProto:
    node = helper.make_node(op, list(inputs), list(outputs), name=outputs[0])
    for name, value in attributes.items():
        if isinstance(value, tuple) and not value:
            continue
        plain = numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
        node.attribute.append(helper.make_attribute(name, plain))
    return node


def _softmax(node: Node, opset: int, rank: int | None, within: str) -> Spelling | None:
    if opset < PER_AXIS_SOFTMAX:
        return _softmax_below_13(node, rank, within)
    return _softmax_from_13(node, rank, within)


def _softmax_below_13(node: Node, rank: int | None, within: str) -> Spelling | None:
    """Return Softmax between two transposes that put its axis last."""
    axis = int(node.attributes["axis"])  # type: ignore[arg-type]  # the schema says INT
    if rank is None:
        return None if axis != -1 else _plain(node, PER_AXIS_SOFTMAX - 1, within)
    swap = last_axis_swap(axis % rank, rank)
    first, last = f"{within}{node.outputs[0]}@last", f"{within}{node.outputs[0]}@normal"
    if axis % rank == rank - 1:
        last_only = {"axis": rank - 1}
        return Spelling((_proto(node.op, node.inputs, node.outputs, last_only),), {})
    nodes = (
        _proto("Transpose", node.inputs, (first,), {"perm": swap}),
        _proto(node.op, (first,), (last,), {"axis": rank - 1}),
        _proto("Transpose", (last,), node.outputs, {"perm": swap}),
    )
    return Spelling(nodes, {})


def _softmax_from_13(node: Node, rank: int | None, within: str) -> Spelling:
    """Return Softmax over the flattened trailing axes, which is what it used to mean."""
    axis = int(node.attributes["axis"])  # type: ignore[arg-type]  # the schema says INT
    if axis == -1 or (rank is not None and axis % rank == rank - 1):
        return Spelling((_proto(node.op, node.inputs, node.outputs, {"axis": -1}),), {})
    parts = ("shape", "flat", "soft")
    shape, flat, soft = (f"{within}{node.outputs[0]}@{part}" for part in parts)
    nodes = (
        _proto("Shape", node.inputs, (shape,), {}),
        _proto("Flatten", node.inputs, (flat,), {"axis": axis}),
        _proto(node.op, (flat,), (soft,), {"axis": -1}),
        _proto("Reshape", (soft, shape), node.outputs, {}),
    )
    return Spelling(nodes, {})


def _topk_smallest(node: Node, opset: int, within: str) -> Spelling | None:
    """Return the largest values of the negated tensor, negated: the smallest ones."""
    values = f"{within}{node.outputs[0]}"
    negated, largest = f"{values}@negated", f"{values}@largest"
    attributes = {k: v for k, v in node.attributes.items() if k != "largest"}
    inner = replace(
        node,
        inputs=(negated, *node.inputs[1:]),
        outputs=(largest, *node.outputs[1:]),
        attributes=attributes,
    )
    spelling = _plain(inner, opset, within)
    if spelling is None:
        return None
    first = _proto("Neg", node.inputs[:1], (negated,), {})
    last = _proto("Neg", (largest,), node.outputs[:1], {})
    return Spelling((first, *spelling.nodes, last), spelling.constants)


AXES_ARE_READ = 13
"""From this opset Unsqueeze and ReduceSum read their axes; before, they are attributes."""


def _scatter_added(node: Node, opset: int, within: str) -> Spelling | None:
    """Return what is added up at each place as a product with marks of the places.

    Updates and data must have one size on every axis but the one scattered along.
    """
    axis = int(node.attributes["axis"])  # type: ignore[arg-type]  # the schema says INT
    if node.attributes["reduction"] != "add" or axis < 0:
        return None
    result = f"{within}{node.outputs[0]}"
    parts = ("shape", "size", "marks", "apart", "spread", "sums")
    shape, size, marks, apart, spread, sums = (f"{result}@{part}" for part in parts)
    data, places, updates = node.inputs[:3]
    constants = {
        **{node.inputs[slot]: value for slot, value in node.constants.items()},
        f"{result}@axis": np.asarray([axis]),
        f"{result}@off_on": np.asarray([0, 1], dtype=np.float32),
    }
    moves = {"Unsqueeze": axis, "ReduceSum": axis + 1}
    steps: tuple[tuple[str, tuple[str, ...], str, dict[str, AttributeValue]], ...] = (
        ("Shape", (data,), shape, {}),
        ("Gather", (shape, f"{result}@axis"), size, {}),
        ("OneHot", (places, size, f"{result}@off_on"), marks, {"axis": axis}),
        ("Unsqueeze", (updates,), apart, {}),
        ("Mul", (marks, apart), spread, {}),
        ("ReduceSum", (spread,), sums, {"keepdims": 0}),
        ("Add", (data, sums), node.outputs[0], {}),
    )
    protos = []
    for op, reads, name, attributes in steps:
        inputs, settled = list(reads), dict(attributes)
        if op in moves and opset >= AXES_ARE_READ:
            inputs.append(f"{name}@axes")
            constants[inputs[-1]] = np.asarray([moves[op]])
        elif op in moves:
            settled["axes"] = (moves[op],)
        protos.append(_proto(op, inputs, (name,), settled))
    return Spelling(tuple(protos), constants)


REWRITES: Mapping[tuple[str, ...], Callable[[Node, int, str], Spelling | None]] = {
    ("TopK", "largest"): _topk_smallest,
    ("ScatterElements", "reduction"): _scatter_added,
}
"""What to write where an opset lacks settings, by operator and the settings it lacks."""


def replacement(
    source: Node, target: Node, *, rank: int | None = None
) -> onnx.GraphProto | None:
    """Return a graph in which the source's operator does the target node's work.

    Args:
        source: The operator to write, its axes already in the target's layout.
        target: The node whose tensors it reads and gives.
        rank: Rank of the target's first input, where known.

    Returns:
        A graph named as the target's tensors, or None where they do not fit each other.
    """
    given = [n for s, n in enumerate(target.inputs) if n and s not in target.constants]
    wanted = [s for s, n in enumerate(source.inputs) if n and s not in source.constants]
    if len(given) != len(wanted) or len(source.outputs) < len(target.outputs):
        return None
    inputs = list(source.inputs)
    for slot, name in zip(wanted, given, strict=True):
        inputs[slot] = name
    within = f"{target.outputs[0]}{CARRIED}"
    for slot in source.constants:
        inputs[slot] = f"{within}{inputs[slot]}"
    outputs = (*target.outputs, *source.outputs[len(target.outputs) :])
    renamed = replace(source, inputs=tuple(inputs), outputs=outputs)
    spelling = spelled(renamed, target.opset, rank=rank, within=within)
    return None if spelling is None else graph_of(spelling, given, target.outputs)


def graph_of(
    spelling: Spelling, inputs: Sequence[str], outputs: Sequence[str]
) -> onnx.GraphProto:
    """Return a spelling as a graph of the named inputs and outputs, of open types."""
    return helper.make_graph(
        list(spelling.nodes),
        "replacement",
        [onnx.ValueInfoProto(name=name) for name in dict.fromkeys(inputs)],
        [onnx.ValueInfoProto(name=name) for name in outputs if name],
        [
            numpy_helper.from_array(np.asarray(value, order="C"), name)
            for name, value in spelling.constants.items()
        ],
    )
