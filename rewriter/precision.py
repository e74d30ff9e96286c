"""A target that computes with fewer bits, made to compute in float.

This is what `repair` starts from where a declared loss of precision is to be undone.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import onnx

from analyzer.core.graph import nodes
from analyzer.core.grids import READER, WRITER
from analyzer.core.types import (
    Array,
    Edit,
    Fix,
    Node,
    Pivot,
    RemoveNode,
    SetAttribute,
    SetConstant,
    SetType,
)
from analyzer.view.classes import dynamic_tensors
from analyzer.view.inline import opened

NARROW = frozenset({"float16", "bfloat16"})
"""dtypes that are widened to float32."""

NARROW_KINDS = frozenset({onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16})
"""The same as ONNX numbers them."""

MOVING = frozenset({"Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity"})
"""Operators that take integers and floats alike, between a quantizer and its inverse."""


def widened(target: Pivot) -> Fix | None:
    """Return the fix that lets a target compute in float32; None where it does already.

    Integers between a QuantizeLinear and what reads it give way to the floats they stand
    for, casts to half precision to none. Weights keep their rounded values: rules restore
    them one by one, from the source.

    Args:
        target: The target.
    """
    side = opened(target.model)
    every = nodes(side.model, target.folder)
    ends = {value.name for value in side.model.graph.output}
    moving = dynamic_tensors(side.model)
    pairs = tuple(_quantizers(every, moving, ends))
    edits: tuple[Edit, ...] = tuple(RemoveNode(node.name) for node in pairs)
    halves = tuple(_halves(target, every))
    if not edits and not halves:
        return None
    parts = []
    if edits:
        parts.append(f"remove {len(pairs)} quantizers of activations")
    if halves:
        parts.append(f"widen {len(halves)} constants, casts and ends to float32")
    title = " and ".join(parts)
    return Fix(title[0].upper() + title[1:], (*edits, *halves))


def _quantizers(
    every: Sequence[Node], moving: frozenset[str], ends: set[str]
) -> Iterator[Node]:
    """Yield what puts activations on a grid, and what takes them off it, where both go."""
    readers: dict[str, list[Node]] = {}
    for node in every:
        for name in node.inputs:
            readers.setdefault(name, []).append(node)
    for node in every:
        if node.op != WRITER or node.inputs[0] not in moving:
            continue
        behind = _behind(node, readers, ends)
        if behind is not None:
            yield from (node, *behind)


def _behind(
    writer: Node, readers: dict[str, list[Node]], ends: set[str]
) -> tuple[Node, ...] | None:
    """Return what takes a tensor off its grid; None where anything else reads integers."""
    found: list[Node] = []
    waiting = [writer.outputs[0]]
    while waiting:
        name = waiting.pop()
        if name in ends:
            return None
        for node in readers.get(name, ()):
            if node.op == READER:
                found.append(node)
            elif node.op in MOVING:
                waiting.append(node.outputs[0])
            else:
                return None
    return tuple({node.name: node for node in found}.values())


def _halves(target: Pivot, every: Sequence[Node]) -> Iterator[Edit]:
    """Yield what widens constants, casts and the model's ends to float32."""
    for node in every:
        for slot, value in node.constants.items():
            if value.dtype.name in NARROW:
                yield SetConstant(node.name, slot, value.astype(np.float32))
        for name in ("to", "dtype"):
            if node.attributes.get(name) in NARROW_KINDS:
                yield SetAttribute(node.name, name, onnx.TensorProto.FLOAT)
        held = node.attributes.get("value")
        if isinstance(held, np.ndarray) and held.dtype.name in NARROW:
            yield SetAttribute(node.name, "value", _wide(held))
    for spec in (*target.inputs, *target.outputs):
        if spec.dtype in NARROW and spec.shape is not None:
            yield SetType(spec.name, "float32", spec.shape)


def _wide(value: Array) -> Array:
    return np.asarray(value, np.float32)
