"""Small networks in every precision that TensorFlow converts to, in the folder named."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tensorflow as tf
from keras import layers

PRECISIONS = ("float", "half", "dynamic", "int8", "uint8")


def images() -> keras.Model:
    """Return a classifier of images with batch norms and windows of most kinds."""
    image = keras.Input((16, 16, 3), batch_size=1)
    x = layers.Conv2D(8, 3, 2, "same", use_bias=False)(image)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    y = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(x)
    x = layers.Add()([x, layers.Conv2D(8, 1)(layers.Activation("hard_swish")(y))])
    x = layers.LeakyReLU(0.2)(x)
    pooled = (kind(3, 1, "same") for kind in (layers.MaxPooling2D, layers.AveragePooling2D))
    x = layers.Concatenate()([x, *(pool(x) for pool in pooled)])
    x = layers.Conv2D(6, 3, activation="sigmoid")(layers.ZeroPadding2D(1)(x))
    x = layers.UpSampling2D(2, interpolation="bilinear")(x)
    x = layers.Conv2DTranspose(4, 3, 2, "same", activation="tanh")(x)
    x = layers.Dense(8, activation="relu")(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(image, layers.Softmax()(layers.Dense(5)(x)))
    random = np.random.default_rng(1)
    for norm in (one for one in model.layers if isinstance(one, layers.BatchNormalization)):
        norm.set_weights([random.uniform(0.5, 1.5, w.shape) for w in norm.get_weights()])
    return model


def attention() -> keras.Model:
    """Return a transformer block."""
    words = keras.Input((6, 16), batch_size=1)
    x = layers.LayerNormalization()(words)
    x = layers.Add()([words, layers.MultiHeadAttention(2, 8)(x, x)])
    y = layers.Dense(32, activation="gelu")(layers.LayerNormalization()(x))
    x = layers.Add()([x, layers.Dense(16)(y)])
    return keras.Model(words, layers.Dense(4)(layers.GlobalAveragePooling1D()(x)))


def memory() -> keras.Model:
    """Return two recurrent layers, step by step."""
    steps = keras.Input((5, 8), batch_size=1)
    x = layers.LSTM(7, return_sequences=True, unroll=True)(steps)
    return keras.Model(steps, layers.Dense(3)(layers.GRU(6, unroll=True)(x)))


def samples(model: keras.Model) -> Callable[[], Iterator[list[np.ndarray]]]:
    """Return what yields inputs of the range that the tests draw from."""

    def drawn() -> Iterator[list[np.ndarray]]:
        random = np.random.default_rng(3)
        for _ in range(8):
            shape = (1, *model.input_shape[1:])
            yield [random.uniform(-1, 1, shape).astype(np.float32)]

    return drawn


def converted(model: keras.Model, precision: str) -> bytes:
    """Return a model as a flatbuffer of a precision."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if precision != "float":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "half":
        converter.target_spec.supported_types = [tf.float16]
    if precision in {"int8", "uint8"}:
        converter.representative_dataset = samples(model)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = getattr(tf, precision)
        converter.inference_output_type = getattr(tf, precision)
    return converter.convert()


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    for build in (images, attention, memory):
        network = build()
        for precision in PRECISIONS:
            file = Path(sys.argv[1]) / f"{build.__name__}-{precision}.tflite"
            file.write_bytes(converted(network, precision))
