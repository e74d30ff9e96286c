"""One cell of the table of formats: ``framework_cell.py FILE RESULT``, as JSON.

The file is read as pivotfix reads it; what comes of it is judged by ONNX Runtime, NumPy and
what the framework itself recorded beside the file.
"""

import json
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from framework_layers import one_step, parts
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
    whole = onnx.ModelProto.FromString(pivot.model.SerializeToString())
    onnx.external_data_helper.load_external_data_for_model(whole, str(pivot.folder))
    feeds = list(fed(pivot, file.parent / "probes.npz"))
    gap, floor = fidelity(pivot, whole, feeds, recorded(file))
    row = {"seconds": seconds, "gap": gap, "floor": floor, "notes": pivot.notes}
    if file.suffix != ".tflite":
        return row | recovered(pivot, file.parent / "parameters.npz")
    samples = [one for feed in feeds for one in feed.values()]
    right, layers, worst, error = one_step(whole, file, samples)
    told = {"right": [right, layers], "worst": [worst, error]}
    return row | told | lite_recovered(pivot, file)


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
    pivot: Pivot, whole: onnx.ModelProto, feeds: Sequence[dict[str, Array]], expected: Array
) -> tuple[float, float]:
    """Return how far the pivot is from the recorded outputs, and what rounding explains.

    Both are relative to the largest value of a sample; the pivot runs in ONNX Runtime as it
    is written, with its weights inside.
    """
    options = ort.SessionOptions()  # its optimizer is another question than the import
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(whole.SerializeToString(), options)
    name = pivot.outputs[0].name
    gap = 0.0
    for one, right in zip(feeds, expected, strict=True):
        made = session.run([name], one)[0].astype(float)
        gap = max(gap, float(np.abs(made - right).max() / np.abs(right).max()))
    floors = whole_model_noise(pivot, feeds, SEED, enough=gap)
    return gap, max((NEGLIGIBLE, *floors.values()))


def recovered(pivot: Pivot, path: Path) -> dict[str, object]:
    """Return parameters found by exact value, layers found by name, and how many there are.

    Args:
        pivot: The pivot.
        path: The framework's own parameters, by name; the layer's name ends at the last
            dot or slash.
    """
    with np.load(path) as arrays:
        parameters = {name: arrays[name] for name in arrays.files}
    known = {layer.name for layer in pivot.layers.values()}
    layers = {layer for name in parameters if (layer := owner(name))}
    named = sum(any(ends(one, layer) for one in known) for layer in layers)
    return {"parameters": held(pivot, parameters.values()), "layers": [named, len(layers)]}


def lite_recovered(pivot: Pivot, file: Path) -> dict[str, object]:
    """Return the same of a ``.tflite`` file; its layers are what its operators give."""
    parameters, layers = parts(file)
    made = {name for node in pivot.model.graph.node for name in node.output}
    named = sum(layer in made for layer in layers)
    return {"parameters": held(pivot, parameters.values()), "layers": [named, len(layers)]}


def held(pivot: Pivot, parameters: Collection[Array]) -> tuple[int, int]:
    """Return how many parameters a constant of the pivot holds, and how many there are."""
    known = list(constants(pivot))
    return sum(holds(known, array) for array in parameters), len(parameters)


def constants(pivot: Pivot) -> Iterator[Array]:
    """Yield every constant of a pivot, those of Constant nodes too."""
    for tensor in pivot.model.graph.initializer:
        yield numpy_helper.to_array(tensor, str(pivot.folder))
    for node in pivot.model.graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                yield numpy_helper.to_array(attribute.t, str(pivot.folder))


def holds(known: Sequence[Array], wanted: Array) -> bool:
    """Return whether some constant is made of an array's values, or contains them all.

    A permutation of axes or of gates keeps the values; one constant may hold two biases.
    """
    sought = np.sort(wanted, axis=None)
    for array in known:
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
    """Return whether a name in the pivot is a layer's, or that of the layer around it."""
    inside = layer.rpartition("/")[2] in known.split("/")
    return inside or f"{layer}/".startswith(f"{known}/")


if __name__ == "__main__":
    told = json.dumps(cell(Path(sys.argv[1])))
    Path(sys.argv[2]).write_text(told, encoding="utf-8")
