"""The demo's network: trained, converted, broken and asked for labels.

Each is a process of its own, ``python -m rewriter.digits train|break|agree FOLDER``:
TensorFlow and its messages stay out of the process that compares.
"""

import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analyzer.core.types import Array

SEED = 7
EPOCHS = 14
TARGET_ACCURACY = 0.95
"""What a reader may expect of digits; training stops early once it is well above."""

AMPLE_ACCURACY = 0.98
UPSCALE = 2
TEST_SHARE = 0.25
PROBES = 16
"""Enough for every digit to be likely, and for a quarter of them to be held out."""

WRONG_CHANNELS = 16
BATCH_NORM_MOMENTUM = 0.9
"""Keras' 0.99 needs thousands of steps to forget its start; this network sees 600."""

SOURCE, CONVERTED = "digits.keras", "digits.tflite"
BROKEN, REPAIRED = "digits-broken.tflite", "digits-repaired.tflite"
PROBE_FILE, TEST_FILE = "probes.npz", "test-images.npz"


@dataclass(frozen=True, slots=True)
class Planted:
    """A fault that the demo puts into the converted file, and the Keras layer it hits."""

    layer: str
    what: str


PLANTED = (
    Planted("block1_depthwise", f"{WRONG_CHANNELS} channels of its weight are reversed"),
    Planted("block2_pad", "the strided convolution's padding of 1 and 1 becomes 0 and 2"),
    Planted("block4_expand", "its ReLU6 is gone"),
)


Untyped = Any
"""Something of Keras or of a flatbuffer, which declare no types."""

Answer = Mapping[str, object]
"""What a step has to say, as JSON."""


