"""Parts of a model, cut out and run on values of the caller's choice.

A cut tensor is read from a new graph input. Declared types are dropped: after an edit or
for another sample they may be wrong, and the runtime infers what it needs.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx

from analyzer.core.errors import RunError
from analyzer.core.graph import reads
from analyzer.core.types import Array, Feeds, Sample
from analyzer.runtime.isolate import fed_name, rename_reads
from analyzer.runtime.metrics import spared_error
from analyzer.runtime.session import NOTHING, Session, open_session
from analyzer.runtime.value_types import input_types, type_of


def extract(
    model: onnx.ModelProto,
    inputs: Collection[str],
    outputs: Sequence[str],
    *,
    arrays: Feeds | None = None,
) -> onnx.ModelProto:
    """Return the part of a model that computes some tensors from others.

    Args:
        model: The whole model.
        inputs: Tensors at which the part begins; each that it reads becomes a graph input.
            A tensor that is also wanted as an output is computed, and read from an input
            that is named by `fed_name`.
        outputs: Tensors that the part gives.
        arrays: A value for each input to take its type from; None: the types that the model
            declares or implies.

    Returns:
        A model with only the nodes, weights and functions that the part needs. What it
        reads of the model's own inputs beside `inputs` stays an input.
    """
    nodes = needed(model.graph, set(inputs), outputs)
    made = {name for node in nodes for name in node.output}
    names = {name: fed_name(name) if name in made else name for name in inputs}
    part = _part(model, nodes, names, outputs)
    types = input_types(model, inputs) if arrays is None else _array_types(arrays)
    read = {name for node in nodes for name in reads(node)} | (set(outputs) - made)
    part.graph.input.extend(
        onnx.ValueInfoProto(name=given, type=types.get(name))
        for name, given in names.items()
        if name in read
    )
    return part


def _part(
    model: onnx.ModelProto,
    nodes: Sequence[onnx.NodeProto],
    names: Mapping[str, str],
    outputs: Sequence[str],
) -> onnx.ModelProto:
    """Return a model of some nodes and their weights, its cut inputs still undeclared."""
    part = onnx.ModelProto(ir_version=model.ir_version)
    part.opset_import.extend(model.opset_import)
    part.functions.extend(model.functions)
    graph = part.graph
    graph.name = "part"
    graph.node.extend(nodes)
    for node in graph.node:
        rename_reads(node, names)
    used = {name for node in nodes for name in reads(node)} | set(outputs)
    used -= set(names)
    own = model.graph
    graph.initializer.extend(weight for weight in own.initializer if weight.name in used)
    graph.sparse_initializer.extend(
        weight for weight in own.sparse_initializer if weight.values.name in used
    )
    graph.input.extend(value for value in own.input if value.name in used)
    graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs)
    return part


def surroundings(
    model: onnx.ModelProto, inputs: Collection[str], outputs: Sequence[str]
) -> onnx.ModelProto:
    """Return the nodes and weights that a part needs, under their own names, as a model.

    What is edited and cut out again and again is better small; it is no model to run.

    Args:
        model: The whole model.
        inputs: Tensors at which the part begins.
        outputs: Tensors that the part gives.
    """
    return _part(model, needed(model.graph, set(inputs), outputs), {}, outputs)


def needed(
    graph: onnx.GraphProto, cut: Collection[str], outputs: Iterable[str]
) -> tuple[onnx.NodeProto, ...]:
    """Return the nodes that compute some tensors when others are given, in file order.

    Args:
        graph: The main graph; its nodes may stand in any order.
        cut: Tensors that are given wherever they are read.
        outputs: Tensors wanted; their producers are kept even where they are cut.
    """
    nodes = graph.node
    places = {
        name: place for place, node in enumerate(nodes) for name in node.output if name
    }
    pending = [places[name] for name in outputs if name in places]
    kept: set[int] = set()
    while pending:
        place = pending.pop()
        if place in kept:
            continue
        kept.add(place)
        before = (name for name in reads(nodes[place]) if name not in cut)
        pending.extend(places[name] for name in before if name in places)
    return tuple(nodes[place] for place in sorted(kept))


def _array_types(arrays: Feeds) -> dict[str, onnx.TypeProto]:
    """Return the type of each array by its name."""
    return {name: type_of(array) for name, array in arrays.items()}


def open_region(
    model: onnx.ModelProto,
    folder: Path,
    feeds: Feeds,
    outputs: Sequence[str],
    held: Feeds = NOTHING,
) -> Session:
    """Return a session on a part of a model, for every sample of the same dtypes and ranks.

    Args:
        model: The whole model.
        folder: The folder its external locations are relative to.
        feeds: Array by tensor name: the part begins at these.
        outputs: Tensors that the part gives.
        held: Values of the initializers that point at no file, by name.

    Raises:
        RunError: The runtime does not load the part.
    """
    part = extract(model, tuple(feeds), outputs, arrays=feeds)
    own = {tensor.name for tensor in part.graph.initializer}
    read = {name: value for name, value in held.items() if name in own}
    return open_session(part, folder, held=read)


def run_region(
    model: onnx.ModelProto, folder: Path, feeds: Feeds, outputs: Sequence[str]
) -> dict[str, Array]:
    """Return what a part of a model gives for values of the caller's choice.

    Args:
        model: The whole model.
        folder: The folder its external locations are relative to.
        feeds: Array by tensor name: the part begins at these.
        outputs: Tensors that the part gives.

    Returns:
        Array by output name.

    Raises:
        RunError: The part does not load, or a node of it fails.
    """
    return run_opened(open_region(model, folder, feeds, outputs), feeds, outputs)


def run_opened(session: Session, feeds: Feeds, outputs: Sequence[str]) -> dict[str, Array]:
    """Return what an opened part gives for one more sample.

    Args:
        session: What `open_region` returned.
        feeds: Array by tensor name, as `open_region` was given.
        outputs: Tensors wanted.

    Returns:
        Array by output name.

    Raises:
        RunError: A node of the part fails.
    """
    fed = {fed_name(name): array for name, array in feeds.items()}
    return session.run({**feeds, **fed}, outputs)


def region_error(
    model: onnx.ModelProto,
    folder: Path,
    samples: Sequence[Sample],
    results: Sequence[str],
    held: Feeds = NOTHING,
) -> float:
    """Return the largest local error of a region over some samples.

    Args:
        model: The whole target model.
        folder: The folder its external locations are relative to.
        samples: What the region was fed, and what the source gave for it.
        results: Tensors that the region gives.
        held: Values of the initializers that point at no file, by name.

    Returns:
        The largest `spared_error`; infinite where the region does not load or run, zero
        where there is no sample.
    """
    if not samples:
        return 0.0
    try:
        session = open_region(model, folder, samples[0].inputs, results, held)
        return max(_sample_error(session, sample, results) for sample in samples)
    except RunError:
        return np.inf


def _sample_error(session: Session, sample: Sample, results: Sequence[str]) -> float:
    """Return the largest relative error of an opened region's results on one sample."""
    observed = run_opened(session, sample.inputs, results)
    known = [name for name in results if name in observed and name in sample.expected]
    errors = (
        spared_error(observed[name], sample.expected[name], sample.spared) for name in known
    )
    return max(errors, default=0.0)
