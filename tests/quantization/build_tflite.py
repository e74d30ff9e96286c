"""A small Keras network as the TFLite converter quantizes it: `build_tflite.py DIR`."""

import sys
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

SIZE = 12


def images(count: int, seed: int) -> np.ndarray:
    """Return smooth noise, shape [count, 1, 12, 12, 3]."""
    rough = np.random.default_rng(seed).normal(size=(count, 1, SIZE, SIZE, 3))
    smooth = rough + np.roll(rough, 1, axis=2) + np.roll(rough, 1, axis=3)
    return smooth.astype(np.float32)


def network() -> keras.Model:
    """Return three convolutions, the last with enough weights to be quantized alone."""
    keras.utils.set_random_seed(0)
    image = keras.Input((SIZE, SIZE, 3))
    first = keras.layers.Conv2D(16, 3, padding="same", activation="relu6")(image)
    second = keras.layers.Conv2D(16, 3, padding="same", bias_initializer="normal")(first)
    third = keras.layers.Conv2D(16, 3, padding="same", activation="relu")(second)
    return keras.Model(image, third)


def classifier() -> keras.Model:
    """Return a fully connected layer with enough weights to be quantized."""
    keras.utils.set_random_seed(0)
    image = keras.Input((SIZE, SIZE, 3))
    flat = keras.layers.Flatten()(image)
    scores = keras.layers.Dense(8, "softmax", bias_initializer="normal")(flat)
    return keras.Model(image, scores)


def calibration() -> Iterator[list[np.ndarray]]:
    """Yield what full quantization is calibrated on."""
    yield from ([one] for one in images(64, seed=1))


def head(activation: str = "linear") -> keras.Model:
    """Return one dense layer with a bias as large as its products."""
    keras.utils.set_random_seed(1)
    features = keras.Input((SIZE,))
    wide = keras.initializers.RandomNormal(stddev=1.0)
    dense = keras.layers.Dense(8, activation, bias_initializer=wide)
    return keras.Model(features, dense(features))


def features(count: int, seed: int) -> np.ndarray:
    """Return noise, shape [count, 1, 12]."""
    drawn = np.random.default_rng(seed).normal(size=(count, 1, SIZE))
    return drawn.astype(np.float32)


def rows() -> Iterator[list[np.ndarray]]:
    """Yield what the dense layer is calibrated on."""
    yield from ([one] for one in features(64, seed=1))


def converted(model: keras.Model, kind: str) -> bytes:
    """Return a flatbuffer: ``float``, ``dynamic``, ``half``, ``full`` or ``integers``."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if kind != "float":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == "half":
        converter.target_spec.supported_types = [tf.float16]
    if kind in {"full", "integers"}:
        small = len(model.input_shape) == 2
        converter.representative_dataset = rows if small else calibration
    if kind == "integers":
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


def build(folder: Path) -> None:
    """Save the network in every precision, and inputs for it."""
    model = network()
    for kind in ("float", "dynamic", "half", "full", "integers"):
        (folder / f"{kind}.tflite").write_bytes(converted(model, kind))
    for kind in ("float", "dynamic"):
        (folder / f"dense-{kind}.tflite").write_bytes(converted(classifier(), kind))
    np.savez(folder / "probes.npz", arr_0=images(6, seed=2)[:, 0])
    dense = head()
    for kind in ("float", "integers"):
        (folder / f"head-{kind}.tflite").write_bytes(converted(dense, kind))
    for activation, kind in (("sigmoid", "float"), ("tanh", "full")):
        made = converted(head(activation), kind)
        (folder / f"{activation}-{kind}.tflite").write_bytes(made)
    np.savez(folder / "head-probes.npz", arr_0=features(6, seed=2)[:, 0])


if __name__ == "__main__":
    build(Path(sys.argv[1]))