def train(folder: Path) -> Answer:
    """Train the classifier, convert it with TensorFlow's converter, return its accuracy.

    Args:
        folder: Takes the files; exists.

    Raises:
        SystemExit: The accuracy on the test images stays below `TARGET_ACCURACY`.
    """
    import keras

    keras.utils.set_random_seed(SEED)
    images, labels, test_images, test_labels = _digits()
    network = _network(keras)
    network.compile(
        keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    accuracy = 0.0
    for _ in range(EPOCHS):
        network.fit(images, labels, batch_size=32, verbose=0)
        accuracy = network.evaluate(test_images, test_labels, verbose=0)[1]
        if accuracy >= AMPLE_ACCURACY:
            break
    if accuracy < TARGET_ACCURACY:
        sys.exit(f"the network reaches {accuracy:.1%} on the test images, not 95 %")
    network.save(folder / SOURCE)
    _convert(network, folder)
    predicted = np.argmax(network.predict(test_images, verbose=0), axis=1)
    np.savez_compressed(folder / PROBE_FILE, image=test_images[:PROBES])
    np.savez_compressed(
        folder / TEST_FILE, image=test_images, label=test_labels, keras=predicted
    )
    return {"accuracy": accuracy, "images": len(test_images)}


def _digits() -> tuple[Array, Array, Array, Array]:
    """Return training images and labels, then test images and labels.

    Images are float32 in [0, 1], shape (count, 16, 16, 1); labels are int64.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    images = (digits.images / 16.0).astype(np.float32)[..., None]
    images = images.repeat(UPSCALE, axis=1).repeat(UPSCALE, axis=2)
    train_images, test_images, train_labels, test_labels = train_test_split(
        images,
        digits.target,
        test_size=TEST_SHARE,
        random_state=SEED,
        stratify=digits.target,
    )
    return train_images, train_labels, test_images, test_labels


def _network(keras: Untyped) -> Untyped:
    """Return an untrained MobileNetV2 in small, for 16x16 pictures of one channel."""
    layers = keras.layers
    image = layers.Input((16, 16, 1), name="image")
    stem = layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False, name="stem")
    features = _activated(layers, stem(image), "stem")
    for number, filters, stride in ((1, 16, 1), (2, 24, 2), (3, 24, 1), (4, 32, 1)):
        features = _block(layers, features, f"block{number}", filters, stride)
    head = layers.Conv2D(64, 1, use_bias=False, name="head")(features)
    pooled = layers.GlobalAveragePooling2D(name="pool")(_activated(layers, head, "head"))
    logits = layers.Dense(10, name="logits")(pooled)
    return keras.Model(image, layers.Softmax(name="probabilities")(logits), name="digits")


def _block(
    layers: Untyped, features: Untyped, name: str, filters: int, stride: int
) -> Untyped:
    """Return an inverted residual: expand four times, filter by channel, project."""
    width = 4 * features.shape[-1]
    wide = layers.Conv2D(width, 1, use_bias=False, name=f"{name}_expand")(features)
    wide = _activated(layers, wide, f"{name}_expand")
    if stride > 1:
        wide = layers.ZeroPadding2D(1, name=f"{name}_pad")(wide)
    depthwise = layers.DepthwiseConv2D(
        3,
        strides=stride,
        padding="same" if stride == 1 else "valid",
        use_bias=False,
        name=f"{name}_depthwise",
    )
    wide = _activated(layers, depthwise(wide), f"{name}_depthwise")
    narrow = layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_project")(wide)
    narrow = _normalized(layers, narrow, f"{name}_project")
    if stride > 1 or features.shape[-1] != filters:
        return narrow
    return layers.Add(name=f"{name}_add")([features, narrow])


def _normalized(layers: Untyped, features: Untyped, name: str) -> Untyped:
    norm = layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"{name}_bn")
    return norm(features)


def _activated(layers: Untyped, features: Untyped, name: str) -> Untyped:
    return layers.ReLU(6.0, name=f"{name}_relu")(_normalized(layers, features, name))


def _convert(network: Untyped, folder: Path) -> None:
    """Write the network as TFLite, through a SavedModel so that layers keep their names."""
    import tempfile

    import tensorflow as tf

    with tempfile.TemporaryDirectory() as saved:
        network.export(saved, verbose=False)
        flatbuffer = tf.lite.TFLiteConverter.from_saved_model(saved).convert()
    (folder / CONVERTED).write_bytes(flatbuffer)


def break_copy(folder: Path) -> Answer:
    """Return three independent faults, put into a copy of the converted model.

    Args:
        folder: Holds the converted model, takes the copy.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    content = (folder / CONVERTED).read_bytes()
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    _reverse_channels(model)
    _shift_padding(model)
    _drop_activation(model, schema)
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    (folder / BROKEN).write_bytes(bytes(builder.Output()))
    return {fault.layer: fault.what for fault in PLANTED}


def _operator(model: Untyped, layer: str) -> Untyped:
    """Return the operator whose weight or padding carries a layer's name.

    Tracing a model again gives its layers a number more: ``block1_expand_1``.
    """
    graph, names_it = model.subgraphs[0], re.compile(rf"/{layer}(_\d+)?/")
    return next(
        operator
        for operator in graph.operators
        if len(operator.inputs) > 1
        and names_it.search(graph.tensors[operator.inputs[1]].name.decode())
    )


def _values(model: Untyped, layer: str, dtype: type[np.generic]) -> Array:
    """Return a writable view of a layer's weight or padding, in its own shape."""
    tensor = model.subgraphs[0].tensors[_operator(model, layer).inputs[1]]
    buffer = model.buffers[tensor.buffer]
    buffer.data = np.array(buffer.data, dtype=np.uint8)
    return np.asarray(buffer.data.view(dtype).reshape(tensor.shape))


def _reverse_channels(model: Untyped) -> None:
    weights = _values(model, PLANTED[0].layer, np.float32)
    weights[..., :WRONG_CHANNELS] = weights[..., WRONG_CHANNELS - 1 :: -1].copy()


def _shift_padding(model: Untyped) -> None:
    pads = _values(model, PLANTED[1].layer, np.int32)
    pads[1:3] = (0, 2)


def _drop_activation(model: Untyped, schema: Untyped) -> None:
    operator = _operator(model, PLANTED[2].layer)
    operator.builtinOptions.fusedActivationFunction = schema.ActivationFunctionType.NONE


def agree(folder: Path) -> Answer:
    """Return how often each TFLite file gives the label that Keras gives.

    Args:
        folder: Holds the test images and the TFLite files.
    """
    with np.load(folder / TEST_FILE) as test:
        images, expected = test["image"], test["keras"]
    return {
        name: float(np.mean(_labels(folder / name, images) == expected))
        for name in (CONVERTED, BROKEN, REPAIRED)
        if (folder / name).exists()
    }


def _labels(path: Path, images: Array) -> Array:
    """Return the label that the LiteRT interpreter gives to each image, int64."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    takes, gives = interpreter.get_input_details()[0], interpreter.get_output_details()[0]

    def label(image: Array) -> int:
        interpreter.set_tensor(takes["index"], image[None])
        interpreter.invoke()
        return int(np.argmax(interpreter.get_tensor(gives["index"])))

    return np.asarray([label(image) for image in images])


STEPS: dict[str, Callable[[Path], Answer]] = {
    "train": train,
    "break": break_copy,
    "agree": agree,
}


if __name__ == "__main__":
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    sys.stdout.write(json.dumps(STEPS[sys.argv[1]](Path(sys.argv[2]))) + "\n")
