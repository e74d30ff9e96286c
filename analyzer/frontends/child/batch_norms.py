"""Batch normalisation spelled out in a TensorFlow graph, put together again.

Keras 3, and every exporter that traces it, writes ``x m + (beta - mean m)`` with
``m = gamma rsqrt(variance + epsilon)``. tf2onnx folds that into the weights beside it, and
no variable of the user's would stand in the pivot as it is.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

PASSING = frozenset({"Identity", "ReadVariableOp", "Reshape", "StopGradient"})
"""What may stand between a constant and its use; a reshape only adds or drops axes of 1,
before its channels, which stay last."""

SUMS = frozenset({"Add", "AddV2"})
IMAGE_RANK = 4
"""FusedBatchNormV3 takes [N, H, W, C] only; other ranks keep their arithmetic."""

Nodes = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BatchNorm:
    """One normalisation that was found spelled out.

    Attributes:
        name: Of the node that gives the result.
        x: The tensor it normalises.
        mean: Constant node, and likewise the next; offset and scale may be missing.
        variance: See mean.
        offset: See mean; also called beta.
        scale: See mean; also called gamma.
        epsilon: What is added to the variance.
    """

    name: str
    x: str
    mean: str
    variance: str
    offset: str | None
    scale: str | None
    epsilon: float


def with_batch_norms(graph: Any, ranks: Mapping[str, int | None]) -> Any:
    """Return a graph whose batch normalisations are one operator each, under their name.

    Args:
        graph: A frozen ``GraphDef``; it is not changed.
        ranks: Rank of each tensor by name, None where it is unknown.

    Returns:
        A copy; what the normalisations were spelled with stays, and is read by nobody.
    """
    nodes = {node.name: node for node in graph.node}
    found = {norm.name: norm for norm in _batch_norms(nodes, ranks)}
    copy = tf.compat.v1.GraphDef()
    copy.CopyFrom(graph)
    del copy.node[:]
    for node in graph.node:
        fused = found.get(node.name)
        copy.node.extend([node] if fused is None else _written(fused, nodes))
    return copy


def constant(name: str, value: np.ndarray[Any, Any]) -> Any:
    """Return a node that holds an array.

    Args:
        name: What it is called.
        value: Any shape and dtype that TensorFlow has.
    """
    node = tf.compat.v1.NodeDef(name=name, op="Const")
    tensor = tf.make_tensor_proto(value)
    node.attr["dtype"].type = tensor.dtype
    node.attr["value"].tensor.CopyFrom(tensor)
    return node


def _batch_norms(nodes: Nodes, ranks: Mapping[str, int | None]) -> Iterator[BatchNorm]:
    for node in nodes.values():
        norm = _batch_norm(node, nodes) if node.op in SUMS else None
        if norm is not None and ranks.get(norm.x) == IMAGE_RANK and _fits(norm, nodes):
            yield norm


def _batch_norm(node: Any, nodes: Nodes) -> BatchNorm | None:
    """Return the normalisation that ends in a sum, however its operands are ordered."""
    for scaled, shift in _orders(node):
        factors, rest = _operands(scaled, "Mul", nodes), _shift(shift, nodes)
        if factors is None or rest is None:
            continue
        mean, factor, offset = rest
        inverse = _inverse(factor, nodes)
        if inverse is None or factor not in factors or factors[0] == factors[1]:
            continue
        x = next(each for each in factors if each != factor)
        variance, epsilon, scale = inverse
        return BatchNorm(node.name, x, mean, variance, offset, scale, epsilon)
    return None


def _shift(tensor: str, nodes: Nodes) -> tuple[str, str, str | None] | None:
    """Return mean, factor and offset of ``offset - mean factor`` or ``-mean factor``."""
    difference = _operands(tensor, "Sub", nodes)
    offset = None if difference is None else _constant(difference[0], nodes)
    product = _operands(tensor if difference is None else difference[1], "Mul", nodes)
    if product is None or (difference is not None and offset is None):
        return None
    for mean, factor in (product, product[::-1]):
        negated = _operands(mean, "Neg", nodes)
        if (negated is None) == (difference is None):
            continue
        constant = _constant(mean if negated is None else negated[0], nodes)
        if constant is not None and _inverse(factor, nodes) is not None:
            return constant, factor, offset
    return None


def _inverse(tensor: str, nodes: Nodes) -> tuple[str, float, str | None] | None:
    """Return variance, epsilon and scale of ``rsqrt(variance + epsilon) [scale]``."""
    product = _operands(tensor, "Mul", nodes)
    choices = [(tensor, None)] if product is None else [product, product[::-1]]
    for root, factor in choices:
        scale = None if factor is None else _constant(factor, nodes)
        inside = _operands(root, "Rsqrt", nodes)
        total = None if inside is None else _sum(inside[0], nodes)
        if total is not None and (factor is None or scale is not None):
            return (*total, scale)
    return None


def _sum(tensor: str, nodes: Nodes) -> tuple[str, float] | None:
    """Return the two constants of a sum: a vector's name, and the value of a scalar."""
    node = nodes.get(_node(tensor))
    if node is None or node.op not in SUMS:
        return None
    for vector, scalar in _orders(node):
        constants = _constant(vector, nodes), _constant(scalar, nodes)
        if None in constants:
            continue
        value = _value(constants[1], nodes)
        if value.size == 1 and value.ndim == 0:
            return constants[0], float(value)  # type: ignore[return-value]  # not None
    return None


