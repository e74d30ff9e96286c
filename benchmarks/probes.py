"""Inputs for the zoo: images with structure at every scale, walks, tokens; seeds fixed."""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

COARSE = 4
"""Side of the random mosaic under an image: without it, pooling sees only the mean."""

VOCABULARY = 512
"""Token ids that the zoo's texts are made of."""

GRAIN = 0.3
"""Amplitude of the noise on top of the mosaic."""


def images(count: int, channels: int, side: int, *, seed: int, last: bool) -> Array:
    """Return images of about unit variance, symmetric under no flip or transposition.

    Args:
        count: How many.
        channels: Their channels.
        side: Height and width in pixels.
        seed: What is drawn.
        last: Whether channels come last.

    Returns:
        float32, [count, channels, side, side], or [count, side, side, channels].
    """
    rng = np.random.default_rng(seed)
    mosaic = rng.standard_normal((count, channels, COARSE, COARSE))
    tile = -(-side // COARSE)
    large = np.kron(mosaic, np.ones((1, 1, tile, tile)))[:, :, :side, :side]
    drawn = large + GRAIN * rng.standard_normal(large.shape)
    laid = np.moveaxis(drawn, 1, -1) if last else drawn
    return np.ascontiguousarray(laid, dtype=np.float32)


def sequences(count: int, length: int, width: int, *, seed: int) -> Array:
    """Return random walks that forget, so that neighbours in time resemble each other.

    Args:
        count: How many.
        length: Steps of each.
        width: Features of each step.
        seed: What is drawn.

    Returns:
        float32, [count, length, width], of about unit variance.
    """
    rng = np.random.default_rng(seed)
    steps = rng.standard_normal((count, length, width))
    walked = np.empty_like(steps)
    walked[:, 0] = steps[:, 0]
    for place in range(1, length):
        walked[:, place] = 0.7 * walked[:, place - 1] + 0.714 * steps[:, place]
    return walked.astype(np.float32)


def tokens(count: int, length: int, vocabulary: int, *, seed: int) -> npt.NDArray[np.int64]:
    """Return token ids, int64, [count, length], each in [0, vocabulary)."""
    return np.random.default_rng(seed).integers(0, vocabulary, (count, length))


def like(array: npt.NDArray[np.generic], *, seed: int) -> npt.NDArray[np.generic]:
    """Return other probes of the kind that an array holds.

    Args:
        array: Probes of an input, [count, 1, ...]: token ids, images, walks, or vectors.
        seed: What is drawn; the seed of the array gives the array again.

    Returns:
        As many, of the array's shape and dtype.
    """
    count, _, *shape = array.shape
    match shape:
        case [length] if array.dtype.kind == "i":
            drawn: npt.NDArray[np.generic] = tokens(count, length, VOCABULARY, seed=seed)
        case [width]:
            drawn = sequences(count, 1, width, seed=seed)[:, 0]
        case [length, width]:
            drawn = sequences(count, length, width, seed=seed)
        case [channels, side, _] if channels < side:
            drawn = images(count, channels, side, seed=seed, last=False)
        case _:
            side, _, channels = shape
            drawn = images(count, channels, side, seed=seed, last=True)
    return drawn[:, None]
