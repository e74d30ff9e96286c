"""Build one network of FetaFix's cases: ``fetafix_networks.py NAME FOLDER [torch]``.

Random weights, batch normalisations calibrated on the classes' images, and a head fitted
in closed form on what the backbone makes of them: it tells ten kinds of textures and
patches of photographs apart, without a download. Writes ``trained.keras``, which takes
pixels from 0 to 255, ``bare.keras``, which lacks that first scale, its weights,
``held-out.npz`` and ``fit.json``; with ``torch`` the same two as ``.pt2``, channels first,
from those weights.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

IN_TORCH = sys.argv[-1] == "torch"
os.environ |= {
    "KERAS_BACKEND": "torch" if IN_TORCH else "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "-1",
}

import keras  # noqa: E402 - its backend is chosen above
import numpy as np  # noqa: E402
from textures import CLASSES, drawn  # noqa: E402

CALIBRATION, TRAINING, HELD_OUT = 40, 600, 500
BATCH = 20
SEED = 2
"""Of the held-out images."""

BETA = 3.0
"""Offsets of batch normalisations, either way: half of what a ReLU6 lets pass, so that
fifty random layers in a row still carry what the image was."""

RIDGE = 1.0
"""What is added to the diagonal of the normal equations, in mean squares of a feature."""

SHARPNESS = 6.0
"""Factor on the fitted logits, whose targets are 0 and 1: as sure as a trained network."""

SIDES = {"mobilenetv2": 224, "resnet101": 224, "inceptionv3": 299}
NETWORKS: dict[str, Callable[..., keras.Model]] = {
    "mobilenetv2": keras.applications.MobileNetV2,
    "resnet101": keras.applications.ResNet101,
    "inceptionv3": keras.applications.InceptionV3,
}


def backbone(name: str) -> keras.Model:
    """Return a network up to its pooled features, float32 [samples, features]."""
    side = SIDES[name]
    shape = (3, side, side) if IN_TORCH else (side, side, 3)
    return NETWORKS[name](include_top=False, weights=None, input_shape=shape, pooling="avg")


def classifier(name: str, features: keras.Model, *, scaled: bool) -> keras.Model:
    """Return the whole network, with or without the scale on its pixels."""
    image = keras.Input(features.inputs[0].shape[1:], name="image")
    pixels = keras.layers.Rescaling(1 / 127.5, -1.0)(image) if scaled else image
    head = keras.layers.Dense(CLASSES, "softmax", name="predictions")
    return keras.Model(image, head(features(pixels)), name=name)


def calibrate(features: keras.Model, images: np.ndarray) -> None:
    """Give every batch normalisation the images' statistics, and weights of its own."""
    rng = np.random.default_rng(0)
    for layer in features.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
            if layer.gamma is not None:
                layer.gamma.assign(rng.uniform(0.7, 1.3, layer.gamma.shape))
            layer.beta.assign(rng.uniform(-BETA, BETA, layer.beta.shape))
    features(images / 127.5 - 1, training=True)


def fitted(model: keras.Model, features: keras.Model, side: int) -> tuple[float, float]:
    """Fit the head by least squares; return held-out accuracy and median margin."""

    def seen(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        images, labels = drawn(count, side, seed)
        return features.predict(images / 127.5 - 1, batch_size=BATCH, verbose=0), labels

    made, labels = seen(TRAINING, 1)
    centre = made.mean(0)
    square = (made - centre).T @ (made - centre)
    square += np.eye(len(square)) * RIDGE * np.trace(square) / len(square)
    kernel = np.linalg.solve(square, (made - centre).T @ np.eye(CLASSES)[labels])
    bias = np.bincount(labels, minlength=CLASSES) / len(labels) - centre @ kernel
    head = model.get_layer("predictions")
    head.set_weights([SHARPNESS * kernel, SHARPNESS * bias])
    made, labels = seen(HELD_OUT, SEED)
    scores = np.sort(made @ kernel + bias, 1)
    right = (made @ kernel + bias).argmax(1) == labels
    return float(right.mean()), float(SHARPNESS * np.median(scores[:, -1] - scores[:, -2]))


def train(name: str, folder: Path) -> None:
    """Write the trained network, with and without its scale."""
    keras.utils.set_random_seed(0)
    features = backbone(name)
    model = classifier(name, features, scaled=True)
    calibrate(features, drawn(CALIBRATION, SIDES[name], 0)[0])
    accuracy, margin = fitted(model, features, SIDES[name])
    bare = classifier(name, features, scaled=False)
    bare.get_layer("predictions").set_weights(model.get_layer("predictions").get_weights())
    model.save(folder / "trained.keras")
    bare.save(folder / "bare.keras")
    model.save_weights(folder / "network.weights.h5")
    shown, _ = drawn(HELD_OUT, SIDES[name], SEED)
    np.savez(folder / "held-out.npz", image=shown.astype(np.uint8))
    fit = {
        "accuracy": accuracy,
        "median_margin": margin,
        "parameters": model.count_params(),
    }
    (folder / "fit.json").write_text(json.dumps(fit) + "\n", encoding="utf-8")
    print(fit)


def export(name: str, folder: Path) -> None:
    """Write the trained network as torch exports it, with and without its scale."""
    import torch

    keras.config.set_image_data_format("channels_first")
    features = backbone(name)
    example = torch.zeros(1, 3, SIDES[name], SIDES[name])
    for scaled, file in ((True, "trained.pt2"), (False, "bare.pt2")):
        model = classifier(name, features, scaled=scaled)
        model.load_weights(folder / "network.weights.h5")
        with torch.no_grad():
            program = torch.export.export(model.eval(), (example,), strict=False)
        torch.export.save(program, folder / file)


if __name__ == "__main__":
    make = export if IN_TORCH else train
    make(sys.argv[1], Path(sys.argv[2]))
