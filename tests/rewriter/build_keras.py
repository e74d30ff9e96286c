"""Save a Keras network and TensorFlow's conversion of it; run in a process of its own."""

import os
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tensorflow as tf
from keras import layers


def network() -> keras.Model:
    """Return a small classifier with one layer of each kind that the exporter writes."""
    image = layers.Input((16, 16, 3), batch_size=1, name="image")
    x = layers.Conv2D(8, 3, 2, "same", activation="relu6", name="stem")(image)
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = layers.ReLU(name="depthwise_relu")(x)
    y = layers.Conv2D(8, 1, name="pointwise")(x)
    x = layers.Add(name="add")([x, y])
    x = layers.LeakyReLU(0.2, name="leaky")(x)
    x = layers.AveragePooling2D(3, 1, "same", name="pool")(x)
    x = layers.ZeroPadding2D(((1, 0), (0, 1)), name="pad")(x)
    x = layers.Conv2D(8, 3, activation="sigmoid", name="padded")(x)
    x = layers.UpSampling2D(2, interpolation="bilinear", name="resize")(x)
    x = layers.Conv2DTranspose(4, 3, 2, "same", name="upward")(x)
    x = layers.Concatenate(name="join")([x, x])
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    turned = layers.Permute((2, 1, 3), name="turn")(layers.MaxPooling2D(4)(image))
    x = layers.Concatenate(name="both")([x, layers.Flatten()(turned)])
    x = layers.Dense(8, activation="relu", name="hidden")(x)
    x = layers.Dense(5, name="last")(x)
    return keras.Model(image, layers.Softmax(name="softmax")(x))


def head() -> keras.Model:
    """Return a network whose last layer gives the output as it is."""
    inputs = keras.Input((6,))
    x = layers.Dense(8, activation="relu", name="first")(inputs)
    return keras.Model(inputs, layers.Dense(5, name="last")(x))


def main(folder: Path) -> None:
    """Save both networks into a folder, as Keras and as TFLite has them."""
    for name, model in (("net", network()), ("head", head())):
        random = np.random.default_rng(0)
        for weight in model.weights:
            weight.assign(random.normal(scale=0.4, size=weight.shape))
        model.save(folder / f"{name}.keras")
        converted = tf.lite.TFLiteConverter.from_keras_model(model).convert()
        (folder / f"{name}.tflite").write_bytes(converted)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
