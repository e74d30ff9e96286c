"""What the walk has to know of an ONNX graph."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import onnx
import torch
from onnx import AttributeProto, numpy_helper

from analyzer.core.errors import ExportError
from rewriter.export.torch_graph.call import Held, Value
from rewriter.export.torch_graph.dtypes import NARROW, as_array
from rewriter.order import order


def key(node: onnx.NodeProto) -> str:
    """Return what a node's operator is called in the table."""
    own = node.domain in {"", "ai.onnx"}
    return node.op_type if own else f"{node.domain}:{node.op_type}"


def versions(opsets: Iterable[onnx.OperatorSetIdProto]) -> dict[str, int]:
    """Return the version of each operator set; ONNX's own under both of its names."""
    found = {one.domain: one.version for one in opsets}
    own = found.get("", found.get("ai.onnx", 1))
    return found | {"": own, "ai.onnx": own}


def sorted_nodes(nodes: Sequence[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """Return nodes each behind what it, or a graph of its own, reads.

    Converters that add nodes put some behind the inner graphs that read them.

    Args:
        nodes: Those of one graph.
    """
    places = order([node.output for node in nodes], [_reads(node) for node in nodes])
    return list(nodes) if places is None else [nodes[place] for place in places]


def _reads(node: onnx.NodeProto) -> set[str]:
    inner = [one.g for one in node.attribute if one.type == AttributeProto.GRAPH]
    found = {name for graph in inner for each in graph.node for name in _reads(each)}
    found |= {one.name for graph in inner for one in graph.output}
    return found | {name for name in node.input if name}


def constants(graph: onnx.GraphProto) -> Iterator[tuple[str, Held]]:
    """Yield the weights of a graph by name."""
    if graph.sparse_initializer:
        raise ExportError(
            f"{graph.sparse_initializer[0].values.name} is a sparse initializer",
            hint="store it dense",
        )
    for one in graph.initializer:
        array = numpy_helper.to_array(one)
        weight = array.dtype.kind not in "ib" or array.dtype.itemsize == 1
        yield one.name, Held(one.name, array, weight, stored=True)


def held(name: str, value: Value) -> Value:
    """Return what a constant node gives as a constant."""
    if isinstance(value, torch.Tensor):
        value = as_array(value)
    if not isinstance(value, np.ndarray):
        return value
    return Held(name, value, weight=False, stored=False)


def narrow_kinds(graph: onnx.GraphProto) -> dict[str, int]:
    """Return the element types that live in a wider dtype of torch, by tensor name."""
    told = [*graph.input, *graph.value_info, *graph.output]
    kinds = {one.name: one.type.tensor_type.elem_type for one in told}
    return {name: kind for name, kind in kinds.items() if kind in NARROW}
