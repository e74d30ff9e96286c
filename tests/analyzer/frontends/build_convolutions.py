"""Small convolutions of Keras in every form, written to the folder on the command line."""

import sys
from pathlib import Path

import build_graphs
import keras
from keras import layers

SIZE = 8


def grouped() -> keras.Model:
    """Return two groups of channels, which Keras compiles for the CPU."""
    image = keras.Input((SIZE, SIZE, 4), name="image")
    return keras.Model(image, layers.Conv2D(6, 3, groups=2, name="grouped")(image))


def depthwise() -> keras.Model:
    """Return convolutions of each channel, several results a channel."""
    image = keras.Input((SIZE, SIZE, 4), name="image")
    x = layers.SeparableConv2D(4, 3, depth_multiplier=2, name="separable")(image)
    return keras.Model(image, layers.DepthwiseConv2D(3, depth_multiplier=3, name="d")(x))


def volumes() -> keras.Model:
    """Return two groups of channels in three dimensions."""
    image = keras.Input((4, 4, 4, 4), name="image")
    return keras.Model(image, layers.Conv3D(6, 3, groups=2, name="grouped")(image))


def padded() -> keras.Model:
    """Return a dilated convolution that pads by itself, behind a layer that pads."""
    image = keras.Input((SIZE, SIZE, 4), name="image")
    x = layers.ZeroPadding2D(1, name="pad")(image)
    conv = layers.Conv2D(6, 3, dilation_rate=2, padding="same", name="conv")
    return keras.Model(image, conv(x))


def build(folder: Path) -> None:
    """Write every model into a folder."""
    keras.utils.set_random_seed(0)
    for make in (grouped, depthwise, volumes, padded):
        make().save(folder / f"{make.__name__}.keras")
    model = grouped()
    model.save(folder / "grouped.h5")
    model.export(folder / "grouped_saved", verbose=False)
    (folder / "grouped.pb").write_bytes(build_graphs.frozen(model))


if __name__ == "__main__":
    build(Path(sys.argv[1]))
