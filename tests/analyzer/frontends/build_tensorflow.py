"""Tiny Keras and TFLite models, written to the folder named on the command line.

It runs in a process of its own: TensorFlow warns as it is imported, and must not be loaded
where a test looks at what pivotfix itself imports.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import build_graphs
import keras
import numpy as np
import tensorflow as tf
from keras import layers
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2,
)

SIZE = 8


def calibrated(model: keras.Model) -> keras.Model:
    """Return the model with batch-norm statistics that no fold can mistake for ones."""
    random = np.random.default_rng(1)
    kind = layers.BatchNormalization
    for norm in (layer for layer in model.layers if isinstance(layer, kind)):
        norm.set_weights([random.uniform(0.5, 1.5, w.shape) for w in norm.get_weights()])
    return model


def network() -> keras.Model:
    """Return a small image classifier whose layers have names of their own."""
    image = keras.Input((SIZE, SIZE, 3), name="image")
    x = layers.Conv2D(4, 3, padding="same", use_bias=False, name="stem")(image)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.ReLU(6.0, name="clip")(x)
    x = layers.DepthwiseConv2D(3, strides=2, padding="same", name="depth_1")(x)
    x = layers.Activation("gelu", name="gelu")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, layers.Dense(3, name="scores")(x), name="network")


def two_ends() -> keras.Model:
    """Return a model with two inputs by name, two outputs, and a model within."""
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    fed = keras.Input((4,))
    inner = keras.Model(fed, layers.Dense(4, name="deep")(fed), name="inner")
    shared = layers.Dense(4, activation="tanh", name="shared")
    both = layers.Add(name="both")([shared(left), shared(inner(right))])
    total = layers.Dense(2, name="total")(both)
    share = layers.Softmax(name="share")(total)
    return keras.Model({"right": right, "left": left}, [total, share], name="two_ends")


def chain() -> keras.Model:
    """Return a sequential model, which names no outputs, with a recurrent layer."""
    return keras.Sequential(
        [keras.Input((5, 3)), layers.LSTM(4, name="memory"), layers.Dense(2, name="last")]
    )


def wide() -> keras.Model:
    """Return a model with enough weights for the converter to quantize them."""
    value = keras.Input((64,), name="value")
    return keras.Model(value, layers.Dense(64, name="large")(value), name="wide")


def unsupported() -> keras.Model:
    """Return a model with an operation that tf2onnx does not know."""
    value = keras.Input((4,), name="value")
    return keras.Model(value, keras.ops.erfinv(layers.Dense(4)(value)), name="unsupported")


def with_code() -> keras.Model:
    """Return a model whose Lambda layer carries Python bytecode."""
    value = keras.Input((4,), name="value")
    doubled = layers.Lambda(lambda x: x * 2, output_shape=(4,), name="twice")(value)
    return keras.Model(value, doubled, name="with_code")


def images() -> Iterator[list[np.ndarray]]:
    """Yield samples that span the range of the quantized model's input."""
    random = np.random.default_rng(2)
    for _ in range(8):
        yield [random.uniform(-1, 1, (1, SIZE, SIZE, 3)).astype(np.float32)]


def tflite(model: keras.Model, *, quantize: str = "") -> bytes:
    """Return the model as a flatbuffer: float, ``weights`` only, or ``all`` in int8."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if quantize:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantize == "all":
        converter.representative_dataset = images
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


def arithmetic() -> bytes:
    """Return a flatbuffer with two inputs and two outputs that must not be mixed up."""
    spec = tf.TensorSpec((1, 4))

    @tf.function(input_signature=[spec, spec])
    def call(right: tf.Tensor, left: tf.Tensor) -> list[tf.Tensor]:
        return [left - 2 * right, left / right]

    traced = call.get_concrete_function()
    return tf.lite.TFLiteConverter.from_concrete_functions([traced]).convert()


def two_loops(*, half: bool = False) -> bytes:
    """Return a flatbuffer of two recurrent layers: a loop that reads a loop's sequence.

    In half precision the empty sequences that the loops fill are constants of float16.
    """
    first, second = layers.LSTM(3, return_sequences=True), layers.GRU(2)

    @tf.function(input_signature=[tf.TensorSpec((1, 5, 4))])
    def call(steps: tf.Tensor) -> tf.Tensor:
        return second(first(steps))

    frozen = convert_variables_to_constants_v2(call.get_concrete_function())
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
    if half:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    return converter.convert()


def build(folder: Path) -> None:
    """Write every model into a folder."""
    keras.utils.set_random_seed(0)
    model = calibrated(network())
    model.save(folder / "network.keras")
    model.save(folder / "network.h5")
    ends, recurrent = two_ends(), chain()
    ends.save(folder / "two_ends.keras")
    unsupported().save(folder / "unsupported.keras")
    recurrent.save(folder / "chain.keras")
    with_code().save(folder / "with_code.keras")
    (folder / "network.tflite").write_bytes(tflite(model))
    (folder / "two_ends.tflite").write_bytes(arithmetic())
    (folder / "weights.tflite").write_bytes(tflite(wide(), quantize="weights"))
    (folder / "two_loops.tflite").write_bytes(two_loops())
    (folder / "two_loops_half.tflite").write_bytes(two_loops(half=True))
    (folder / "int8.tflite").write_bytes(tflite(model, quantize="all"))
    build_graphs.build(folder, model, ends, recurrent)


if __name__ == "__main__":
    build(Path(sys.argv[1]))
