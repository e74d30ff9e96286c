"""What files compute in their own runtime: ``... INPUTS.npy RESULT.npz FILE FILE ...``.

Nothing of pivotfix is used: Keras, TensorFlow, LiteRT, torch and ONNX Runtime load them.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}

import numpy as np

Array = np.ndarray
"""Samples along the first axis: [n, h, w, c], or [n, c, h, w] for torch and ONNX."""


def keras_file(path: Path, images: Array) -> Array:
    """Return what Keras computes."""
    import keras

    return np.asarray(keras.saving.load_model(path, compile=False)(images))


def saved_model(path: Path, images: Array) -> Array:
    """Return what the default signature computes."""
    import tensorflow as tf

    serve = tf.saved_model.load(str(path)).signatures["serving_default"]
    name = next(iter(serve.structured_input_signature[1]))
    return next(iter(serve(**{name: tf.constant(images)}).values())).numpy()


def frozen_graph(path: Path, images: Array) -> Array:
    """Return what the last node of a frozen graph gives for its placeholder."""
    import tensorflow as tf

    graph = tf.compat.v1.GraphDef()
    graph.ParseFromString(path.read_bytes())
    read = {
        name.partition(":")[0].lstrip("^") for node in graph.node for name in node.input
    }
    given = next(node.name for node in graph.node if node.op == "Placeholder")
    made = [node.name for node in graph.node if node.name not in read and node.op != "NoOp"]
    with tf.Graph().as_default() as scratch:
        tf.import_graph_def(graph, name="")
    with tf.compat.v1.Session(graph=scratch) as session:
        return session.run(f"{made[-1]}:0", {f"{given}:0": images})


def flatbuffer(path: Path, images: Array) -> Array:
    """Return what LiteRT computes, one sample at a time."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    given, made = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    results = []
    for image in images:
        interpreter.set_tensor(given["index"], image[None])
        interpreter.invoke()
        results.append(interpreter.get_tensor(made["index"])[0])
    return np.stack(results)


def program(path: Path, images: Array) -> Array:
    """Return what an exported torch program computes."""
    import torch

    return torch.export.load(path).module()(torch.from_numpy(images)).detach().numpy()


def torch_file(path: Path, images: Array) -> Array:
    """Return what TorchScript computes, or the module that bare weights belong to."""
    import torch

    if path.name.startswith("script"):
        return torch.jit.load(path)(torch.from_numpy(images)).detach().numpy()
    script = path.with_name(f"{path.stem}_patch.py")
    model = _factory(script if script.exists() else path.parent / "factory.py")
    model.load_state_dict(torch.load(path))
    return model(torch.from_numpy(images)).detach().numpy()


def _factory(file: Path) -> object:
    sys.path.insert(0, str(file.parent))
    scope: dict[str, object] = {"__file__": str(file), "__name__": "factory"}
    exec(compile(file.read_text(), str(file), "exec"), scope)  # noqa: S102 - our own file
    build = scope.get("build") or scope["factory"]
    made = build()  # type: ignore[operator]  # a function
    return made[0] if isinstance(made, tuple) else made


def factory(path: Path, images: Array) -> Array:
    """Return what a factory's module computes."""
    import torch

    return _factory(path)(torch.from_numpy(images)).detach().numpy()  # type: ignore[operator]  # a module


def onnx_file(path: Path, images: Array) -> Array:
    """Return what ONNX Runtime computes."""
    import onnxruntime as ort

    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: images})[0]


RUNS: dict[str, Callable[[Path, Array], Array]] = {
    ".keras": keras_file,
    ".h5": keras_file,
    "": saved_model,
    ".pb": frozen_graph,
    ".tflite": flatbuffer,
    ".pt2": program,
    ".pt": torch_file,
    ".py": factory,
    ".onnx": onnx_file,
}


def main(inputs: Path, result: Path, files: list[Path]) -> None:
    """Write what each file gives, by its place; what does not run is left out."""
    images = np.load(inputs)
    found: dict[str, Array] = {}
    for place, path in enumerate(files):
        try:
            found[str(place)] = RUNS[path.suffix](path, images)
        except Exception as surprise:  # noqa: BLE001 - a framework may raise anything at all
            print(f"{path}: {type(surprise).__name__}: {surprise}", file=sys.stderr)
    np.savez(result, **found)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), [Path(one) for one in sys.argv[3:]])
