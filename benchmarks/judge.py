"""What is healthy and what has an effect, by ONNX Runtime and NumPy alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort

Array = npt.NDArray[np.generic]
Outputs = tuple[tuple[Array, ...], ...]
"""Arrays of each output, for each probe."""

HEALTHY = 1e-3
"""Relative deviation of outputs up to which a float32 conversion is called healthy.

A float32 ResNet101 reassociates its way to 2e-4; a wrong epsilon or pad shows above 1e-2.
"""

TIMES_NOISE = 10.0
"""How far above its pair's healthy deviation a fault's effect has to stand."""

LEAST_EFFECT = 1e-5
"""A relative effect below this drowns in float32 rounding on any deep network."""

ort.set_default_logger_severity(4)


@dataclass(frozen=True, slots=True)
class Refused:
    """A model that ONNX Runtime does not load or run, and its words."""

    why: str


def _is_deadly(graph: onnx.GraphProto) -> bool:
    """Return whether ONNX Runtime would die of a model, and the process with it."""
    return any(
        node.op_type == "ConvTranspose"
        and any(one.name == "group" and one.i == 0 for one in node.attribute)
        for node in graph.node
    )


def _moves_grids_into_bodies(model: onnx.ModelProto | Path) -> bool:
    """Return whether ONNX Runtime 1.31 might abort where it moves grids next to a body."""
    read = onnx.load(model, load_external_data=False) if isinstance(model, Path) else model
    nodes = read.graph.node
    return any(node.op_type == "DequantizeLinear" for node in nodes) and any(
        one.HasField("g") for node in nodes for one in node.attribute
    )


def run(
    model: onnx.ModelProto | Path, probes: Sequence[Array], count: int
) -> Outputs | Refused:
    """Return a model's outputs on the first probes.

    Args:
        model: The model or its file.
        probes: An array per input, samples first, in the layout of the source.
        count: How many samples.
    """
    if isinstance(model, onnx.ModelProto) and _is_deadly(model.graph):
        return Refused("it would divide by zero groups")
    given = str(model) if isinstance(model, Path) else model.SerializeToString()
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    without = ["QDQPropagationTransformer"] if _moves_grids_into_bodies(model) else None
    try:
        session = ort.InferenceSession(
            given, options, providers=["CPUExecutionProvider"], disabled_optimizers=without
        )
        inputs = session.get_inputs()
        return tuple(
            tuple(
                np.asarray(one)
                for one in session.run(
                    None,
                    {
                        value.name: fitted(array[place], value.shape)
                        for value, array in zip(inputs, probes, strict=True)
                    },
                )
            )
            for place in range(count)
        )
    except Exception as refusal:  # noqa: BLE001 - ONNX Runtime raises a dozen of its own
        return Refused(f"{type(refusal).__name__}: {str(refusal)[:200]}")


def fitted(array: Array, declared: Sequence[int | str | None]) -> Array:
    """Return an image in the layout that an input declares: channels last or first."""
    sizes = [size if isinstance(size, int) else None for size in declared]
    for laid in (array, np.moveaxis(array, -1, 1), np.moveaxis(array, 1, -1)):
        pairs = zip(sizes, laid.shape, strict=False)
        if len(sizes) == laid.ndim and all(s in {None, got} for s, got in pairs):
            return np.ascontiguousarray(laid)
    return array


def deviation(one: Outputs | Refused, other: Outputs | Refused) -> float:
    """Return the largest deviation over the largest magnitude, of any output of any probe.

    Infinite where one is refused, or shapes or the places of NaN and infinity differ.
    """
    if isinstance(one, Refused) or isinstance(other, Refused):
        return 0.0 if isinstance(one, type(other)) else float("inf")
    return max(deviations(one, other), default=float("inf"))


def deviations(one: Outputs, other: Outputs) -> tuple[float, ...]:
    """Return the deviation of each output over its size, as `deviation` has it."""
    rows = zip(zip(*one, strict=True), zip(*other, strict=True), strict=False)
    return tuple(_apart(mine, theirs) for mine, theirs in rows)


def _apart(mine: Sequence[Array], theirs: Sequence[Array]) -> float:
    """Return the deviation of one output over the probes, over its size on any of them."""
    if any(a.shape != b.shape for a, b in zip(mine, theirs, strict=True)):
        return float("inf")
    left = np.concatenate([one.ravel() for one in mine]).astype(np.float64)
    right = np.concatenate([one.ravel() for one in theirs]).astype(np.float64)
    finite = np.isfinite(left)
    if not np.array_equal(finite, np.isfinite(right)):
        return float("inf")
    if not finite.any():
        return 0.0
    size = float(np.abs(left[finite]).max())
    apart = float(np.abs(left[finite] - right[finite]).max())
    return apart / size if size else apart


def effective(effect: float, noise: float) -> bool:
    """Return whether a fault's effect stands above what its healthy pair deviates by."""
    return effect > max(LEAST_EFFECT, TIMES_NOISE * noise)


def exposed_shapes(
    model: onnx.ModelProto, probes: Sequence[Array]
) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor of the main graph on the first probe."""
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    known = {value.name for value in copy.graph.output}
    inner = [name for node in copy.graph.node for name in node.output if name not in known]
    for name in filter(None, inner):
        copy.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    result = run(copy, probes, 1)
    ends = {
        value.name: tuple(axis.dim_value for axis in value.type.tensor_type.shape.dim)
        for value in model.graph.input
    }
    if isinstance(result, Refused):
        return {}
    names = [value.name for value in copy.graph.output]
    return {name: np.shape(one) for name, one in zip(names, result[0], strict=True)} | ends
