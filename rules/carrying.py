"""The source's own operators, carried over into the target as edits."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from onnx import helper

from analyzer.core.graph import node_reads
from analyzer.core.inlaid import prefixed
from analyzer.core.permutations import inverse, moved_axis
from analyzer.core.spelling import CARRIED, Spelling, graph_of, spelled
from analyzer.core.types import (
    Array,
    Edit,
    Fault,
    InsertNode,
    Node,
    Permutation,
    ReplaceRegion,
    TensorPair,
)
from rules.arranged import held_results, last_outputs
from rules.gaps import CAPTURED, Gap
from rules.protos import proto_of
from rules.regions import computed_inputs, entering, sample_shape

AXIS_FIELDS = frozenset({"axis"})
ELEMENTWISE = frozenset(
    {
        "Add",
        "Sub",
        "Mul",
        "Div",
        "Pow",
        "Max",
        "Min",
        "PRelu",
        "Mod",
        "Where",
        "And",
        "Or",
        "Xor",
    }
)
"""Operators whose constants share the axes of their input."""


def target_opset(fault: Fault) -> int | None:
    """Return the default-domain opset of the target's nodes, None where nothing has one.

    Where they are of other domains, the source's: whoever grafts an edit converts it.
    """
    known = (*fault.target.nodes, *fault.source.nodes)
    return next((node.opset for node in known if not node.domain), None)


def carried(fault: Fault) -> ReplaceRegion | None:
    """Return the edit that lets the source's whole region compute the target's results.

    Args:
        fault: A fault whose regions have paired ends.

    Returns:
        One edit, layouts and opsets converted; None where an end has no counterpart or an
        operator has no spelling in the target's opset.
    """
    opset = target_opset(fault)
    given = {edge.source: edge for edge in entering(fault)}
    read = dict.fromkeys((*fault.source.inputs, *fault.source.measured))
    own = {name for node in fault.source.nodes for name in node.outputs}  # not fed as well
    needed = [name for name in read if name and name not in own]
    results = fault.results or last_outputs(fault)
    if opset is None or not results or any(name not in given for name in needed):
        return None
    computed = own.union(fault.source.inputs)
    if not fault.recorded and any(pair.source not in computed for pair in results):
        return None
    prefix = f"{results[0].target}{CARRIED}"
    entries = [_entered(given[name], prefix, fault) for name in needed]
    body = _body(_in_order(fault, needed), opset, prefix, needed, fault)
    if body is None or any(part is None for part in entries):
        return None
    exits = [_left(pair, prefix, fault) for pair in results]
    parts = [*(part for part in entries if part is not None), body, *exits]
    parts += [Spelling((), held) for held in held_results(results, prefix, fault)]
    whole = Spelling(
        tuple(node for part in parts for node in part.nodes),
        {name: value for part in parts for name, value in part.constants.items()},
    )
    inputs = [given[name].target for name in needed]
    graph = graph_of(whole, inputs, [pair.target for pair in results])
    return ReplaceRegion(tuple(node.name for node in fault.target.nodes), graph, opset)


def _in_order(fault: Fault, outside: Sequence[str]) -> Iterator[Node]:
    """Yield the source's nodes, each size before the first node that waits for it."""
    part = fault.source
    own = {node.outputs for node in (*part.nodes, *part.measuring)}
    known = set(outside)
    every = [*part.measuring, *(one for one in fault.sizes if one.outputs not in own)]
    read = {name for node in (*part.nodes, *every) for name in _read(node)}
    sizes = [one for one in every if not read.isdisjoint(one.outputs)]  # no constants
    for node in part.nodes:
        while ready := [one for one in sizes if known.issuperset(_read(one))]:
            for size in ready:
                sizes.remove(size)
                known.update(size.outputs)
                yield size
        known.update(node.outputs)
        yield node


def _read(node: Node) -> Iterator[str]:
    """Yield the tensors a node reads that are no constants, those its graphs read too."""
    fixed = {name for slot, name in enumerate(node.inputs) if slot in node.constants}
    fixed.update(node.held)
    yield from (name for name in node_reads(node) if name not in fixed)


