"""How far rounding alone can move a tensor: measured, not assumed."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from math import prod
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from analyzer.core.errors import RunError
from analyzer.core.graph import constant_value, opsets
from analyzer.core.settings import SETTING_INPUTS, setting_slot
from analyzer.core.tensors import tensor_value
from analyzer.core.types import Array, Feeds
from analyzer.runtime.isolate import fed_name
from analyzer.runtime.metrics import relative_error
from analyzer.runtime.perturbation import FLOATS, gridded, perturbed
from analyzer.runtime.region import extract
from analyzer.runtime.session import Session, open_session
from analyzer.runtime.value_types import type_of

Step = Callable[[str, Array], Array]
"""What moves an operand of a name by one rounding error."""

DECIDING = frozenset(
    {"Ceil", "Floor", "Round", "Sign", "Mod", "QuantizeLinear", "Range", "OneHot"}
    | {"Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Unique", "NonZero"}
    | {"ArgMax", "ArgMin", "Hardmax", "TopK", "NonMaxSuppression", "If", "Loop", "Scan"}
)
"""Operators that jump where what they read moves a little, as from a whole number."""

DRAWS = 3
"""Perturbations tried for each sample; each costs a run, and all of them fall below the
median effect only once in eight times."""

FLOAT_KINDS = frozenset({TensorProto.FLOAT16, TensorProto.FLOAT, TensorProto.DOUBLE})
"""The same as ONNX numbers them."""

LARGEST_WEIGHT = 1 << 24
"""Elements above which a weight stays as it is: an embedding table, of which one sample
reads few rows, would cost more than it tells."""


def noise_floor(  # noqa: PLR0913 - a region, its samples, and how to perturb it
    model: onnx.ModelProto,
    folder: Path,
    samples: Sequence[Feeds],
    outputs: Sequence[str],
    *,
    unit: float | None = None,
    levels: int = 0,
    seed: int = 0,
    enough: float = np.inf,
) -> dict[str, float]:
    """Return how far each output moves when every operand moves by one rounding error.

    Each float input and each float weight of the region is moved by one unit in the last
    place, up or down at random; the largest relative deviation of a few draws is the floor.

    Args:
        model: The whole model.
        folder: The folder its external locations are relative to.
        samples: Array by tensor name: the region begins at these tensors, and each sample
            holds the same ones.
        outputs: Tensors that the region gives.
        unit: Relative size of the perturbation; None: the machine epsilon of each tensor's
            own dtype (2**-23 for float32, 2**-10 for float16).
        levels: Steps of the integer grid an operand is rounded to, 255 for int8; 0: none.
        seed: Seed of the signs.
        enough: A floor that explains what was seen: no draw is made once every output's is
            as large.

    Returns:
        Relative error by output name, in the measure of `relative_error`; empty where the
        region does not run or there is no sample.

    Source: N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., 2002,
    sections 1.5 (backward error) and 3.3 (running error); F. Chatelin and V. Fraysse,
    Lectures on Finite Precision Computations, 1996 (random perturbation of the operands).
    """
    if not samples:
        return {}
    part = extract(model, tuple(samples[0]), outputs, arrays=samples[0])
    weights = _weights(part, folder)
    rng = np.random.default_rng(seed)
    begin = () if any(map(_decides, part.graph.node)) else tuple(samples[0])
    smooth = frozenset((*begin, *map(fed_name, begin)))
    step = partial(_step, unit=unit, levels=levels, rng=rng, smooth=smooth)
    try:
        session = open_session(_with_inputs(part, weights), folder)
        return _floors(session, weights, samples, step, enough)
    except RunError:  # a runtime may want a weight to be constant
        return _floors_of_copies(part, folder, weights, samples, step)


def _floors_of_copies(
    part: onnx.ModelProto,
    folder: Path,
    weights: Feeds,
    samples: Sequence[Feeds],
    step: Step,
) -> dict[str, float]:
    """Return the deviations of copies whose weights are moved; empty: none of them runs."""
    try:
        plain = open_session(part, folder)
        copies = [
            _with_weights(part, {n: step(n, array) for n, array in weights.items()})
            for _ in range(DRAWS)
        ]
        moved = [open_session(copy, folder) for copy in copies]
        return _largest(
            relative
            for feeds in samples
            for draw in _deviations(plain, moved, _operands(plain, feeds, {}), step)
            for relative in draw
        )
    except RunError:
        return {}


def _with_weights(part: onnx.ModelProto, weights: Feeds) -> onnx.ModelProto:
    """Return a region with other values for some of its initializers."""
    changed = onnx.ModelProto()
    changed.CopyFrom(part)
    for tensor in changed.graph.initializer:
        if tensor.name in weights:
            tensor.CopyFrom(numpy_helper.from_array(weights[tensor.name], tensor.name))
    return changed


def _weights(part: onnx.ModelProto, folder: Path) -> dict[str, Array]:
    """Return the float weights of a region, in initializers and Constant nodes, by name."""
    exact = _settings(part)
    values = {
        tensor.name: tensor_value(tensor, folder)
        for tensor in part.graph.initializer
        if _rounds(tensor) and tensor.name not in exact
    }
    for node in part.graph.node:
        if node.op_type != "Constant" or node.domain or not node.attribute:
            continue
        value = constant_value(node, folder)
        if value.dtype in FLOATS and node.output[0] not in exact:
            values[node.output[0]] = value
    return values


def _settings(part: onnx.ModelProto) -> set[str]:
    """Return the tensors that set an operator, as a Resize's scales: they are exact."""
    version = opsets(part).get("", 1)
    return {
        node.input[slot]
        for node in part.graph.node
        for field in SETTING_INPUTS.get(node.op_type, {})
        if (slot := setting_slot(node.op_type, field, version)) is not None
        and slot < len(node.input)
    }


