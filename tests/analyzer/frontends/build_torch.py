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


class Fixed(nn.Module):
    """Takes a batch of one and no other."""

    def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """Return the sum, flat."""
        return (left + right).reshape(1, 4)


class Listed(nn.Module):
    """Two layers side by side, in a list."""

    def __init__(self) -> None:
        super().__init__()
        self.branches = nn.ModuleList([nn.Linear(4, 3), nn.Linear(4, 3)])

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        """Return the sum of what both give."""
        return self.branches[0](value) + self.branches[1](value)


class Saver(nn.Module):
    """Writes a file when it is loaded: TorchScript has an operator for it."""

    def __init__(self, marker: str) -> None:
        super().__init__()
        self.marker = marker

    @torch.jit.export
    def __getstate__(self) -> tuple[str, bool]:
        """Return what is stored."""
        return self.marker, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[str, bool]) -> None:
        """Write the marker, on load."""
        self.marker = state[0]
        self.training = state[1]
        torch.save(torch.zeros(1), self.marker)

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        """Return the value."""
        return value


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
    save(network, image, folder)


def save(network: Network, image: torch.Tensor, folder: Path) -> None:
    """Write a network in every form that is no program."""
    torch.jit.trace(network, (image,)).save(folder / "traced.pt")
    torch.jit.script(network).save(folder / "scripted.pt")
    blocks = nn.Sequential(Listed(), nn.Linear(3, 4), Listed())
    torch.jit.trace(blocks, (torch.randn(2, 4),)).save(folder / "listed.pt")
    torch.jit.script(Fixed()).save(folder / "fixed.pt")
    torch.jit.script(Saver(str(folder / "marker"))).save(folder / "saver.pt")
    weights = network.state_dict()
    wrapped = {f"module.{name}": value for name, value in weights.items()}
    torch.save(weights, folder / "weights.pt")
    torch.save(weights, folder / "old.pth", _use_new_zipfile_serialization=False)
    torch.save({"epoch": 3, "model": wrapped}, folder / "checkpoint.pt")
    torch.save({**weights, "extra": torch.zeros(1)}, folder / "extra.pt")
    torch.save({**weights, "head.bias": torch.zeros(9)}, folder / "wide.pt")
    torch.save(network, folder / "whole.pt")
    torch.save([1, 2], folder / "list.pt")


if __name__ == "__main__":
    build(Path(sys.argv[1]))
