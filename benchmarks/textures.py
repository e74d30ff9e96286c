"""Images of ten classes, made of numbers and of two photographs that ship with a package.

Source of the photographs: ``sklearn.datasets.load_sample_images``, 427 by 640 pixels.
"""

from functools import lru_cache
from importlib.resources import files

import numpy as np

CLASSES = 10
STRIPES = 4
"""The first classes: stripes at so many angles; then checks, rings, blobs, grain."""

LEVELS = (20.0, 128.0, 235.0)
JITTER = 15.0
"""Of a class' two colours: random features tell colours better than shapes."""


def drawn(count: int, side: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images, float32 [count, side, side, 3] from 0 to 255, and their labels.

    Args:
        count: How many; the classes take turns.
        side: Height and width, pixels.
        seed: Another one gives other images of the same classes.
    """
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % CLASSES
    images = [_image(int(label), side, rng) for label in labels]
    return np.stack(images).round().astype(np.float32), labels


def _image(label: int, side: int, rng: np.random.Generator) -> np.ndarray:
    """Return one image: a pattern between its class' two colours; or a patch of a photo."""
    if label >= CLASSES - 2:
        return _patch(_photographs()[label - CLASSES + 2], side, rng)
    y, x = np.mgrid[:side, :side] / side
    pattern = _pattern(label, x + rng.uniform(0, 1), y + rng.uniform(0, 1), rng)
    palette = np.random.default_rng(label).choice(LEVELS, (2, 3))
    dark, light = palette + rng.uniform(-JITTER, JITTER, (2, 3))
    image = dark + pattern[..., None] * (light - dark)
    return np.clip(image + rng.normal(0, 8, image.shape), 0, 255)


def _pattern(
    label: int, x: np.ndarray, y: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return a pattern, float64 [side, side] in [0, 1]."""
    waves = 2 * np.pi * rng.uniform(9, 13)
    if label < STRIPES:
        angle = np.pi * (label + rng.uniform(-0.15, 0.15)) / STRIPES
        return 0.5 + 0.5 * np.sin(waves * (x * np.cos(angle) + y * np.sin(angle)))
    if label == STRIPES:
        return (np.sin(waves * x) * np.sin(waves * y) > 0).astype(float)
    if label == STRIPES + 1:
        return 0.5 + 0.5 * np.sin(waves * np.hypot(x - 1, y - 1))
    coarse = rng.uniform(0, 1, (12, 12) if label == STRIPES + 2 else x.shape)
    step = -(-len(x) // len(coarse))
    return np.kron(coarse, np.ones((step, step)))[: len(x), : len(x)]


def _patch(photo: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """Return a square of a photograph, mirrored or not."""
    top, left = (int(rng.integers(0, size - side)) for size in photo.shape[:2])
    patch = photo[top : top + side, left : left + side].astype(float)
    return patch[:, ::-1] if rng.integers(2) else patch


@lru_cache
def _photographs() -> tuple[np.ndarray, ...]:
    import tensorflow as tf  # whose decoder spares a package for images

    folder = files("sklearn.datasets.images")
    return tuple(
        tf.io.decode_jpeg(folder.joinpath(f"{name}.jpg").read_bytes()).numpy()
        for name in ("china", "flower")
    )
