"""A TFLite model as ONNX: each graph drawn operator by operator."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper

from analyzer.core.errors import LoadError
from analyzer.frontends.child.lite.call import Call, Drawn, element
from analyzer.frontends.child.lite.draft import INNER, Draft, Layout, Shared, is_on_grid
from analyzer.frontends.child.lite.facts import FREE, Graph, Operator, Tensor, graphs
from analyzer.frontends.child.lite.operators.activations import FUSED, activated
from analyzer.frontends.child.lite.table import table

OPSET = 18
"""The same as the other importers', so that a difference of opsets is never ours."""

WIDE_OPSET = 21
"""The first opset whose grids may be of int16."""

IR_VERSION = 10
"""The oldest that knows both opsets."""

CARRYING = frozenset({"IF", "WHILE", "ONE_HOT", "SCATTER_ND"})
"""Operators that give the integers of a grid as they are given them, and compute no floats.

Source: LiteRT's kernels/one_hot.cc and scatter_nd.cc, which know no grid."""

LISTED = 5
"""Operators that an error names, before it counts the others."""

RECURRENT = frozenset({"UNIDIRECTIONAL_SEQUENCE_LSTM"})
"""Operators whose activation is one inside them, not one of what they give."""


def pivot_of(tree: Any, place: int = 0) -> onnx.ModelProto:
    """Return a TFLite model in ONNX form, tensors named as in the flatbuffer.

    Args:
        tree: Its `schema.ModelT`, references checked.
        place: Which of its graphs; the others are bodies of the first.

    Raises:
        LoadError: An operator, or how it is used, is not known here.
    """
    shared = Shared(graphs(tree))
    graph = shared.graphs[place]
    draft = new_draft(shared, place)
    inputs = [draft.graph.tensors[index] for index in graph.inputs]
    for index, tensor in zip(graph.inputs, inputs, strict=True):
        draft.spelled[index, Layout.STRAIGHT] = shared.fresh(tensor.name)
    names = draw(draft)
    outputs = [
        declared(name, graph.tensors[index])
        for name, index in zip(names, graph.outputs, strict=True)
    ]
    drawn = helper.make_graph(
        draft.nodes,
        graph.name or "main",
        [declared(tensor.name, tensor) for tensor in inputs],
        outputs,
        list(shared.initializers.values()),
    )
    wide = any(
        is_on_grid(tensor) and tensor.dtype == np.int16
        for one in shared.graphs
        for tensor in one.tensors
    )
    opset = helper.make_opsetid("", WIDE_OPSET if wide else OPSET)
    return helper.make_model(drawn, opset_imports=[opset], ir_version=IR_VERSION)


def new_draft(shared: Shared, place: int) -> Draft:
    """Return an empty draft of one of the model's graphs.

    Args:
        shared: What it has in common with the others.
        place: Which graph.
    """
    graph = shared.graphs[place]
    writers = {index: one for one in graph.operators for index in one.outputs}
    return Draft(shared, graph, writers=writers)


def declared(name: str, tensor: Tensor) -> onnx.ValueInfoProto:
    """Return a graph's input or output as ONNX declares it.

    Args:
        name: Its name.
        tensor: What it is in the flatbuffer.

    Raises:
        LoadError: Its element type is none of ONNX's.
    """
    if tensor.dtype is None:
        raise LoadError(
            f"the tensor {tensor.name} has an element type that ONNX has not",
            hint="give an .onnx export of the model",
        )
    sizes = [None if size == FREE else size for size in tensor.sizes]
    return helper.make_tensor_value_info(name, element(tensor.dtype), sizes)


def draw(draft: Draft) -> list[str]:
    """Return the names of a graph's outputs, after drawing all it takes to compute them.

    Args:
        draft: Its inputs are spelled; it grows.

    Raises:
        LoadError: An operator, or how it is used, is not known here.
    """
    graph = draft.graph
    _refuse_unknown(graph)
    for operator in graph.operators:
        if operator.kind != "DEQUANTIZE" or draft.root(operator.outputs[0]) is None:
            _draw_operator(draft, operator)
    taken: list[str] = []
    for index in graph.outputs:
        taken.append(_output(draft, index, taken))
    return taken


def _output(draft: Draft, index: int, taken: Sequence[str]) -> str:
    """Return an output that no other is, and that is computed in this graph."""
    tensor = draft.graph.tensors[index]
    root = draft.root(index)
    if root is None:
        name = draft.plain(index, Layout.STRAIGHT)
    elif tensor.value is not None:
        name = draft.shared.hold(f"{tensor.name}{INNER}constant", tensor.value)
    else:
        name = draft.constant(root, (), 0)
    if root is None and index not in draft.graph.inputs and name not in taken:
        return name
    return draft.add(
        "Identity", [name], [draft.shared.fresh(f"{tensor.name}{INNER}output")]
    )


def _refuse_unknown(graph: Graph) -> None:
    unknown = [one for one in graph.operators if one.kind not in table()]
    if not unknown:
        return
    shown = [f"{one.kind} (operator {one.place})" for one in unknown[:LISTED]]
    listed = ", ".join(shown)
    more = f" and {len(unknown) - len(shown)} more" if unknown[LISTED:] else ""
    raise LoadError(
        f"the graph {graph.name or 'main'} has operators that are not known here: "
        f"{listed}{more}",
        hint="give an .onnx export of the model, or convert it without those operators",
    )


def _draw_operator(draft: Draft, operator: Operator) -> None:
    call = Call(draft, operator)
    start = len(draft.nodes)
    result = table()[operator.kind](call)
    results = result if isinstance(result, tuple) else (result,)
    for index, one in zip(operator.outputs, results, strict=False):
        drawn = one if isinstance(one, Drawn) else Drawn(one)
        _settle(call, index, drawn, start)


def _settle(call: Call, index: int, drawn: Drawn, start: int) -> None:
    """Let the tensor that an operator gives bear its name in the flatbuffer."""
    draft, tensor = call.draft, call.draft.graph.tensors[index]
    name, layout = _fused(call, drawn.name), drawn.layout
    if is_on_grid(tensor) and call.operator.kind not in CARRYING:
        if tensor.grid is None or not tensor.grid.is_per_tensor:
            raise call.refusal("what it computes has a grid of many scales")
        name = call.add("QuantizeLinear", name, *draft.grid(tensor))
    if layout is Layout.IMAGE and index in draft.graph.outputs:
        name, layout = call.add("Transpose", name, perm=layout.back), Layout.STRAIGHT
    if name not in call.made:
        name = call.add("Identity", name)
    call.made.remove(name)
    own = draft.shared.fresh(tensor.name)
    _rename(draft.nodes[start:], name, own)
    draft.spelled[index, layout] = own


def _fused(call: Call, name: str) -> str:
    """Return what an operator gives after the activation that is fused into it."""
    code = getattr(call.options, "fusedActivationFunction", 0)
    if not code or call.operator.kind in RECURRENT:
        return name
    if code not in FUSED:
        raise call.refusal(f"its activation {code} is not known here")
    return activated(call, name, FUSED[code])


def _rename(nodes: Iterable[onnx.NodeProto], old: str, new: str) -> None:
    for node in nodes:
        node.input[:] = [new if name == old else name for name in node.input]
        node.output[:] = [new if name == old else name for name in node.output]
        node.name = new if node.name == old else node.name
