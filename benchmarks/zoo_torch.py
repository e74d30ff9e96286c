"""Build one torch source of the zoo: ``zoo_torch.py NAME FOLDER``, in a process of its own.

Writes ``dynamo-raw.onnx``, ``dynamo.onnx``, ``torchscript.onnx``, ``model.pt2``,
``probes.npz`` and what torch makes of them, ``native.npz``. A route that fails leaves
``<route>.error`` with the reason.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from probes import VOCABULARY, images, sequences, tokens
from torch import nn
from zoo_modules import (
    GRU,
    LSTM,
    Decoder,
    DenseNet,
    Encoder,
    Memories,
    ResNet,
    UNet,
    ViT,
)  # fmt: skip
from zoo_vision import InceptionV3, MobileNetV2, ResNet101

OPSET = 18
PROBES = 64
"""Samples on which a healthy conversion has to agree with its source."""

CALIBRATION = 32
"""Samples from which batch normalisation and the head take their statistics."""

SPREAD = 2.0
"""Standard deviation of each logit over inputs: far from saturation, far from zero."""

WORDPIECES = 30522
"""Entries of BERT's embedding, with which its encoder has 437 MB of weights."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a source is made.

    Attributes:
        module: Makes it.
        draw: Gives so many samples from a seed, a tensor each with the samples first.
        axes: Names of the axes of its input that are dynamic.
    """

    module: Callable[[], nn.Module]
    draw: Callable[[int, int], np.ndarray]
    axes: tuple[tuple[int, str], ...] = ((0, "batch"),)


def pictures(side: int) -> Callable[[int, int], np.ndarray]:
    """Return what draws RGB images of a size."""
    return lambda count, seed: images(count, 3, side, seed=seed, last=False)


def texts(length: int) -> Callable[[int, int], np.ndarray]:
    """Return what draws token ids of a length."""
    return lambda count, seed: tokens(count, length, VOCABULARY, seed=seed)


def walks(length: int, width: int) -> Callable[[int, int], np.ndarray]:
    """Return what draws feature sequences."""
    return lambda count, seed: sequences(count, length, width, seed=seed)


LONG = ((0, "batch"), (1, "length"))
RECIPES: dict[str, Recipe] = {
    "resnet": Recipe(lambda: ResNet(16, (3, 3)), pictures(32)),
    "resnet-full": Recipe(lambda: ResNet(64, (3, 4, 6, 3)), pictures(224)),
    "densenet": Recipe(lambda: DenseNet(8, 3), pictures(32)),
    "unet": Recipe(lambda: UNet(8), pictures(32)),
    "vit": Recipe(lambda: ViT(32, 8, 32, 2, 2), pictures(32)),
    "vit-full": Recipe(lambda: ViT(224, 16, 192, 12, 3), pictures(224)),
    "bert": Recipe(lambda: Encoder(VOCABULARY, 32, 2, 2, 16), texts(16)),
    "bert-full": Recipe(lambda: Encoder(WORDPIECES, 768, 12, 12, 128), texts(128)),
    "lstm": Recipe(lambda: LSTM(12, 16), walks(10, 12)),
    "gru": Recipe(lambda: GRU(12, 16), walks(10, 12)),
    "decoder": Recipe(lambda: Decoder(VOCABULARY, 32, 2), texts(12), LONG),
    "torch-mobilenetv2": Recipe(lambda: MobileNetV2(0.35), pictures(96)),
    "torch-resnet101": Recipe(lambda: ResNet101(0.125), pictures(96)),
    "torch-inceptionv3": Recipe(lambda: InceptionV3(0.125), pictures(96)),
    "torch-memories": Recipe(lambda: Memories(12, 16), walks(10, 12)),
}


def calibrated(module: nn.Module, samples: torch.Tensor) -> nn.Module:
    """Return the module with batch norms and head that fit the samples.

    Args:
        module: A network whose last linear layer is called ``head``, where it has one.
        samples: Its input, samples first.
    """
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = None
            part.reset_running_stats()
            nn.init.uniform_(part.weight, 0.7, 1.3)
            nn.init.uniform_(part.bias, -0.3, 0.3)
    with torch.no_grad():
        module.train()(samples)
        module.eval()
        head = getattr(module, "head", None)
        if head is not None:
            logits = module(samples).reshape(-1, head.out_features)
            head.weight *= SPREAD / logits.std(0)[:, None]
            head.bias *= 0
            head.bias -= module(samples).reshape(-1, head.out_features).mean(0)
            head.bias += 0.5 * torch.randn_like(head.bias)
    return module


def dynamo(
    module: nn.Module, sample: torch.Tensor, recipe: Recipe, path: Path, *, optimize: bool
) -> None:
    """Write the dynamo exporter's model, before or after its optimizer."""
    sizes = {axis: torch.export.Dim(name, min=1, max=512) for axis, name in recipe.axes}
    program = torch.onnx.export(
        module, (sample,), input_names=["x"], output_names=["y"], opset_version=OPSET,
        dynamo=True, dynamic_shapes=(sizes,), optimize=optimize, verbose=False,
    )  # fmt: skip
    program.save(path, external_data=False)


def torchscript(
    module: nn.Module, sample: torch.Tensor, recipe: Recipe, path: Path
) -> None:
    """Write the older exporter's model."""
    torch.onnx.export(
        module, (sample,), str(path), input_names=["x"], output_names=["y"],
        opset_version=17, dynamo=False, dynamic_axes={"x": dict(recipe.axes)},
    )  # fmt: skip


def program(module: nn.Module, sample: torch.Tensor, recipe: Recipe, path: Path) -> None:
    """Write the exported program."""
    sizes = {axis: torch.export.Dim(name, min=1, max=512) for axis, name in recipe.axes}
    torch.export.save(torch.export.export(module, (sample,), dynamic_shapes=(sizes,)), path)


def attempt(path: Path, write: Callable[[Path], None]) -> None:
    """Write a file, or beside it why not."""
    try:
        write(path)
    except Exception as refusal:  # noqa: BLE001 - whatever a converter raises
        path.with_suffix(".error").write_text(f"{type(refusal).__name__}: {refusal}"[:500])


def calibrated_source(name: str) -> nn.Module:
    """Return a source's module, the same at each call."""
    recipe = RECIPES[name]
    torch.manual_seed(sum(map(ord, name)))
    return calibrated(recipe.module(), torch.from_numpy(recipe.draw(CALIBRATION, 1)))


def main(name: str, folder: Path) -> None:
    """Build one source into a folder."""
    recipe = RECIPES[name]
    module = calibrated_source(name)
    sample = torch.from_numpy(recipe.draw(2, 2))
    attempt(
        folder / "dynamo-raw.onnx",
        lambda p: dynamo(module, sample, recipe, p, optimize=False),
    )
    attempt(
        folder / "dynamo.onnx", lambda p: dynamo(module, sample, recipe, p, optimize=True)
    )
    attempt(folder / "torchscript.onnx", lambda p: torchscript(module, sample, recipe, p))
    attempt(folder / "model.pt2", lambda p: program(module, sample, recipe, p))
    drawn = recipe.draw(PROBES, 3)
    np.savez(folder / "probes.npz", in0=drawn[:, None])
    with torch.no_grad():
        rows = [module(torch.from_numpy(one)).numpy() for one in drawn[:, None]]
    np.savez(folder / "native.npz", out0=np.stack(rows))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
