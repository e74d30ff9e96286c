"""What a user's file looks like to the factory frontend; it runs in the child only."""

import torch
from torch import nn


class Network(nn.Module):
    """Takes any batch."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 3)
        self.drop = nn.Dropout()

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        """Return three features."""
        return self.drop(torch.relu(self.first(value)))


class Stubborn(nn.Module):
    """Takes a batch of one and no other."""

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        """Return the flat input."""
        return value.reshape(1, 4) + 1


def network() -> tuple[nn.Module, tuple[torch.Tensor]]:
    """Return a module with inputs by position."""
    torch.manual_seed(0)
    return Network(), (torch.randn(1, 4),)


def stubborn() -> tuple[nn.Module, dict[str, torch.Tensor]]:
    """Return a module with inputs by name."""
    return Stubborn(), {"value": torch.randn(1, 2, 2)}


class Classifier(nn.Module):
    """The module whose weights `build_torch` saves."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4))
        self.head = nn.Linear(4, 3)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return three scores per image."""
        return self.head(torch.relu(self.stem(image)).mean((2, 3)))


def classifier() -> tuple[nn.Module, tuple[torch.Tensor]]:
    """Return a module with fresh weights."""
    return Classifier(), (torch.randn(1, 3, 8, 8),)


def a_number() -> int:
    """Return what is no model."""
    return 3


def fails() -> None:
    """Fail as a user's code may."""
    problem = "no such checkpoint"
    raise FileNotFoundError(problem)
