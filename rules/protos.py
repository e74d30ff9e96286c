"""Source nodes as they would stand in a file: with their bodies, under other names."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import onnx
from onnx import defs, helper, numpy_helper

from analyzer.core.graph import node_reads, with_captures
from analyzer.core.spelling import Spelling
from analyzer.core.types import Fault, Node


def bodies(node: Node) -> dict[str, onnx.GraphProto]:
    """Return a control-flow node's bodies by attribute; empty for any other node."""
    found = node.attributes.items()
    return {name: one for name, one in found if isinstance(one, onnx.GraphProto)}


def with_bodies(
    node: Node,
    renamed: Node,
    opset: int,
    prefix: str,
    known: Collection[str],
    fault: Fault,
) -> Spelling | None:
    """Return a control-flow node whose bodies read the carried tensors around it.

    Args:
        node: The source's node.
        renamed: The same, its own tensors under the prefix.
        opset: The target's opset.
        prefix: Put before the name of each tensor that is carried over.
        known: Source tensors that are carried over before it.
        fault: Holds the constants that its bodies read.

    Returns:
        None where they read what is not known, or mean another thing in the other opset.
    """
    lost = {*node_reads(node)} - {*node.inputs} - {*known}
    same = node.opset == opset or all(map(partial(_is_same, node.opset, opset), _ops(node)))
    if node.domain or not same or not lost <= fault.captured.keys():
        return None
    names = {name: f"{prefix}{name}" for name in node_reads(node)}
    inner = {name: with_captures(one, names) for name, one in bodies(node).items()}
    for body in inner.values():
        body.initializer.extend(
            numpy_helper.from_array(fault.captured[name], names[name])
            for name in sorted(lost)
        )
    proto = proto_of(
        replace(renamed, attributes={**node.attributes, **inner}), renamed.inputs
    )
    held = {renamed.inputs[slot]: value for slot, value in node.constants.items()}
    return Spelling((proto,), held)


def _ops(node: Node) -> Iterator[str]:
    """Yield the operators of a control-flow node, those of its bodies included."""
    yield node.op
    waiting = list(bodies(node).values())
    while waiting:
        for proto in waiting.pop().node:
            yield proto.op_type
            waiting += [one.g for one in proto.attribute if one.HasField("g")]


def _is_same(one: int, other: int, op: str) -> bool:
    """Return whether an operator means the same in two opsets."""
    try:
        first, second = (defs.get_schema(op, version, "") for version in (one, other))
    except defs.SchemaError:
        return False
    return bool(first.since_version == second.since_version)


def proto_of(node: Node, reads: Sequence[str]) -> onnx.NodeProto:
    """Return a node as it would stand in a file, reading other tensors.

    Args:
        node: The node; its attributes, outputs and name stay.
        reads: Its inputs, slot by slot.
    """
    copy = helper.make_node(node.op, list(reads), list(node.outputs), name=node.name)
    copy.domain = node.domain
    copy.attribute.extend(
        helper.make_attribute(name, value) for name, value in _attributes(node).items()
    )
    return copy


def _attributes(node: Node) -> Mapping[str, Any]:
    """Return attributes as `onnx.helper` takes them; empty lists have no type to write."""
    filled = {
        k: v for k, v in node.attributes.items() if not (isinstance(v, tuple) and not v)
    }
    return {
        k: onnx.numpy_helper.from_array(v) if isinstance(v, np.ndarray) else v
        for k, v in filled.items()
    }
