"""Save a Keras network, right and with one fault each; run in a process of its own."""

import os
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import onnx
import tensorflow as tf
import tf2onnx
from keras import layers

FAULTS = {
    "right": {},
    "weight": {"scaled": "stem/kernel"},
    "bias": {"shifted": "pointwise/bias"},
    "variance": {"scaled": "norm/moving_variance"},
    "padding": {"padding": "valid"},
    "stride": {"stride": 1},
    "dilation": {"dilation": 1},
    "epsilon": {"epsilon": 0.1},
    "ceiling": {"ceiling": 1.0},
    "missing_activation": {"activation": None},
    "extra_activation": {"extra": "relu"},
    "wrong_activation": {"activation": "sigmoid"},
    "missing_layer": {"without": "relu"},
    "missing_convolution": {"without": "mixed"},
    "extra_layer": {"surplus": layers.ReLU},
    "extra_norm": {"surplus": layers.BatchNormalization},
    "turned": {"turn": (2, 1, 3)},
    "turned_further": {"turn": (3, 1, 2)},
}
"""What each network has otherwise than the right one."""


def network(  # noqa: PLR0913 - one for each fault
    *,
    stride: int = 2,
    epsilon: float = 1e-3,
    ceiling: float | None = None,
    padding: str = "same",
    surplus: type | None = None,
    activation: str | None = "relu",
    dilation: int = 2,
    extra: str | None = None,
    without: str = "",
    turn: tuple[int, ...] = (),
    **_: str,
) -> keras.Model:
    """Return a small classifier of images."""
    stack = [
        layers.Conv2D(8, 3, stride, "same", use_bias=False, name="stem"),
        layers.BatchNormalization(epsilon=epsilon, name="norm"),
        layers.ReLU(ceiling, name="relu"),
        *([layers.Permute(turn, name="turn")] if turn else []),
        layers.DepthwiseConv2D(3, padding=padding, name="depthwise"),
        *([surplus(name="surplus")] if surplus else []),
        layers.Conv2D(8, 1, activation=activation, name="pointwise"),
        layers.MaxPooling2D(2, name="pool"),
        layers.Conv2D(
            8, 3, padding="same", dilation_rate=dilation, activation=extra, name="wide"
        ),
        layers.LeakyReLU(0.2, name="leaky"),
        layers.Conv2D(8, 1, name="mixed"),
        layers.GlobalAveragePooling2D(name="mean"),
        layers.Dense(8, activation="relu", name="hidden"),
        layers.Dense(5, name="last"),
        layers.Softmax(name="softmax"),
    ]
    image = layers.Input((16, 16, 3), name="image")
    x = image
    for layer in stack:
        x = x if layer.name == without else layer(x)
    return keras.Model(image, x, name="net")


def filled(
    model: keras.Model, *, scaled: str = "", shifted: str = "", **_: object
) -> keras.Model:
    """Return the model with seeded weights, each layer's its own, one of them wrong."""
    for layer in model.layers:
        random = np.random.default_rng(sum(map(ord, layer.name)))
        for weight in layer.weights:
            last = weight.path.rpartition("/")[2]
            fan = max(1, np.prod(weight.shape[:-1]))
            value = random.normal(scale=1 / np.sqrt(fan), size=weight.shape)
            value = abs(value) + 0.2 if last == "moving_variance" else value
            name = f"{layer.name}/{last}"
            factor, offset = 1.5 if name == scaled else 1, 0.7 if name == shifted else 0
            weight.assign(value * factor + offset)
    return model


def joined(names: tuple[str, str]) -> keras.Model:
    """Return a classifier that joins two branches in some order."""
    image = layers.Input((16, 16, 3), name="image")
    ways = {
        "left": layers.Conv2D(4, 3, activation="relu", name="left")(image),
        "right": layers.Conv2D(4, 3, activation="tanh", name="right")(image),
    }
    x = layers.Concatenate(name="both")([ways[name] for name in names])
    x = layers.Dense(5, name="last")(layers.GlobalAveragePooling2D(name="mean")(x))
    return keras.Model(image, x, name="net")


def main(folder: Path) -> None:
    """Save every network into a folder, the right one as ONNX too."""
    for name, fault in FAULTS.items():
        model = filled(network(**fault), **fault)
        model.save(folder / f"{name}.keras")
        model.save(folder / f"{name}.h5")
    for name, order in (("joined", ("left", "right")), ("crossed", ("right", "left"))):
        model = filled(joined(order))
        model.save(folder / f"{name}.keras")
        model.save(folder / f"{name}.h5")
    right = filled(network())
    signature = [tf.TensorSpec((None, 16, 16, 3), tf.float32, name="image")]
    pivot, _ = tf2onnx.convert.from_keras(right, input_signature=signature, opset=17)
    onnx.save(pivot, folder / "right.onnx")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