def _body(
    nodes: Iterable[Node], opset: int, prefix: str, outside: Sequence[str], fault: Fault
) -> Spelling | None:
    """Return nodes spelled for an opset, every tensor of theirs under the prefix."""
    known = set(outside)
    protos: list[onnx.NodeProto] = []
    constants: dict[str, Array] = {}
    for node in nodes:
        if any(name not in known for name in _read(node)):
            return None
        renamed = replace(
            prefixed(node, prefix),
            inputs=tuple(f"{prefix}{name}" if name else "" for name in node.inputs),
            outputs=tuple(f"{prefix}{name}" if name else "" for name in node.outputs),
        )
        shape = (
            sample_shape(fault, computed_inputs(node)[0]) if computed_inputs(node) else None
        )
        rank = None if shape is None else len(shape)
        spelling = spelled(renamed, opset, rank=rank, bodies=True)
        if spelling is None:
            return None
        protos += spelling.nodes
        constants |= spelling.constants
        known.update(node.outputs)
    return Spelling(tuple(protos), constants)


def _entered(edge: TensorPair, prefix: str, fault: Fault) -> Spelling | None:
    """Return what turns a target tensor into the source's, under the prefix."""
    steps: list[tuple[str, dict[str, Any], Array | None]] = []
    shape = sample_shape(fault, edge.source)
    if edge.shape is not None:
        if shape is None:
            return None
        order = edge.permutation or tuple(range(len(shape)))
        sizes = [shape[axis] for axis in order]
        steps.append(("Reshape", {}, np.asarray([-1, *sizes[1:]], dtype=np.int64)))
    back = inverse(edge.permutation)
    if back is not None:
        steps.append(("Transpose", {"perm": list(back)}, None))
    ours, theirs = _dtypes(edge, fault)
    if ours is not None and ours != theirs:
        steps.append(("Cast", {"to": _element_type(ours)}, None))
    return _steps(edge.target, f"{prefix}{edge.source}", steps)


def _left(pair: TensorPair, prefix: str, fault: Fault) -> Spelling:
    """Return what turns a carried source tensor into the target's result."""
    steps: list[tuple[str, dict[str, Any], Array | None]] = []
    if pair.permutation is not None:
        steps.append(("Transpose", {"perm": list(pair.permutation)}, None))
    if pair.shape is not None:
        steps.append(("Reshape", {}, np.asarray([-1, *pair.shape[1:]], dtype=np.int64)))
    ours, theirs = _dtypes(pair, fault)
    if theirs is not None and ours != theirs:
        steps.append(("Cast", {"to": _element_type(theirs)}, None))
    return _steps(f"{prefix}{pair.source}", pair.target, steps)


def _steps(
    start: str, end: str, steps: Sequence[tuple[str, dict[str, Any], Array | None]]
) -> Spelling:
    chosen = steps or [("Identity", {}, None)]
    nodes, constants, last = [], {}, start
    for place, (op, attributes, constant) in enumerate(chosen):
        name = end if place == len(chosen) - 1 else f"{end}{CARRIED}{op}"
        reads = [last]
        if constant is not None:
            reads.append(f"{end}{CARRIED}{op}_shape")
            constants[reads[1]] = constant
        node = helper.make_node(op, reads, [name], name=name)
        node.attribute.extend(helper.make_attribute(k, v) for k, v in attributes.items())
        nodes.append(node)
        last = name
    return Spelling(tuple(nodes), constants)


def _dtypes(
    pair: TensorPair, fault: Fault
) -> tuple[np.dtype[Any] | None, np.dtype[Any] | None]:
    """Return the dtypes a tensor has in the source and in the target, where recorded."""
    for sample in fault.recorded:
        ours = {**sample.source_inputs, **sample.source_outputs}.get(pair.source)
        theirs = {**sample.inputs, **sample.observed}.get(pair.target)
        if ours is not None and theirs is not None:
            return ours.dtype, theirs.dtype
    return None, None


def _element_type(dtype: np.dtype[Any]) -> int:
    return int(helper.np_dtype_to_tensor_dtype(dtype))


def inserted(hole: Gap, fault: Fault) -> Edit | None:
    """Return the edit that puts missing source nodes where they belong in the target.

    Args:
        hole: The missing nodes and their place.
        fault: The fault they were found in.
    """
    opset = target_opset(fault)
    if opset is None or any(slot == CAPTURED for _, slot in hole.readers):
        return None  # no edit reaches into a body
    shape = sample_shape(fault, hole.place.tensor)
    rank = None if shape is None else len(shape)
    if len(hole.nodes) == 1:
        edit = _one_inserted(hole, opset, rank)
        if edit is not None:
            return edit
    return _several_inserted(hole, opset, fault)