def _rounds(tensor: onnx.TensorProto) -> bool:
    """Return whether a weight is of floats, and of no more than are worth perturbing."""
    return tensor.data_type in FLOAT_KINDS and prod(tensor.dims) <= LARGEST_WEIGHT


def _with_inputs(part: onnx.ModelProto, weights: Feeds) -> onnx.ModelProto:
    """Return a region that is fed its weights."""
    fed = onnx.ModelProto()
    fed.CopyFrom(part)
    graph = fed.graph
    constants = [tensor for tensor in part.graph.initializer if tensor.name not in weights]
    nodes = [node for node in part.graph.node if weights.keys().isdisjoint(node.output)]
    del graph.initializer[:]
    graph.initializer.extend(constants)
    del graph.node[:]
    graph.node.extend(nodes)
    graph.input.extend(
        onnx.ValueInfoProto(name=name, type=type_of(array, array.shape))
        for name, array in weights.items()
        if name not in {value.name for value in part.graph.input}
    )
    return fed


def _floors(
    session: Session,
    weights: Feeds,
    samples: Sequence[Feeds],
    step: Step,
    enough: float,
) -> dict[str, float]:
    """Return the largest deviation of each output over all samples and draws."""
    draws = (
        draw
        for feeds in samples
        for draw in _deviations(
            session, [session] * DRAWS, _operands(session, feeds, weights), step
        )
    )
    floors: dict[str, float] = {}
    for draw in draws:
        floors = _largest((*floors.items(), *draw))
        if floors and min(floors.values()) >= enough:
            break
    return floors


def _operands(session: Session, feeds: Feeds, weights: Feeds) -> dict[str, Array]:
    named = {fed_name(name): array for name, array in feeds.items()}
    known = {**feeds, **named, **weights}
    return {name: known[name] for name in session.input_names if name in known}


def _deviations(
    plain: Session, moved: Sequence[Session], operands: Feeds, step: Step
) -> Iterator[list[tuple[str, float]]]:
    """Yield the deviation of each output, a list for each draw, a session a draw."""
    expected = plain.run(operands)
    for session in moved:
        fed = {name: step(name, array) for name, array in operands.items()}
        observed = session.run(fed)
        yield [
            (name, relative_error(value, expected[name]))
            for name, value in observed.items()
        ]


def _largest(deviations: Iterable[tuple[str, float]]) -> dict[str, float]:
    floors: dict[str, float] = {}
    for name, error in deviations:
        floors[name] = max(floors.get(name, 0.0), error)
    return floors


def _decides(node: onnx.NodeProto) -> bool:
    """Return whether a node's result may jump where what it reads moves a little."""
    kinds = (one.i for one in node.attribute if one.name == "to")
    whole = node.op_type == "Cast" and FLOAT_KINDS.isdisjoint(kinds)
    return whole or node.op_type in DECIDING


def _step(
    name: str,
    array: Array,
    *,
    unit: float | None,
    levels: int,
    rng: np.random.Generator,
    smooth: Collection[str],
) -> Array:
    """Return an array moved by one rounding error of its dtype, or of an integer grid."""
    if levels:
        return gridded(array, levels, rng)
    return perturbed(array, unit, rng, counts=name in smooth)
