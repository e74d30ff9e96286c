"""Build one Keras source of the zoo: ``zoo_keras.py NAME FOLDER``, in a process of its own.

Writes ``model.keras``, ``model.tflite``, ``tf2onnx.onnx``, ``tf2onnx-nchw.onnx``,
``tflite.onnx``, ``probes.npz`` and what Keras makes of them, ``native.npz``. A route that
fails leaves ``<route>.error``.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}

import keras
import numpy as np
import tensorflow as tf
import tf2onnx
from keras.src.applications import inception_v3, resnet
from probes import images, sequences
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2,
)
from zoo_attention import sequential, vision, worn

OPSET = 18
PROBES = 64
CALIBRATION = 32
LABELS = 10
SPREAD = 2.0
"""Standard deviation of each logit over inputs: far from saturation, far from zero."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a source is made.

    Attributes:
        features: Makes the network up to its pooled features.
        draw: Gives so many samples from a seed.
        shape: Shape of one sample.
    """

    features: Callable[[], keras.Model]
    draw: Callable[[int, int], np.ndarray]
    shape: tuple[int, ...]


def mobilenet(side: int, width: float) -> keras.Model:
    """Return MobileNetV2 without its head."""
    return keras.applications.MobileNetV2(
        (side, side, 3), alpha=width, include_top=False, weights=None, pooling="avg"
    )


def resnet101(side: int, width: float) -> keras.Model:
    """Return ResNet101V2 without its head, at a share of its width."""

    def stack(x: keras.KerasTensor) -> keras.KerasTensor:
        plan = ((64, 3, 2), (128, 4, 2), (256, 23, 2), (512, 3, 1))
        for stage, (filters, blocks, stride) in enumerate(plan, start=2):
            x = resnet.stack_residual_blocks_v2(
                x, int(filters * width), blocks, stride1=stride, name=f"conv{stage}"
            )
        return x

    return resnet.ResNet(
        stack, preact=True, use_bias=True, include_top=False, weights=None,
        input_shape=(side, side, 3), pooling="avg", weights_name="resnet101v2",
    )  # fmt: skip


def inception(side: int, width: float) -> keras.Model:
    """Return InceptionV3 without its head, at a share of its width."""
    whole = inception_v3.conv2d_bn

    def narrow(x: keras.KerasTensor, filters: int, *rest: int, **named: str) -> object:
        return whole(x, max(4, int(filters * width)), *rest, **named)

    inception_v3.conv2d_bn = narrow
    return keras.applications.InceptionV3(
        include_top=False, weights=None, input_shape=(side, side, 3), pooling="avg"
    )


def memory(cell: type[keras.layers.Layer], length: int, width: int) -> keras.Model:
    """Return a recurrent network up to its last state."""
    x = inputs = keras.Input((length, width))
    x = keras.layers.Dense(16, "tanh")(x)
    x = cell(16, return_sequences=True)(x)
    return keras.Model(inputs, cell(16)(x))


def memories(length: int, width: int) -> keras.Model:
    """Return an LSTM and a GRU, one behind the other, up to the last state."""
    x = inputs = keras.Input((length, width))
    x = keras.layers.LSTM(16, return_sequences=True)(x)
    return worn(keras.Model(inputs, keras.layers.GRU(16)(x)))


def image(side: int, features: Callable[[], keras.Model]) -> Recipe:
    """Return the recipe of a network for square RGB images."""
    return Recipe(
        features,
        lambda count, seed: images(count, 3, side, seed=seed, last=True),
        (side, side, 3),
    )


def walk(features: Callable[[], keras.Model]) -> Recipe:
    """Return the recipe of a network for sequences."""
    return Recipe(
        features,
        lambda count, seed: sequences(count, 10, 12, seed=seed),
        (10, 12),
    )


RECIPES: dict[str, Recipe] = {
    "mobilenetv2": image(96, lambda: mobilenet(96, 0.35)),
    "mobilenetv2-full": image(224, lambda: mobilenet(224, 1.0)),
    "resnet101v2": image(96, lambda: resnet101(96, 0.125)),
    "resnet101v2-full": image(224, lambda: resnet101(224, 1.0)),
    "inceptionv3": image(96, lambda: inception(96, 0.125)),
    "inceptionv3-full": image(299, lambda: inception(299, 1.0)),
    "keras-lstm": walk(lambda: memory(keras.layers.LSTM, 10, 12)),
    "keras-gru": walk(lambda: memory(keras.layers.GRU, 10, 12)),
    "keras-memories": walk(lambda: memories(10, 12)),
    "keras-transformer": walk(lambda: sequential(10, 12, 32, ("gelu", "silu"))),
    "keras-vit": image(32, lambda: vision(32, 8, 32, 2)),
}


def calibrated(features: keras.Model, samples: np.ndarray) -> keras.Model:
    """Return the classifier: batch norms and head fit the samples."""
    rng = np.random.default_rng(0)
    for layer in features.layers:
        if not isinstance(layer, keras.layers.BatchNormalization):
            continue
        layer.momentum = 0.0
        if layer.gamma is not None:
            layer.gamma.assign(rng.uniform(0.7, 1.3, layer.gamma.shape))
        layer.beta.assign(rng.uniform(-0.3, 0.3, layer.beta.shape))
    features(samples, training=True)
    pooled = np.asarray(features(samples, training=False))
    kernel = rng.standard_normal((pooled.shape[-1], LABELS))
    kernel *= SPREAD / (pooled @ kernel).std(0)
    bias = 0.5 * rng.standard_normal(LABELS) - (pooled @ kernel).mean(0)
    head = keras.layers.Dense(LABELS, "softmax", name="predictions")
    model = keras.Model(features.inputs, head(features.outputs[0]))
    head.set_weights([kernel.astype(np.float32), bias.astype(np.float32)])
    return model


def to_onnx(model: keras.Model, recipe: Recipe, path: Path, *, first: bool) -> None:
    """Write what tf2onnx makes of the model; ``first``: its input has channels first."""
    signature = (tf.TensorSpec((None, *recipe.shape), tf.float32, name="x"),)
    called = tf.function(lambda x: model(x, training=False), input_signature=signature)
    tf2onnx.convert.from_function(
        called, signature, opset=OPSET, output_path=str(path),
        inputs_as_nchw=["x:0", "x"] if first else None,
    )  # fmt: skip


def to_tflite(model: keras.Model, recipe: Recipe, path: Path) -> None:
    """Write what TensorFlow Lite makes of the model, for a batch of one."""
    signature = (tf.TensorSpec((1, *recipe.shape), tf.float32, name="x"),)
    called = tf.function(lambda x: model(x, training=False), input_signature=signature)
    frozen = convert_variables_to_constants_v2(called.get_concrete_function())
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
    path.write_bytes(converter.convert())


def attempt(path: Path, write: Callable[[Path], None]) -> None:
    """Write a file, or beside it why not."""
    try:
        write(path)
    except Exception as refusal:  # noqa: BLE001 - whatever a converter raises
        path.with_suffix(".error").write_text(f"{type(refusal).__name__}: {refusal}"[:500])


def main(name: str, folder: Path) -> None:
    """Build one source into a folder."""
    keras.utils.set_random_seed(sum(map(ord, name)))
    recipe = RECIPES[name]
    model = calibrated(recipe.features(), recipe.draw(CALIBRATION, 1))
    drawn = recipe.draw(PROBES, 3)
    np.savez(folder / "probes.npz", in0=drawn[:, None])
    rows = [np.asarray(model(one, training=False)) for one in drawn[:, None]]
    np.savez(folder / "native.npz", out0=np.stack(rows))
    model.save(folder / "model.keras")
    attempt(folder / "tf2onnx.onnx", lambda p: to_onnx(model, recipe, p, first=False))
    if len(recipe.shape) == 3:  # noqa: PLR2004 - an image
        attempt(
            folder / "tf2onnx-nchw.onnx", lambda p: to_onnx(model, recipe, p, first=True)
        )
    attempt(folder / "model.tflite", lambda p: to_tflite(model, recipe, p))
    attempt(
        folder / "tflite.onnx",
        lambda p: tf2onnx.convert.from_tflite(
            str(folder / "model.tflite"), opset=OPSET, output_path=str(p)
        ),
    )


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