def _fits(norm: BatchNorm, nodes: Nodes) -> bool:
    """Return whether all constants are one float32 per channel."""
    names = (norm.mean, norm.variance, norm.offset, norm.scale)
    values = [_value(name, nodes) for name in names if name is not None]
    sizes = {value.size for value in values}
    return len(sizes) == 1 and all(_per_channel(value) for value in values)


def _per_channel(value: np.ndarray[Any, Any]) -> bool:
    return value.dtype == np.float32 and value.ndim > 0 and value.shape[-1] == value.size


def _written(norm: BatchNorm, nodes: Nodes) -> Iterator[Any]:
    """Yield the constants that the user left out, or gave more axes, and the operator."""
    operands = {
        "scale": (norm.scale, 1.0),
        "offset": (norm.offset, 0.0),
        "mean": (norm.mean, 0.0),
        "variance": (norm.variance, 1.0),
    }
    reads: list[str] = []
    size = _value(norm.mean, nodes).size
    for role, (name, filling) in operands.items():
        value = np.full(size, filling, np.float32) if name is None else _value(name, nodes)
        if name is None or value.ndim > 1:
            yield constant(f"{norm.name}/{role}", value.reshape(-1))
            reads.append(f"{norm.name}/{role}")
        else:
            reads.append(name)
    yield _fused(norm, reads)


def _fused(norm: BatchNorm, reads: Sequence[str]) -> Any:
    node = tf.compat.v1.NodeDef(name=norm.name, op="FusedBatchNormV3")
    node.input.extend([norm.x, *reads])
    for key in ("T", "U"):
        node.attr[key].type = tf.float32.as_datatype_enum
    node.attr["epsilon"].f = norm.epsilon
    node.attr["data_format"].s = b"NHWC"
    node.attr["is_training"].b = False
    return node


def _orders(node: Any) -> tuple[tuple[str, str], ...]:
    reads = _reads(node)
    return ((reads[0], reads[1]), (reads[1], reads[0])) if len(reads) > 1 else ()


def _operands(tensor: str, op: str, nodes: Nodes) -> tuple[str, ...] | None:
    node = nodes.get(_node(tensor))
    return tuple(_reads(node)) if node is not None and node.op == op else None


def _constant(tensor: str, nodes: Nodes) -> str | None:
    """Return the constant behind a tensor, through what only passes it on."""
    node = nodes.get(_node(tensor))
    while node is not None and node.op in PASSING:
        if node.op == "Reshape" and not _keeps_last(node, nodes):
            return None
        node = nodes.get(_node(node.input[0]))
    return str(node.name) if node is not None and node.op == "Const" else None


def _keeps_last(reshape: Any, nodes: Nodes) -> bool:
    """Return whether a reshape leaves channels last; [1, C, 1, 1] is for images of NCHW."""
    shape = _constant(reshape.input[1], nodes)
    return shape is not None and bool(_value(shape, nodes)[-1:] != 1)


def _value(name: Any, nodes: Nodes) -> np.ndarray[Any, Any]:
    value: np.ndarray[Any, Any] = tf.make_ndarray(nodes[name].attr["value"].tensor)
    return value


def _reads(node: Any) -> list[str]:
    return [_tensor(name) for name in node.input if not name.startswith("^")]


def _tensor(name: str) -> str:
    """Return a tensor's name in its one spelling: the first output goes without number."""
    return name.removesuffix(":0")


def _node(tensor: str) -> str:
    return tensor.partition(":")[0]
