"""Write MobileNetV2 for 224 px images, its copy, and eight images, without a download.

Source: Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, CVPR 2018,
table 2.
"""

import shutil
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

STAGES = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
    (6, 160, 3, 2), (6, 320, 1, 1),
)  # fmt: skip
"""Expansion, channels, repetitions, first stride of each stage of the paper's table."""

STEM, HEAD, LABELS = 32, 1280, 1000
SIZE, SAMPLES, OPSET = 224, 8, 18


def convolution(
    read: int, give: int, kernel: int, stride: int, groups: int
) -> list[nn.Module]:
    """Return a convolution that keeps the size at stride 1, and its batch normalisation."""
    pads = kernel // 2
    layer = nn.Conv2d(read, give, kernel, stride, pads, groups=groups, bias=False)
    return [
        layer,
        nn.BatchNorm2d(give, momentum=None),
    ]  # None: a plain mean over all batches


class InvertedResidual(nn.Module):
    """Expand, filter depthwise, project; added to its input where the shapes agree."""

    def __init__(self, read: int, give: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = read * expansion
        expand = [*convolution(read, wide, 1, 1, 1), nn.ReLU6()] if expansion > 1 else []
        depthwise = [*convolution(wide, wide, 3, stride, wide), nn.ReLU6()]
        self.body = nn.Sequential(*expand, *depthwise, *convolution(wide, give, 1, 1, 1))
        self.shortcut = stride == 1 and read == give

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return the block's output, float32 [samples, channels, height, width]."""
        return image + self.body(image) if self.shortcut else self.body(image)


def network() -> nn.Sequential:
    """Return MobileNetV2, its batch normalisations calibrated on random images."""
    layers: list[nn.Module] = [*convolution(3, STEM, 3, 2, 1), nn.ReLU6()]
    channels = STEM
    for expansion, give, repeats, first in STAGES:
        for turn in range(repeats):
            layers.append(
                InvertedResidual(channels, give, first if turn == 0 else 1, expansion)
            )
            channels = give
    layers += [*convolution(channels, HEAD, 1, 1, 1), nn.ReLU6()]
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(HEAD, LABELS)]
    model = nn.Sequential(*layers)
    with torch.no_grad():
        model.train()(torch.randn(SAMPLES, 3, SIZE, SIZE))
    return model.eval()


def main(folder: Path) -> None:
    """Write ``source.onnx``, ``target.onnx`` and ``inputs.npz`` into a folder."""
    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    example = torch.randn(1, 3, SIZE, SIZE)
    program = torch.onnx.export(
        network(), (example,), input_names=["image"], output_names=["logits"],
        opset_version=OPSET, dynamo=True, verbose=False,
    )  # fmt: skip
    program.save(folder / "source.onnx", external_data=False)
    shutil.copy(folder / "source.onnx", folder / "target.onnx")
    images = np.random.default_rng(0).standard_normal(
        (SAMPLES, 1, 3, SIZE, SIZE), np.float32
    )
    np.savez(folder / "inputs.npz", image=images)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
