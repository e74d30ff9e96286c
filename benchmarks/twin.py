"""One network as a list of steps, for frameworks that the zoo has it not in.

Of the zoo's MobileNetV2 in torch: ``steps`` says what it computes and with which of its
weights, ``in_keras`` makes a Keras model of that, its layers called as the modules.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from mobilenet import InvertedResidual
from torch import nn
from zoo_vision import MobileNetV2

Settings = Mapping[str, float]
Step = tuple[str, str, Settings]
"""What is computed, the module it is in torch, and its settings."""

Array = npt.NDArray[np.float32]
Weights = Mapping[str, Array]
Filled = tuple[object, list[Array]]
"""A Keras layer and its weights."""

IN, OUT = 1, 0
"""Axes of a convolution's kernel."""


def steps(module: MobileNetV2) -> Iterator[Step]:
    """Yield what a network computes, in order; *add* adds what *keep* kept."""
    yield from _in_sequence("stem", module.stem)
    for place, block in enumerate(module.blocks):
        yield from _in_block(f"blocks.{place}", block)
    yield from _in_sequence("last", module.last)
    yield "mean", "mean", {}
    yield "linear", "head", {}


def _in_block(path: str, block: InvertedResidual) -> Iterator[Step]:
    yield "keep", path, {}
    yield from _in_sequence(f"{path}.body", block.body)
    if block.shortcut:
        yield "add", path, {}


def _in_sequence(path: str, sequence: nn.Sequential) -> Iterator[Step]:
    for place, layer in enumerate(sequence):
        match layer:
            case nn.Conv2d(stride=(stride, _), padding=(pads, _), groups=groups):
                settings = {"stride": stride, "pads": pads, "groups": groups}
                yield "convolution", f"{path}.{place}", settings
            case nn.BatchNorm2d(eps=epsilon):
                yield "norm", f"{path}.{place}", {"epsilon": epsilon}
            case nn.ReLU6():
                yield "bound", f"{path}.{place}", {"above": 6.0}
            case nn.ReLU():
                yield "bound", f"{path}.{place}", {}


def in_keras(given: Sequence[Step], weights: Weights, side: int) -> object:
    """Return the network as a Keras model, channels last.

    Args:
        given: What it computes.
        weights: By torch's names, laid out as torch's.
        side: Of its images, in pixels.
    """
    import keras

    x = kept = image = keras.Input((side, side, 3), name="image")
    filled = []
    for kind, name, settings in given:
        if kind == "keep":
            kept = x
        elif kind == "add":
            x = keras.layers.Add(name=name)([kept, x])
        else:
            if settings.get("pads"):
                x = keras.layers.ZeroPadding2D(settings["pads"], name=f"{name}.pad")(x)
            layer, own = _layer(kind, name, settings, [*_of(name, weights)])
            filled.append((layer, own))
            x = layer(x)
    for layer, own in filled:  # a layer has its weights once it was called
        layer.set_weights(own)
    return keras.Model(image, x)


def _layer(kind: str, name: str, settings: Settings, own: list[Array]) -> Filled:
    """Return a Keras layer and its weights, of torch's."""
    from keras import layers

    match kind:
        case "mean":
            return layers.GlobalAveragePooling2D(name=name), own
        case "bound":
            return layers.ReLU(settings.get("above"), name=name), own
        case "norm":
            return layers.BatchNormalization(epsilon=settings["epsilon"], name=name), own
        case "linear":
            return layers.Dense(len(own[1]), name=name), [own[0].T, own[1]]
    size, common = own[0].shape[2], {"use_bias": False, "name": name}
    common["strides"] = int(settings["stride"])
    if settings["groups"] > 1:  # each channel is its own group
        depthwise = layers.DepthwiseConv2D(size, **common)
        return depthwise, [own[0].transpose(2, 3, OUT, IN)]
    plain = layers.Conv2D(own[0].shape[OUT], size, **common)
    return plain, [own[0].transpose(2, 3, IN, OUT)]


def _of(name: str, weights: Weights) -> Iterator[Array]:
    """Yield a module's own weights, in torch's order, which is Keras's."""
    for key, value in weights.items():
        if key.rpartition(".")[0] == name:
            yield value
