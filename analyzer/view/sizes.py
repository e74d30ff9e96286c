"""Sizes that are the same for every sample, though the file computes them from a shape."""

from collections.abc import Collection, Iterator

import onnx
from onnx import TensorProto, helper

from analyzer.core.graph import reads
from analyzer.core.inference import inferred

FLOATS = frozenset({TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE})
"""Element types of weights; shape arithmetic counts in integers."""


def with_fixed_sizes(model: onnx.ModelProto, dynamic: Collection[str]) -> onnx.ModelProto:
    """Return a model with fixed sizes as constants, where its weights wait for them.

    Exporters lay out a recurrent layer's weights by the hidden size, and read that off the
    shape of a state whose batch alone is open. The weights are constants all the same.

    Args:
        model: A pivot's proto; it is returned as it is where no weight waits for a size.
        dynamic: Tensors whose values depend on the values of the model's inputs.
    """
    return with_every_fixed_size(model) if _lays_out_weights(model, dynamic) else model


def with_every_fixed_size(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model whose Shape nodes give constants wherever all they give is fixed.

    Args:
        model: A pivot's proto; it is returned as it is where there is no such node.
    """
    known = dict(_fixed_shapes(model))
    if not known:
        return model
    plain = onnx.ModelProto()
    plain.CopyFrom(model)
    for node in plain.graph.node:
        if node.output and node.output[0] in known:
            node.CopyFrom(_constant(node.output[0], known[node.output[0]]))
    return plain


def _lays_out_weights(model: onnx.ModelProto, dynamic: Collection[str]) -> bool:
    """Return whether float initializers meet sizes in nodes that read no input."""
    if not any(_is_shape(node) for node in model.graph.node):
        return False
    weights = {one.name for one in model.graph.initializer if one.data_type in FLOATS}
    fixed = {one.name for one in model.graph.initializer}
    fixed.update(n.output[0] for n in model.graph.node if n.op_type == "Constant")
    return any(
        weights.intersection(node.input)
        and not fixed.issuperset(reads(node))
        and not any(name in dynamic for name in reads(node))
        for node in model.graph.node
    )


def _fixed_shapes(model: onnx.ModelProto) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield what each Shape node gives whose every size ONNX's own inference knows."""
    known = inferred(model, values=True)
    declared = (*known.value_info, *known.input, *known.output)
    shapes = {one.name: one.type.tensor_type for one in declared}
    for node in filter(_is_shape, model.graph.node):
        if node.input[0] not in shapes or not shapes[node.input[0]].HasField("shape"):
            continue
        sizes = shapes[node.input[0]].shape.dim
        bounds = {attribute.name: attribute.i for attribute in node.attribute}
        chosen = sizes[bounds.get("start", 0) : bounds.get("end", len(sizes))]
        if all(size.HasField("dim_value") for size in chosen):
            yield node.output[0], tuple(size.dim_value for size in chosen)


def _is_shape(node: onnx.NodeProto) -> bool:
    return node.op_type == "Shape" and not node.domain and bool(node.input)


def _constant(name: str, sizes: tuple[int, ...]) -> onnx.NodeProto:
    value = helper.make_tensor("sizes", TensorProto.INT64, [len(sizes)], sizes)
    return helper.make_node("Constant", [], [name], value=value)
