"""As much of a model as its runtime loads and runs, and where it stops."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import onnx

from analyzer.core.errors import RunError
from analyzer.core.graph import node_name, reads
from analyzer.core.types import Feeds
from analyzer.runtime.dump import computed
from analyzer.runtime.order import forward_order
from analyzer.runtime.session import open_session

MOST_STOPS = 32
"""Nodes at which a model may stop before the search is given up."""


def safe_prefix(
    model: onnx.ModelProto, folder: Path, feeds: Feeds
) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """Return the part of a model that runs, and the nodes at which the runtime stops.

    Args:
        model: A model that does not load or run; it is not changed.
        folder: The folder its external locations are relative to.
        feeds: One sample: array of the declared shape and dtype by input name.

    Returns:
        The model without the stopping nodes and whatever is computed from them, and the
        names of the stopping nodes, first found first. Outputs that nobody gives are
        dropped. Where the runtime refuses the sample itself, a model without nodes and no
        names.
    """
    working, stopped = model, list[str]()
    dangling = _dangling(working)
    while dangling and len(stopped) < MOST_STOPS:
        stopped.extend(dangling)
        working = _without(working, dangling)
        dangling = _dangling(working)
    while len(stopped) < MOST_STOPS:
        refusal = _refusal(working, folder, feeds)
        if refusal is None:
            return _kept(working, range(len(working.graph.node))), tuple(stopped)
        name = refusal.node or _first_failing(working, folder, feeds)
        if not name:
            break
        stopped.append(name)
        working = _without(working, [name])
    return _kept(working, []), tuple(stopped)


def _dangling(model: onnx.ModelProto) -> list[str]:
    """Return the names of the nodes that read a tensor nobody gives."""
    graph = model.graph
    given = {name for node in graph.node for name in node.output}
    given.update(value.name for value in graph.input)
    given.update(weight.name for weight in graph.initializer)
    given.update(weight.values.name for weight in graph.sparse_initializer)
    return [node_name(node) for node in graph.node if set(reads(node)) - given]


def _refusal(model: onnx.ModelProto, folder: Path, feeds: Feeds) -> RunError | None:
    """Return why the runtime does not compute all of a model; None where it does."""
    try:
        open_session(_all_tensors(model), folder).run(feeds)
    except RunError as refusal:
        return refusal
    return None


def _all_tensors(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy whose every tensor, its inputs too, is an output.

    A model without nodes then still runs, and shows whether the sample alone is refused.
    """
    shown = onnx.ModelProto()
    shown.CopyFrom(model)
    graph = shown.graph
    names = dict.fromkeys((*(value.name for value in graph.input), *computed(graph)))
    del graph.value_info[:]
    del graph.output[:]
    graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    return shown


def _first_failing(model: onnx.ModelProto, folder: Path, feeds: Feeds) -> str:
    """Return the first node, in computing order, that fails; empty for none.

    It halves the model again and again, for the refusals that name no node.
    """
    nodes = model.graph.node
    order = forward_order(nodes)
    runs, fails = 0, len(order)
    if _refusal(_kept(model, []), folder, feeds) is not None:
        return ""
    while runs + 1 < fails:
        middle = (runs + fails) // 2
        part = _kept(model, sorted(order[:middle]))
        if _refusal(part, folder, feeds) is None:
            runs = middle
        else:
            fails = middle
    return node_name(nodes[order[fails - 1]]) if order else ""


def _without(model: onnx.ModelProto, names: Iterable[str]) -> onnx.ModelProto:
    """Return a model without some nodes and whatever is computed from them."""
    nodes = model.graph.node
    dropped = set(names)
    kept = list[int]()
    out = [place for place, node in enumerate(nodes) if node_name(node) in dropped]
    gone = {name for place in out for name in nodes[place].output if name}
    alive = [place for place in forward_order(nodes) if place not in set(out)]
    gone -= {name for place in alive for name in nodes[place].output}  # given twice
    for place in alive:
        if gone.isdisjoint(reads(nodes[place])):
            kept.append(place)
        else:
            gone.update(name for name in nodes[place].output if name)
    return _kept(model, sorted(kept))


def _kept(model: onnx.ModelProto, places: Sequence[int]) -> onnx.ModelProto:
    """Return a model with only some of its nodes, and the outputs that are still given."""
    part = onnx.ModelProto()
    part.CopyFrom(model)
    graph = part.graph
    outputs = list(graph.output)
    del graph.node[:]
    del graph.value_info[:]
    del graph.output[:]
    graph.node.extend(model.graph.node[place] for place in places)
    given = {name for node in graph.node for name in node.output}
    given.update(value.name for value in (*graph.input, *graph.initializer))
    graph.output.extend(value for value in outputs if value.name in given)
    return part
