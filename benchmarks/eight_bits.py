"""What eight bits leave: the healthy model on the grids that a fault put in, made right.

A sabotaged quantizer puts a weight, or a tensor, on a wrong grid of integers. Its repair is
the right grid, not floats: who wrote integers meant them. What a right grid leaves is the
least that such a repair can reach.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import onnx
from judge import Array, run
from onnx import helper, numpy_helper
from truth import Wiring, key

STEPS = 127
"""Steps of a signed eight-bit grid on either side of zero."""

SPAN = 255
"""Steps of an unsigned one from end to end."""


def on_right_grids(
    healthy: onnx.ModelProto, broken: onnx.ModelProto, probes: Sequence[Array], shown: int
) -> onnx.ModelProto | None:
    """Return the healthy model on the grids that a broken one has more, each a right one.

    Weights get a scale for each index of the grid's axis, tensors the range that they have.

    Args:
        healthy: The model that faults were put in.
        broken: The same with them.
        probes: An array per input, samples first.
        shown: How many of them tell a tensor's range.

    Returns:
        The model; None where the broken one has no grids of its own.
    """
    old, new = Wiring(healthy), Wiring(broken)
    right = onnx.ModelProto.FromString(healthy.SerializeToString())
    added = [one for given, one in new.nodes.items() if given not in old.nodes]
    weights = [one for one in added if _holds_weight(one, new)]
    tensors = [one for one in added if _writes(one, old)]
    for node in weights:
        _round_weight(right, node, old, new)
    for node, low, high in _ranges(healthy, tensors, probes, shown):
        _put_on_grid(right, node.input[0], low, high)
    return right if weights or tensors else None


def _holds_weight(node: onnx.NodeProto, wiring: Wiring) -> bool:
    return node.op_type == "DequantizeLinear" and node.input[0] in wiring.constants


def _writes(node: onnx.NodeProto, old: Wiring) -> bool:
    return node.op_type == "QuantizeLinear" and node.input[0] in old.owner


def _round_weight(
    right: onnx.ModelProto, node: onnx.NodeProto, old: Wiring, new: Wiring
) -> None:
    """Let a model read the weight, rounded, that a DequantizeLinear stands for."""
    axis = next((one.i for one in node.attribute if one.name == "axis"), 1)
    for reader in (one for one in right.graph.node if key(one) in old.nodes):
        held = new.nodes.get(key(reader))
        if held is None or node.output[0] not in held.input:
            continue
        slot = list(held.input).index(node.output[0])
        stored = old.constants.get(reader.input[slot])
        if stored is None:
            continue
        name = f"{key(reader)}_rounded"
        weight = rounded(numpy_helper.to_array(stored), axis)
        right.graph.initializer.append(numpy_helper.from_array(weight, name))
        reader.input[slot] = name


def rounded(weight: Array, axis: int) -> Array:
    """Return a weight as eight bits hold it.

    Args:
        weight: Float32 of any shape.
        axis: The one along which each index has a scale of its own.
    """
    others = tuple(one for one in range(weight.ndim) if one != axis % weight.ndim)
    sizes = np.abs(weight).max(axis=others, keepdims=True)
    step = np.maximum(sizes, np.finfo(np.float32).tiny) / STEPS
    return np.asarray(np.round(weight / step) * step, np.float32)


def _ranges(
    model: onnx.ModelProto,
    writers: Sequence[onnx.NodeProto],
    probes: Sequence[Array],
    shown: int,
) -> Iterator[tuple[onnx.NodeProto, float, float]]:
    """Yield the nodes that write a grid, each with the ends of what a model gives there."""
    if not writers:
        return
    names = dict.fromkeys(node.input[0] for node in writers)
    exposed = onnx.ModelProto.FromString(model.SerializeToString())
    del exposed.graph.output[:]
    exposed.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    rows = run(exposed, probes, shown)
    if not isinstance(rows, tuple):
        return
    ends = {
        name: (min(one.min() for one in column), max(one.max() for one in column))
        for name, column in zip(names, zip(*rows, strict=True), strict=True)
    }
    for node in writers:
        low, high = ends[node.input[0]]
        yield node, min(0.0, float(low)), max(0.0, float(high))


def _put_on_grid(model: onnx.ModelProto, given: str, low: float, high: float) -> None:
    """Round what a node gives, for all who read it, to a grid between two ends."""
    graph = model.graph
    step = np.float32((high - low) / SPAN or 1.0)
    grid = step, np.asarray(np.round(-low / step), np.uint8)
    names = [f"{given}_right_{part}" for part in ("scale", "zero", "integers", "floats")]
    for value, name in zip(grid, names, strict=False):
        graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    for reader in graph.node:
        reader.input[:] = [names[3] if name == given else name for name in reader.input]
    place = next(at for at, one in enumerate(graph.node) if given in one.output)
    write = helper.make_node("QuantizeLinear", [given, *names[:2]], names[2:3])
    read = helper.make_node("DequantizeLinear", [names[2], *names[:2]], names[3:])
    graph.node.insert(place + 1, read)
    graph.node.insert(place + 1, write)
