"""One cell of the table of formats: ``framework_cell.py FILE RESULT``, as JSON.

The file is read as pivotfix reads it; what comes of it is judged by ONNX Runtime, NumPy and
what the framework itself recorded beside the file.
"""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnx import numpy_helper

from analyzer.core.errors import PivotfixError
from analyzer.core.types import Pivot, TensorSpec
from analyzer.frontends.hints import Hints
from analyzer.judge import NEGLIGIBLE, whole_model_noise
from analyzer.pivot import load

SEED = 0
FEW = 8
"""Values up to which an array may equal another by chance, such as all zeros."""

Array = npt.NDArray[np.generic]


def cell(file: Path) -> dict[str, object]:
    """Return what came of reading a file.

    Args:
        file: In a folder of `formats_keras.py` or `formats_torch.py`.
    """
    began = time.perf_counter()
    try:
        pivot = opened(file)
    except PivotfixError as surprise:
        return {"refused": str(surprise)}
    seconds = time.perf_counter() - began
    if pivot.refusal is not None:
        return {"refused": str(pivot.refusal), "seconds": seconds}
    feeds = list(fed(pivot, file.parent / "probes.npz"))
    gap, floor = fidelity(pivot, feeds, recorded(file))
    found, named, parameters, layers = recovered(pivot, file.parent / "parameters.npz")
    return {
        "seconds": seconds,
        "gap": gap,
        "floor": floor,
        "parameters": [found, parameters],
        "layers": [named, layers],
        "notes": pivot.notes,
    }


def opened(file: Path) -> Pivot:
    """Return the file's pivot; what the file does not say itself stands beside it."""
    factory = f"{file.with_name('factory.py')}"
    with np.load(file.parent / "probes.npz") as drawn:
        sample = drawn["in0"][0]
    spec = TensorSpec("", sample.dtype.name, ("batch", *sample.shape[1:]))
    if file.suffix == ".py":
        return load(f"{file}:factory", trust_code=True)
    if file.name == "weights.pt":
        return load(str(file), trust_code=True, hints=Hints(model=f"{factory}:factory"))
    return load(str(file), trust_code=False, hints=Hints(inputs=(spec,)))


def fed(pivot: Pivot, drawn: Path) -> Iterator[dict[str, Array]]:
    """Yield probes as the pivot takes them."""
    with np.load(drawn) as arrays:
        samples = arrays["in0"]
    taken = pivot.inputs[0]
    for sample in samples:
        yield {taken.name: sample.astype(taken.dtype)}


def recorded(file: Path) -> Array:
    """Return what the file's own runtime gave for the probes."""
    with np.load(file.with_name(f"{file.name}.npz")) as arrays:
        return arrays["out0"]  # type: ignore[no-any-return]


def fidelity(
    pivot: Pivot, feeds: Sequence[dict[str, Array]], expected: Array
) -> tuple[float, float]:
    """Return how far the pivot is from the recorded outputs, and what rounding explains.

    Both are relative to the largest value of a sample; the pivot runs in plain ONNX
    Runtime, from a file with its weights inside.
    """
    whole = onnx.ModelProto.FromString(pivot.model.SerializeToString())
    onnx.external_data_helper.load_external_data_for_model(whole, str(pivot.folder))
    session = ort.InferenceSession(whole.SerializeToString())
    name = pivot.outputs[0].name
    gap = 0.0
    for one, right in zip(feeds, expected, strict=True):
        made = session.run([name], one)[0].astype(float)
        gap = max(gap, float(np.abs(made - right).max() / np.abs(right).max()))
    floors = whole_model_noise(pivot, feeds, SEED, enough=gap)
    return gap, max((NEGLIGIBLE, *floors.values()))


def recovered(pivot: Pivot, path: Path) -> tuple[int, int, int, int]:
    """Return parameters found by exact value, layers found by name, and how many there are.

    Args:
        pivot: The pivot.
        path: The framework's own parameters, by name; the layer's name ends at the last
            dot or slash.
    """
    held = list(constants(pivot))
    with np.load(path) as arrays:
        parameters = {name: arrays[name] for name in arrays.files}
    found = sum(holds(held, array) for array in parameters.values())
    known = {layer.name for layer in pivot.layers.values()}
    layers = {owner(name) for name in parameters}
    named = sum(any(ends(one, layer) for one in known) for layer in layers)
    return found, named, len(parameters), len(layers)


def constants(pivot: Pivot) -> Iterator[Array]:
    """Yield every constant of a pivot, those of Constant nodes too."""
    for tensor in pivot.model.graph.initializer:
        yield numpy_helper.to_array(tensor, str(pivot.folder))
    for node in pivot.model.graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                yield numpy_helper.to_array(attribute.t, str(pivot.folder))


def holds(held: Sequence[Array], wanted: Array) -> bool:
    """Return whether some constant is made of an array's values, or contains them all.

    A permutation of axes or of gates keeps the values; one constant may hold two biases.
    """
    sought = np.sort(wanted, axis=None)
    for array in held:
        if array.size == wanted.size:
            if np.array_equal(np.sort(array.astype(wanted.dtype), axis=None), sought):
                return True
        elif array.size > wanted.size > FEW and np.isin(sought, array).all():
            return True
    return False


def owner(name: str) -> str:
    """Return the layer that a parameter belongs to."""
    return name.rpartition("/" if "/" in name else ".")[0]


def ends(known: str, layer: str) -> bool:
    """Return whether a name in the pivot is a layer's, scopes and calls aside."""
    return known == layer or layer.rpartition("/")[2] in known.split("/")


if __name__ == "__main__":
    told = json.dumps(cell(Path(sys.argv[1])))
    Path(sys.argv[2]).write_text(told, encoding="utf-8")
