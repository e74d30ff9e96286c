"""Every tensor of a model as one run computes it."""

from pathlib import Path

import onnx
from onnx import TensorProto

from analyzer.core.types import Array, Feeds
from analyzer.runtime.session import Session, open_session
from analyzer.runtime.spill import Spilled


def instrument(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy of a model whose every computed tensor is a graph output.

    Args:
        model: A proto; Constant nodes are no computation and stay as they are.

    Returns:
        A model whose outputs are the model's own, then each node's, without declared types:
        the runtime infers them, and a wrong declaration cannot stop it.
    """
    instrumented = onnx.ModelProto()
    instrumented.CopyFrom(model)
    graph = instrumented.graph
    names = list(dict.fromkeys((*(value.name for value in graph.output), *computed(graph))))
    del graph.value_info[:]
    del graph.output[:]
    graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    return instrumented


def computed(graph: onnx.GraphProto) -> tuple[str, ...]:
    """Return the tensors a graph computes, in file order; Constant nodes do not."""
    return tuple(
        name
        for node in graph.node
        if node.op_type != "Constant" or node.domain
        for name in node.output
        if name
    )


TENSOR = "tensor(", ")"
"""What stands around an element type where ONNX Runtime tells the type of a tensor."""


def given_types(model: onnx.ModelProto, folder: Path) -> dict[str, int]:
    """Return the element type that the runtime gives each computed tensor.

    It knows operators that ONNX's own inference does not, and reads no declared type.

    Args:
        model: A proto; what it declares of its tensors counts for nothing.
        folder: The folder its external locations are relative to.

    Returns:
        ``TensorProto`` element type by tensor name; sequences are left out.

    Raises:
        RunError: The runtime does not load the model for another reason.
    """
    kinds = open_session(instrument(model), folder).output_kinds
    start, end = TENSOR
    return {
        name: TensorProto.DataType.Value(kind[len(start) : -len(end)].upper())
        for name, kind in kinds.items()
        if kind.startswith(start)
    }


def dump(session: Session | Spilled, feeds: Feeds) -> dict[str, Array]:
    """Return every tensor of one run, the inputs among them.

    Args:
        session: A session on an instrumented model.
        feeds: One sample: array of the declared shape and dtype by input name.

    Returns:
        Array by tensor name; sequences and strings are left out, since no cut goes through
        them.

    Raises:
        RunError: The runtime refuses the sample, or a node fails on it.
    """
    inputs = {name: feeds[name] for name in session.input_names if name in feeds}
    return inputs | {
        name: value
        for name, value in session.run(feeds).items()
        if value.dtype.kind not in "OUS"
    }
