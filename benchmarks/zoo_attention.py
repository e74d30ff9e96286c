"""Keras networks of attention: over patches of images, and over sequences."""

import keras
import numpy as np
from keras import layers

WEAR = 0.1
"""Standard deviation of what stands where a new layer has nothing but zeros or ones."""


def worn(model: keras.Model) -> keras.Model:
    """Return a model none of whose weights is constant, as none is after training."""
    rng = np.random.default_rng(0)
    for weight in model.trainable_weights:
        if np.ptp(weight.numpy()) == 0:
            weight.assign_add(WEAR * rng.standard_normal(weight.shape))
    return model


def vision(side: int, patch: int, width: int, depth: int) -> keras.Model:
    """Return a transformer over the patches of square RGB images, up to its mean."""
    inputs = keras.Input((side, side, 3))
    x = layers.Conv2D(width, patch, patch, name="patches")(inputs)
    x = layers.Reshape(((side // patch) ** 2, width))(x)
    return _encoded(inputs, x, (side // patch) ** 2, width, ("gelu",) * depth)


def sequential(length: int, read: int, width: int, units: tuple[str, ...]) -> keras.Model:
    """Return a transformer over sequences, a block a unit, up to its mean."""
    inputs = keras.Input((length, read))
    x = layers.Dense(width, name="embedding")(inputs)
    return _encoded(inputs, x, length, width, units)


def _encoded(
    inputs: keras.KerasTensor, x: keras.KerasTensor, places: int, width: int,
    units: tuple[str, ...],
) -> keras.Model:  # fmt: skip
    placed = layers.EinsumDense(  # a bias for each place is where the place is learned
        "bpc,cd->bpd", (places, width), bias_axes="pd",
        bias_initializer="random_normal", name="places",
    )  # fmt: skip
    x = placed(x)
    for unit in units:
        x = _block(x, width, 2, unit)
    x = layers.LayerNormalization(epsilon=1e-5)(x)
    return worn(keras.Model(inputs, layers.GlobalAveragePooling1D()(x)))


def _block(x: keras.KerasTensor, width: int, heads: int, unit: str) -> keras.KerasTensor:
    """Return a transformer block's output, normalised before each half."""
    normed = layers.LayerNormalization(epsilon=1e-5)(x)
    x = layers.Add()([x, layers.MultiHeadAttention(heads, width // heads)(normed, normed)])
    normed = layers.LayerNormalization(epsilon=1e-5)(x)
    wide = layers.Dense(4 * width, activation=unit)(normed)
    return layers.Add()([x, layers.Dense(width)(wide)])
