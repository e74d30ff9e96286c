"""Does each layer of a TFLite pivot, fed the interpreter's own values, give its values?"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from onnx import helper

Array = npt.NDArray[np.generic]
LAST_TO_FIRST = (0, 3, 1, 2)
"""How an image of TFLite's lies in ONNX."""

IMAGE_RANK = 4
CLOSE = 1e-3
"""Relative deviation that float kernels may have: the interpreter sums in another order."""


NUMBERS = {
    schema.TensorType.FLOAT32: np.float32,
    schema.TensorType.FLOAT16: np.float16,
    schema.TensorType.INT8: np.int8,
    schema.TensorType.INT32: np.int32,
}
"""Types that a parameter has; an INT32 only where it has a grid, as a bias has."""


def parts(file: Path) -> tuple[dict[str, Array], list[str]]:
    """Return the parameters of a ``.tflite`` file and what its operators give, by name."""
    tree = schema.ModelT.InitFromPackedBuf(file.read_bytes(), 0)
    graph = tree.subgraphs[0]
    parameters = {
        tensor.name.decode(): value
        for tensor in graph.tensors
        if (value := _parameter(tensor, tree.buffers[tensor.buffer].data)) is not None
    }
    made = {index for one in graph.operators for index in one.outputs}
    fed = made | set(graph.inputs)
    given = [  # an operator that reads constants alone gives one more constant
        graph.tensors[index]
        for one in graph.operators
        if not fed.isdisjoint(one.inputs)
        for index in one.outputs
    ]
    return parameters, [tensor.name.decode() for tensor in given]


def _parameter(tensor: schema.TensorT, content: Array | None) -> Array | None:
    kind = NUMBERS.get(tensor.type)
    gridless = tensor.quantization is None or tensor.quantization.scale is None
    if content is None or kind is None or (kind is np.int32 and gridless):
        return None
    return np.frombuffer(content.tobytes(), kind)


def native(file: Path, sample: Array) -> dict[str, Array]:
    """Return every activation of a ``.tflite`` file for a sample, by its name there.

    What nothing reads is left out: a loop leaves there what the memory held.
    """
    graph = schema.ModelT.InitFromPackedBuf(file.read_bytes(), 0).subgraphs[0]
    read = {index for one in graph.operators for index in one.inputs} | {*graph.outputs}
    interpreter = Interpreter(model_path=str(file), experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], sample)
    interpreter.invoke()
    found = {}
    for place in interpreter.get_tensor_details():
        if place["index"] not in read:
            continue
        try:
            found[place["name"]] = interpreter.get_tensor(place["index"]).copy()
        except ValueError:  # it holds no data: a kernel's scratch, or folded into another
            continue
    return found


def one_step(
    model: onnx.ModelProto, file: Path, samples: Sequence[Array]
) -> tuple[int, int, str, float]:
    """Return layers that are right when fed native values, and how many there are.

    A layer of integers is right within one step of its grid, one of floats within `CLOSE`.

    Args:
        model: The pivot, its weights inside.
        file: The file it was read from.
        samples: Of its one input.

    Returns:
        Layers that are right, all layers, the worst one, and its deviation: in steps, or
        over the largest value.
    """
    worst: dict[str, float] = {}
    for sample in samples:
        known = laid(model, native(file, sample), sample)
        for name, made in isolated(model, known, sample):
            worst[name] = max(worst.get(name, 0.0), deviation(made, known[name]))
    name = max(worst, key=lambda one: worst[one], default="")
    right = sum(error <= 1.0 for error in worst.values())
    return right, len(worst), name, worst.get(name, 0.0)


def laid(
    model: onnx.ModelProto, values: Mapping[str, Array], sample: Array
) -> dict[str, Array]:
    """Return native values as they lie in the pivot, told by the pivot's own values."""
    made = {name for node in model.graph.node for name in node.output}
    names = [name for name in values if name in made]
    shown = onnx.ModelProto.FromString(model.SerializeToString())
    del shown.graph.output[:]
    shown.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    own = dict(zip(names, run(shown, {model.graph.input[0].name: sample}), strict=True))
    found = {}
    for name in names:
        ways = [values[name]]
        if values[name].ndim == IMAGE_RANK:
            ways.append(values[name].transpose(LAST_TO_FIRST))
        fitting = [way for way in ways if way.shape == own[name].shape]
        if fitting and fitting[0].dtype == own[name].dtype:
            found[name] = min(fitting, key=lambda way: deviation(own[name], way))
    return found


def isolated(
    model: onnx.ModelProto, known: Mapping[str, Array], sample: Array
) -> Iterator[tuple[str, Array]]:
    """Yield what each layer gives when all before it is native, by its result's name."""
    cut = onnx.ModelProto.FromString(model.SerializeToString())
    del cut.graph.output[:]
    feeds = {model.graph.input[0].name: sample}
    for node in cut.graph.node:
        for place, name in enumerate(node.output):
            if name not in known:
                continue
            node.output[place] = f"{name}~made"
            value = np.ascontiguousarray(known[name])
            kind = helper.np_dtype_to_tensor_dtype(value.dtype)
            given = helper.make_tensor_value_info(name, kind, value.shape)
            cut.graph.input.append(given)
            cut.graph.output.append(onnx.ValueInfoProto(name=f"{name}~made"))
            feeds[name] = value
    names = [output.name.removesuffix("~made") for output in cut.graph.output]
    yield from zip(names, run(cut, feeds), strict=True)


def run(model: onnx.ModelProto, feeds: Mapping[str, Array]) -> list[Array]:
    """Return every output of a model for its inputs, in plain ONNX Runtime."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options)
    taken = {one.name for one in session.get_inputs()}
    results: list[Array] = session.run(
        None, {name: value for name, value in feeds.items() if name in taken}
    )
    return results


def deviation(made: Array, right: Array) -> float:
    """Return the largest deviation: in steps, or in `CLOSE` of the largest float."""
    off = float(np.abs(made.astype(float) - right.astype(float)).max(initial=0.0))
    if right.dtype.kind != "f":
        return off
    largest = float(np.abs(right).max(initial=0.0))
    return off / (CLOSE * largest) if largest else off / CLOSE
