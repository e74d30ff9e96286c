"""Three torch image networks that people deploy, at a share of their width.

Sources: Sandler et al., MobileNetV2, CVPR 2018, table 2; He et al., Deep Residual Learning
for Image Recognition, CVPR 2016, table 1; Szegedy et al., Rethinking the Inception
Architecture for Computer Vision, CVPR 2016, table 1 and figures 5 to 7.
"""

import torch
from mobilenet import HEAD, STAGES, STEM, InvertedResidual
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own custom
from zoo_modules import convolved

LABELS = 10
Kernel = int | tuple[int, int]

STEPS = ((64, 3, 1), (128, 4, 2), (256, 23, 2), (512, 3, 2))
"""Channels, blocks and first stride of each stage of ResNet101."""


class Unit(nn.Sequential):
    """A convolution, its batch normalisation, and a bound below."""

    def __init__(
        self,
        read: int,
        give: int,
        kernel: Kernel,
        stride: int = 1,
        pads: Kernel | None = None,
    ) -> None:
        sides = (kernel, kernel) if isinstance(kernel, int) else kernel
        around = tuple(side // 2 for side in sides) if pads is None else pads
        layer = nn.Conv2d(read, give, kernel, stride, around, bias=False)
        super().__init__(layer, nn.BatchNorm2d(give), nn.ReLU())


class MobileNetV2(nn.Module):
    """Inverted residuals behind a stem."""

    def __init__(self, share: float) -> None:
        super().__init__()
        channels = _wide(STEM, share)
        self.stem = Unit(3, channels, 3, 2)
        blocks: list[nn.Module] = []
        for expansion, full, repeats, first in STAGES:
            give = _wide(full, share)
            for turn in range(repeats):
                stride = first if turn == 0 else 1
                blocks.append(InvertedResidual(channels, give, stride, expansion))
                channels = give
        self.blocks = nn.Sequential(*blocks)
        self.last = Unit(channels, _wide(HEAD, share), 1)
        self.head = nn.Linear(_wide(HEAD, share), LABELS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits."""
        return self.head(self.last(self.blocks(self.stem(x))).mean((2, 3)))


class Bottleneck(nn.Module):
    """Narrow, filter, widen, beside a shortcut."""

    def __init__(self, read: int, narrow: int, stride: int) -> None:
        super().__init__()
        give = 4 * narrow
        self.one, self.two = Unit(read, narrow, 1), Unit(narrow, narrow, 3, stride)
        self.three = convolved(narrow, give, 1)
        same = read == give and stride == 1
        self.shortcut = nn.Identity() if same else convolved(read, give, 1, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the block's output."""
        return F.relu(self.three(self.two(self.one(x))) + self.shortcut(x))


class ResNet101(nn.Module):
    """Four stages of bottlenecks behind a stem that pools."""

    def __init__(self, share: float) -> None:
        super().__init__()
        channels = _wide(64, share)
        self.stem = nn.Sequential(Unit(3, channels, 7, 2), nn.MaxPool2d(3, 2, 1))
        blocks: list[nn.Module] = []
        for full, depth, first in STEPS:
            narrow = _wide(full, share)
            for turn in range(depth):
                blocks.append(Bottleneck(channels, narrow, first if turn == 0 else 1))
                channels = 4 * narrow
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(channels, LABELS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits."""
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


class Branches(nn.Module):
    """Branches that read one tensor, joined along the channels."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the branches' outputs, one after the other."""
        return torch.cat([branch(x) for branch in self.branches], 1)


class InceptionV3(nn.Module):
    """A stem, eleven mixed blocks of five kinds, a mean."""

    def __init__(self, share: float) -> None:
        super().__init__()
        n = [_wide(full, share) for full in (32, 64, 80, 192, 48, 96, 128, 320, 384, 448)]
        self.stem = nn.Sequential(
            Unit(3, n[0], 3, 2, 0), Unit(n[0], n[0], 3, 1, 0), Unit(n[0], n[1], 3),
            nn.MaxPool2d(3, 2), Unit(n[1], n[2], 1), Unit(n[2], n[3], 3, 1, 0),
            nn.MaxPool2d(3, 2),
        )  # fmt: skip
        self.mixed = nn.Sequential(*_mixed(n))
        self.head = nn.Linear(n[7] + 4 * n[8] + n[3], LABELS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits."""
        return self.head(self.mixed(self.stem(x)).mean((2, 3)))


def _mixed(n: list[int]) -> list[nn.Module]:
    """Return the mixed blocks; figures 5, 6 and 7 of the paper, and its two reductions."""
    blocks: list[nn.Module] = []
    read = n[3]
    for pooled in (n[0], n[1], n[1]):
        blocks.append(Branches(
            Unit(read, n[1], 1),
            nn.Sequential(Unit(read, n[4], 1), Unit(n[4], n[1], 5)),
            nn.Sequential(Unit(read, n[1], 1), Unit(n[1], n[5], 3), Unit(n[5], n[5], 3)),
            nn.Sequential(nn.AvgPool2d(3, 1, 1), Unit(read, pooled, 1)),
        ))  # fmt: skip
        read = 2 * n[1] + n[5] + pooled
    double = nn.Sequential(
        Unit(read, n[1], 1), Unit(n[1], n[5], 3), Unit(n[5], n[5], 3, 2, 0)
    )
    blocks.append(Branches(Unit(read, n[8], 3, 2, 0), double, nn.MaxPool2d(3, 2)))
    read += n[8] + n[5]
    for inner in (n[6], n[6], n[3], n[3]):
        blocks.append(_stretched(read, inner, n[3]))
        read = 4 * n[3]
    square = nn.Sequential(Unit(read, n[3], 1), Unit(n[3], n[7], 3, 2, 0))
    long = nn.Sequential(
        Unit(read, n[3], 1), Unit(n[3], n[3], (1, 7)), Unit(n[3], n[3], (7, 1)),
        Unit(n[3], n[3], 3, 2, 0),
    )  # fmt: skip
    blocks.append(Branches(square, long, nn.MaxPool2d(3, 2)))
    read += n[7] + n[3]
    for _ in range(2):
        blocks.append(_spread(read, n))
        read = n[7] + 4 * n[8] + n[3]
    return blocks


def _stretched(read: int, inner: int, give: int) -> Branches:
    """Return the block whose filters are one by seven and seven by one; figure 6."""
    once = (Unit(inner, inner, (1, 7)), Unit(inner, give, (7, 1)))
    twice = (
        Unit(inner, inner, (7, 1)), Unit(inner, inner, (1, 7)),
        Unit(inner, inner, (7, 1)), Unit(inner, give, (1, 7)),
    )  # fmt: skip
    return Branches(
        Unit(read, give, 1),
        nn.Sequential(Unit(read, inner, 1), *once),
        nn.Sequential(Unit(read, inner, 1), *twice),
        nn.Sequential(nn.AvgPool2d(3, 1, 1), Unit(read, give, 1)),
    )


def _spread(read: int, n: list[int]) -> Branches:
    """Return the block whose filters lie side by side; figure 7."""

    def fan() -> Branches:
        return Branches(Unit(n[8], n[8], (1, 3)), Unit(n[8], n[8], (3, 1)))

    return Branches(
        Unit(read, n[7], 1),
        nn.Sequential(Unit(read, n[8], 1), fan()),
        nn.Sequential(Unit(read, n[9], 1), Unit(n[9], n[8], 3), fan()),
        nn.Sequential(nn.AvgPool2d(3, 1, 1), Unit(read, n[3], 1)),
    )


def _wide(full: int, share: float) -> int:
    """Return a share of so many channels, at least four."""
    return max(4, int(full * share))
