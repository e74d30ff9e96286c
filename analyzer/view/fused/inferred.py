"""Element types and ranks that a model implies, through fused operators too."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import onnx
from onnx import helper

from analyzer.core import inference
from analyzer.view.fused.known import UNKNOWN, Known, Tensors, declared
from analyzer.view.fused.steps import step

SMALL = 64
"""Elements of a constant that is kept for inference: a list of axes or sizes, no weight."""

TABLE = 2
"""The slot in which embeddings read the table of words."""

BOUND = "\0bound"
"""Stands for a bound that is not known; no tensor of a file is called so."""


def inferred(
    model: onnx.ModelProto, nodes: Sequence[onnx.NodeProto], fused: Sequence[str]
) -> dict[str, Known]:
    """Return what is implied of tensors; of fused operators type and rank alone are sure.

    Args:
        model: The model; its weights are not read.
        nodes: Its nodes, as far as they could be opened.
        fused: First outputs of those that could not.
    """
    hollow = onnx.ModelProto(ir_version=model.ir_version)
    hollow.opset_import.extend(model.opset_import)
    hollow.functions.extend(model.functions)
    graph = hollow.graph
    graph.name = "hollow"
    graph.input.extend(value for value in model.graph.input)
    named = {value.name for value in graph.input}
    for weight in model.graph.initializer:
        if _is_small(weight):
            graph.initializer.append(weight)
        elif weight.name not in named:
            graph.input.append(_declared_input(weight))
    graph.input.append(helper.make_tensor_value_info(BOUND, onnx.TensorProto.INT64, [None]))
    for node in nodes:
        stands = _stand_ins(node) if set(node.output[:1]) & set(fused) else (node,)
        graph.node.extend(stands)
    return declared(inference.inferred(hollow, values=True))


def merged(stated: Tensors, implied: Tensors) -> dict[str, Known]:
    """Return what is known of tensors: as stated, and where nothing is, as implied.

    Args:
        stated: What the file says.
        implied: What follows from it.
    """
    found = dict(stated)
    for name, one in implied.items():
        own = found.get(name, UNKNOWN)
        if not own.dtype or own.shape is None:
            found[name] = replace(one, maker=own.maker)
    return found


def _is_small(weight: onnx.TensorProto) -> bool:
    size = 1
    for extent in weight.dims:
        size *= extent
    inside = weight.data_location != onnx.TensorProto.EXTERNAL
    return inside and weight.data_type == onnx.TensorProto.INT64 and size <= SMALL


def _declared_input(weight: onnx.TensorProto) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(weight.name, weight.data_type, weight.dims)


def _stand_ins(node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
    """Yield plain operators that give the type and rank of a fused one's first result."""
    result = node.output[0]
    if not node.input:
        return
    if node.op_type == "EmbedLayerNormalization" and len(node.input) > TABLE:
        yield step("Gather", (node.input[TABLE], node.input[0]), result)
        return
    if node.op_type != "FusedMatMul":
        yield _of_any_size(node.input[0], result)
        return
    ends = [f"{result}{BOUND}{slot}" for slot in range(2)]
    for name, end in zip(node.input, ends, strict=False):
        yield _of_any_size(name, end)
    yield step("Add", ends, result)


def _of_any_size(name: str, result: str) -> onnx.NodeProto:
    """Return an operator whose result has a tensor's type and rank, and unknown sizes."""
    return step("Slice", (name, BOUND, BOUND), result)
