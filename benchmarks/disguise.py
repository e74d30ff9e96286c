"""A model under new names: what a matcher sees when names tell it nothing.

Every tensor, initializer, input, output and node is called by a digest, also where a branch
or body stands; the nodes come in another order. The log says what each tensor was called.
"""

import hashlib
from collections.abc import Iterator

import numpy as np
import onnx
from conversions import reorder

LETTERS = 12
"""Hexadecimal digits of a new name: enough that no two of a model's names meet."""

LAYOUT = frozenset(
    {"Identity", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Dropout"}
)
"""What gives exactly the elements it reads: either tensor is as true a counterpart."""


def disguised(
    model: onnx.ModelProto, rng: np.random.Generator
) -> tuple[onnx.ModelProto, dict[str, str]]:
    """Return a model under new names in a new order, and the old name of each new one.

    Args:
        model: Left as it is.
        rng: Draws the names and the order.
    """
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    salt = rng.bytes(8)
    names = sorted(set(_names(copy.graph)) - {""})
    new = {name: _digest(salt, name) for name in names}
    _retell(copy.graph, new)
    _forget(copy)
    reorder(copy.graph, rng)
    return copy, {after: before for before, after in new.items()}


def _digest(salt: bytes, name: str) -> str:
    return "t" + hashlib.sha256(salt + name.encode()).hexdigest()[:LETTERS]


def _names(graph: onnx.GraphProto) -> Iterator[str]:
    yield from (value.name for value in (*graph.input, *graph.output, *graph.initializer))
    for node in graph.node:
        yield from (*node.input, *node.output)
        for inner in _inner(node):
            yield from _names(inner)


def _inner(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    graphs = onnx.AttributeProto.GRAPH
    yield from (one.g for one in node.attribute if one.type == graphs)


def _retell(graph: onnx.GraphProto, new: dict[str, str]) -> None:
    for value in (*graph.input, *graph.output, *graph.initializer):
        value.name = new[value.name]
    for node in graph.node:
        node.input[:] = [new.get(name, "") for name in node.input]
        node.output[:] = [new.get(name, "") for name in node.output]
        node.name = f"n{next(name for name in node.output if name)}"
        for inner in _inner(node):
            _retell(inner, new)


def _forget(model: onnx.ModelProto) -> None:
    """Take out what exporters write beside the graph: it names the user's layers."""
    model.graph.name = "disguised"
    del model.metadata_props[:], model.graph.value_info[:], model.graph.metadata_props[:]
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""


def roots(model: onnx.ModelProto) -> dict[str, str]:
    """Return, for each tensor, the one of which it is only another layout."""
    givers = {name: node for node in model.graph.node for name in node.output if name}

    def root(name: str) -> str:
        seen = set()
        while name in givers and givers[name].op_type in LAYOUT and name not in seen:
            seen.add(name)
            name = givers[name].input[0]
        return name

    return {name: root(name) for name in givers}


def truth(
    source: onnx.ModelProto, target: onnx.ModelProto, log: dict[str, str]
) -> dict[str, set[str]]:
    """Return the true counterparts of each target tensor that has one, both by root.

    Args:
        source: The model before it was transformed.
        target: What the transformation gave, disguised.
        log: The name each of its tensors had before the disguise.
    """
    ours = roots(source)
    found: dict[str, set[str]] = {}
    for name, root in roots(target).items():
        if log.get(name) in ours:
            found.setdefault(root, set()).add(ours[log[name]])
    return found
