"""One small mobile network three times: in Keras, as its TFLite conversion, and in torch.

Run as a program with a folder; it writes ``net.keras``, ``net.tflite`` and ``net.pt2``. The
two frameworks name their layers alike, so that a test can tell whether pairs are true.
"""

import os
import sys
from pathlib import Path

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}

import keras
import numpy as np
import tensorflow as tf
import torch
from torch import nn

BLOCKS = (("a", 8, 16, 2), ("b", 16, 16, 1), ("c", 16, 24, 2), ("d", 24, 24, 1))
"""Name, input channels, output channels and stride of each inverted residual block."""

EPSILON = 1e-3


def keras_net() -> keras.Model:
    """Return the network in Keras, [N, 32, 32, 3] to five scores."""
    x = inputs = keras.Input((32, 32, 3), name="image")
    x = _keras_conv(x, "stem", 8, 3, 2)
    for name, before, after, stride in BLOCKS:
        y = _keras_conv(x, f"{name}_expand", 4 * before, 1, 1)
        y = _keras_conv(y, f"{name}_depth", 0, 3, stride)
        y = keras.layers.Conv2D(after, 1, use_bias=False, name=f"{name}_project")(y)
        y = keras.layers.BatchNormalization(epsilon=EPSILON, name=f"{name}_project_bn")(y)
        x = keras.layers.Add(name=f"{name}_add")([x, y]) if before == after else y
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, keras.layers.Dense(5, name="scores")(x))


def _keras_conv(
    x: keras.KerasTensor, name: str, filters: int, size: int, stride: int
) -> keras.KerasTensor:
    """Return a convolution, depthwise for no filters, its batch norm and its ReLU6."""
    if stride == 2:
        x = keras.layers.ZeroPadding2D(((1, 1), (1, 1)), name=f"{name}_pad")(x)
    padding = "valid" if stride == 2 else "same"
    if filters:
        layer = keras.layers.Conv2D(
            filters, size, stride, padding, use_bias=False, name=name
        )
    else:
        layer = keras.layers.DepthwiseConv2D(
            size, stride, padding, use_bias=False, name=name
        )
    x = keras.layers.BatchNormalization(epsilon=EPSILON, name=f"{name}_bn")(layer(x))
    return keras.layers.ReLU(6.0, name=f"{name}_relu")(x)


class TorchNet(nn.Module):
    """The same network in torch, [N, 3, 32, 32]."""

    def __init__(self) -> None:
        """Name the layers as Keras does."""
        super().__init__()
        self._add("stem", 3, 8, 3, 2, 1)
        for name, before, after, stride in BLOCKS:
            wide = 4 * before
            self._add(f"{name}_expand", before, wide, 1, 1, 1)
            self._add(f"{name}_depth", wide, wide, 3, stride, wide)
            self._add(f"{name}_project", wide, after, 1, 1, 1)
        self.scores = nn.Linear(24, 5)

    def _add(self, name: str, *sizes: int) -> None:
        before, after, size, stride, groups = sizes
        pad = size // 2
        layer = nn.Conv2d(before, after, size, stride, pad, groups=groups, bias=False)
        self.add_module(name, layer)
        self.add_module(f"{name}_bn", nn.BatchNorm2d(after, eps=EPSILON))

    def _run(self, name: str, x: torch.Tensor) -> torch.Tensor:
        return self.get_submodule(f"{name}_bn")(self.get_submodule(name)(x))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return five scores for each image."""
        x = nn.functional.relu6(self._run("stem", x))
        for name, before, after, _ in BLOCKS:
            y = nn.functional.relu6(self._run(f"{name}_expand", x))
            y = nn.functional.relu6(self._run(f"{name}_depth", y))
            y = self._run(f"{name}_project", y)
            x = x + y if before == after else y
        return self.scores(x.mean((2, 3)))


def settle(net: keras.Model) -> None:
    """Give the batch norms real statistics and unequal scales: no channel is dead."""
    generator = np.random.default_rng(5)
    images = generator.uniform(-1, 1, (32, 32, 32, 3)).astype("float32")
    for layer in net.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.gamma.assign(generator.uniform(0.5, 1.5, layer.gamma.shape))
            layer.beta.assign(generator.uniform(-0.3, 0.6, layer.beta.shape))
            layer.momentum = 0.0
    net(images, training=True)


def copied(net: keras.Model) -> TorchNet:
    """Return the torch network with the Keras network's weights."""
    twin = TorchNet().eval()
    for layer in net.layers:
        values = [torch.tensor(np.asarray(value)) for value in layer.get_weights()]
        if not values:
            continue
        module = twin.get_submodule(layer.name)
        if isinstance(module, nn.BatchNorm2d):
            names = ("weight", "bias", "running_mean", "running_var")
            for name, value in zip(names, values, strict=True):
                getattr(module, name).data.copy_(value)
        elif isinstance(module, nn.Linear):
            module.weight.data.copy_(values[0].T)
            module.bias.data.copy_(values[1])
        else:
            order = (2, 3, 0, 1) if "depth" in layer.name else (3, 2, 0, 1)
            module.weight.data.copy_(values[0].permute(order))
    return twin


def main(folder: Path) -> None:
    """Write the three files."""
    keras.utils.set_random_seed(3)
    net = keras_net()
    settle(net)
    net.save(folder / "net.keras")
    net.export(folder / "saved", verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder / "saved"))
    (folder / "net.tflite").write_bytes(converter.convert())
    batch = torch.export.Dim("batch", min=1, max=64)
    program = torch.export.export(
        copied(net), (torch.zeros(2, 3, 32, 32),), dynamic_shapes=({0: batch},)
    )
    torch.export.save(program, folder / "net.pt2")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
