"""Which tensors carry the model's values, and which only its shapes or its constants."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import onnx

from analyzer.core.graph import as_node, constants, node_reads, opsets, reads
from analyzer.core.types import Array, Node
from analyzer.runtime.order import forward_order
from analyzer.view.absorb import SAME_VALUES_OPS

SHAPE_OPS = frozenset({"Shape", "Size"})
"""What they give depends on their input's shape alone."""

RANDOM_OPS = frozenset(
    {
        "RandomNormal",
        "RandomNormalLike",
        "RandomUniform",
        "RandomUniformLike",
        "Multinomial",
        "Bernoulli",
    }
)
"""Two runs of these never agree, so nothing they give can be compared."""


def dynamic_tensors(model: onnx.ModelProto) -> frozenset[str]:
    """Return the tensors whose values depend on the values of the model's inputs.

    A tensor that depends on constants and shapes alone (shape arithmetic, folded weights,
    the zero state of a recurrent layer) is not one of them. A tensor that nobody gives is:
    what should have given it did compute.
    """
    known = {tensor.name for tensor in model.graph.initializer}
    dynamic = {value.name for value in model.graph.input if value.name not in known}
    dynamic |= dangling_tensors(model)
    for node in in_order(model):
        if node.op_type in SHAPE_OPS and not node.domain:
            continue
        if node.op_type in RANDOM_OPS or any(name in dynamic for name in _valued(node)):
            dynamic.update(name for name in node.output if name)
    return frozenset(dynamic)


def in_order(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """Yield the main graph's nodes so that each tensor is given before it is read.

    Files do not always list them so: a converter that adds casts puts them last.
    """
    nodes = model.graph.node
    yield from (nodes[place] for place in forward_order(nodes))


def rounded_tensors(model: onnx.ModelProto) -> frozenset[str]:
    """Return the constants that stand on an integer grid behind a DequantizeLinear."""
    rounded: set[str] = set()
    fixed = {tensor.name for tensor in model.graph.initializer}
    for node in in_order(model):
        first = node.input[0] if node.input else ""
        unpacked = node.op_type == "DequantizeLinear" and first in fixed
        same = node.op_type in {*SAME_VALUES_OPS, "DequantizeLinear"} and first in rounded
        if unpacked or same:
            rounded.update(node.output)
    return frozenset(rounded)


def dangling_tensors(model: onnx.ModelProto) -> frozenset[str]:
    """Return the tensors that nodes read and nobody gives."""
    given = {name for node in model.graph.node for name in node.output}
    given.update(value.name for value in model.graph.input)
    given.update(tensor.name for tensor in model.graph.initializer)
    given.update(tensor.values.name for tensor in model.graph.sparse_initializer)
    wanted = {name for node in model.graph.node for name in reads(node)}
    return frozenset(wanted - given)


def _valued(node: onnx.NodeProto) -> tuple[str, ...]:
    """Return the tensors whose values a node reads; of CastLike's second only the type."""
    return tuple(node.input[:1]) if node.op_type == "CastLike" else reads(node)


def without_type_casts(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model in which CastLike passes its input on, so that constants need no run.

    Exporters cast a constant to the type it has already; the type operand is the only thing
    that ties it to the model's inputs.
    """
    if not any(node.op_type == "CastLike" for node in model.graph.node):
        return model
    plain = onnx.ModelProto()
    plain.CopyFrom(model)
    for node in plain.graph.node:
        if node.op_type == "CastLike":
            node.op_type = "Identity"
            del node.input[1:]
    return plain


def static_names(model: onnx.ModelProto, dynamic: frozenset[str]) -> tuple[str, ...]:
    """Return what arithmetic over initializers alone gives and dynamic nodes read, by name.

    Tensors that also depend on a shape are left out: they have no value before a run.
    """
    initializers = {tensor.name for tensor in model.graph.initializer}
    fixed, computed = set(initializers), set()
    for node in in_order(model):
        if node.op_type in RANDOM_OPS or not all(name in fixed for name in _valued(node)):
            continue
        fixed.update(node.output)
        if node.op_type != "Constant":
            computed.update(node.output)
    wanted = {
        name
        for node in model.graph.node
        if any(output in dynamic for output in node.output)
        for name in reads(node)
    }
    return tuple(sorted(wanted & computed))


def dynamic_nodes(
    model: onnx.ModelProto,
    folder: Path,
    dynamic: frozenset[str],
    static: Mapping[str, Array],
) -> tuple[Node, ...]:
    """Return the nodes that compute with the model's inputs, in the file's order.

    Args:
        model: The pivot's proto.
        folder: The folder external weights are relative to.
        dynamic: See `dynamic_tensors`.
        static: Values of constants that the file computes from its initializers, by name.
    """
    values = constants(model, folder) | dict(static)
    versions = opsets(model)
    return tuple(
        as_node(proto, values, versions)
        for proto in model.graph.node
        if any(name in dynamic for name in proto.output)
    )


def sorted_nodes(nodes: Iterable[Node], given: frozenset[str]) -> tuple[Node, ...]:
    """Return the nodes in an order in which every tensor is given before it is read."""
    waiting, done = list(nodes), set(given)
    ordered: list[Node] = []
    own = {name for node in waiting for name in node.outputs}
    while waiting:
        ready = [
            n for n in waiting if all(i in done or i not in own for i in node_reads(n))
        ]
        if not ready:
            return (*ordered, *waiting)
        ordered += ready
        done.update(name for node in ready for name in node.outputs)
        chosen = {id(node) for node in ready}
        waiting = [node for node in waiting if id(node) not in chosen]
    return tuple(ordered)
