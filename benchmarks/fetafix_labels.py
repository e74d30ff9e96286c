"""Write what a model makes of images: ``fetafix_labels.py MODEL IMAGES OUT [COUNT]``.

IMAGES is an ``.npz`` of one array, uint8 [images, height, width, 3]; OUT gets the outputs
of all of them, or of the first COUNT, float32 [images, classes]. The model's own runtime
computes them, one image at a time and on one core: where others use the machine too, two
that wait for each other take longer.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}

import numpy as np

Answer = Callable[[np.ndarray], np.ndarray]


def by_onnxruntime(path: Path) -> Answer:
    """Return what runs an ONNX file, float32 [1, height, width, 3] to [1, classes]."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        path, options, providers=["CPUExecutionProvider"]
    )
    (given,) = session.get_inputs()
    first = given.shape[1] == 3  # noqa: PLR2004 - colours
    return lambda image: session.run(None, {given.name: laid(image, first=first)})[0]


def by_litert(path: Path) -> Answer:
    """Return what runs a TFLite file."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    (given,), (made,) = interpreter.get_input_details(), interpreter.get_output_details()

    def answer(image: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(given["index"], image)
        interpreter.invoke()
        return interpreter.get_tensor(made["index"])

    return answer


def by_keras(path: Path) -> Answer:
    """Return what runs a Keras file."""
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    model = keras.models.load_model(path)
    called = tf.function(lambda x: model(x, training=False))
    return lambda image: called(tf.constant(image)).numpy()


def by_torch(path: Path) -> Answer:
    """Return what runs an exported program, its input channels first."""
    import torch

    torch.set_num_threads(1)
    model = torch.export.load(path).module()

    def answer(image: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return model(torch.from_numpy(laid(image, first=True))).numpy()

    return answer


def laid(image: np.ndarray, *, first: bool) -> np.ndarray:
    """Return an image with its channels first or last."""
    return np.ascontiguousarray(image.transpose(0, 3, 1, 2)) if first else image


RUNTIMES = {
    ".onnx": by_onnxruntime,
    ".tflite": by_litert,
    ".keras": by_keras,
    ".pt2": by_torch,
}


def main(model: Path, images: Path, out: Path, count: int | None) -> None:
    """Answer for the images and write the answers."""
    answer = RUNTIMES[model.suffix](model)
    (pixels,) = np.load(images).values()
    scores = [answer(image[None].astype(np.float32)) for image in pixels[:count]]
    np.save(out, np.concatenate(scores))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]), int(sys.argv[4]) if sys.argv[4:] else None)
