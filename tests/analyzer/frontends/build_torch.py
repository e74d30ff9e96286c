"""Tiny torch programs, written to the folder named on the command line."""

import sys
from pathlib import Path

import torch
from torch import nn


class Network(nn.Module):
    """A small image classifier with a dynamic batch."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4))
        self.head = nn.Linear(4, 3)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return three scores per image."""
        features = torch.relu(self.stem(image))
        return self.head(features.mean((2, 3)))


class TwoEnds(nn.Module):
    """Inputs by name, a dictionary of outputs."""

    def forward(
        self, left: torch.Tensor, *, right: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """Return the sum, and half of the left rounded down."""
        return {"sum": left + right, "half": torch.div(left, 2.0, rounding_mode="floor")}


def calibrated(model: Network) -> Network:
    """Return the model with batch-norm statistics that no fold can mistake for ones."""
    norm = model.stem[1]
    for values in (norm.running_mean, norm.running_var, norm.weight.data, norm.bias.data):
        values.copy_(torch.rand(4) + 0.5)
    return model.eval()


def build(folder: Path) -> None:
    """Write every program into a folder."""
    torch.manual_seed(0)
    batch = torch.export.Dim("batch", min=1, max=64)
    image = torch.randn(2, 3, 8, 8)
    network = calibrated(Network())
    program = torch.export.export(network, (image,), dynamic_shapes=({0: batch},))
    torch.export.save(program, folder / "network.pt2")
    exported = torch.onnx.export(program, (), dynamo=True, verbose=False)
    exported.save(folder / "network.onnx", external_data=False)
    pair = {"right": torch.randn(2, 3)}
    program = torch.export.export(TwoEnds(), (torch.randn(2, 3),), pair)
    torch.export.save(program, folder / "two_ends.pt2")


if __name__ == "__main__":
    build(Path(sys.argv[1]))