def _one_inserted(hole: Gap, opset: int, rank: int | None) -> InsertNode | None:
    node = in_layout(hole.nodes[0], hole.place.permutation, rank)
    spelling = None if node is None else spelled(node, opset, rank=rank)
    if node is None or spelling is None or len(spelling.nodes) != 1:
        return None
    proto = spelling.nodes[0]
    slots = {
        s: spelling.constants[n]
        for s, n in enumerate(proto.input)
        if n in spelling.constants
    }
    moving = [slot for slot, name in enumerate(proto.input) if name and slot not in slots]
    if len(moving) != 1:
        return None
    attributes = {a.name: helper.get_attribute_value(a) for a in proto.attribute}
    plain = {k: v.decode() if isinstance(v, bytes) else v for k, v in attributes.items()}
    readers = tuple((reader.name, slot) for reader, slot in hole.readers)
    return InsertNode(
        hole.place.tensor,
        proto.op_type,
        {k: tuple(v) if isinstance(v, list) else v for k, v in plain.items()},
        slots,
        readers,
        moving[0],
    )


def in_layout(node: Node, permutation: Permutation | None, rank: int | None) -> Node | None:
    """Return a source node as it would read in the target's layout.

    Args:
        node: The node.
        permutation: How its input lies in the target.
        rank: Rank of that input, where known.

    Returns:
        The node with its axes moved; None where it has settings that no rule here moves.
    """
    if permutation is None:
        return node
    if node.op in {
        "Pad",
        "Resize",
        "Tile",
        "Reshape",
        "Slice",
        "Flatten",
        "Conv",
        "MaxPool",
    }:
        return None
    attributes = dict(node.attributes)
    for field in AXIS_FIELDS & attributes.keys():
        attributes[field] = moved_axis(int(attributes[field]), permutation, rank)  # type: ignore[arg-type]  # an axis is an INT
    axes = attributes.get("axes")
    if isinstance(axes, tuple):
        attributes["axes"] = tuple(
            moved_axis(int(axis), permutation, rank) for axis in axes
        )
    constants = dict(node.constants)
    if node.op in ELEMENTWISE:
        constants = {slot: _moved(value, permutation) for slot, value in constants.items()}
    return replace(node, attributes=attributes, constants=constants)


def _moved(constant: Array, permutation: Permutation) -> Array:
    if constant.size == 1 or constant.ndim > len(permutation):
        return constant
    padded = constant.reshape((1,) * (len(permutation) - constant.ndim) + constant.shape)
    return padded.transpose(permutation)


def _several_inserted(hole: Gap, opset: int, fault: Fault) -> ReplaceRegion | None:
    """Return the missing nodes with copies of the target nodes that should read them."""
    readers = tuple({id(node): node for node, _ in hole.readers}.values())
    if not readers or any(node.domain for node in readers):
        return None
    prefix = f"{hole.place.tensor}{CARRIED}"
    names = [pair.source for pair in hole.entries]
    body = _body(hole.nodes, opset, prefix, names, fault)
    entered = [_entered(pair, prefix, fault) for pair in hole.entries]
    entries = [entry for entry in entered if entry is not None]
    if body is None or len(entries) != len(entered):
        return None
    filled = f"{prefix}filled"
    back = _left(TensorPair(hole.exit, filled, hole.place.permutation), prefix, fault)
    copies = [_rewired(node, hole, filled) for node in readers]
    parts = (*entries, body, back)
    protos = (*(node for part in parts for node in part.nodes), *copies)
    constants = {name: value for part in parts for name, value in part.constants.items()}
    given = {name for proto in protos for name in proto.output} | constants.keys()
    reads = [name for proto in protos for name in proto.input if name and name not in given]
    outputs = [name for node in readers for name in node.outputs if name]
    graph = graph_of(Spelling(protos, constants), reads, outputs)
    return ReplaceRegion(tuple(node.name for node in readers), graph, opset)


def _rewired(node: Node, hole: Gap, tensor: str) -> onnx.NodeProto:
    """Return a target node's proto, reading another tensor in the gap's place."""
    slots = {slot for reader, slot in hole.readers if reader is node}
    reads = [tensor if slot in slots else name for slot, name in enumerate(node.inputs)]
    return proto_of(node, reads)
