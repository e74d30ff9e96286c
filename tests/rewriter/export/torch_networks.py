"""A small torch network, right and with one fault each; a factory for every one of them."""

from collections.abc import Callable

import torch
from torch import nn

SAMPLE = (2, 3, 16, 16)


class Turned(nn.Module):
    """Exchanges height and width."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return the image on its side."""
        return image.permute(0, 1, 3, 2)


class Network(nn.Module):
    """One layer of each kind that a fault is put into."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.norm = nn.BatchNorm2d(8)
        self.bound = nn.ReLU6()
        self.turn = nn.Identity()
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.slope = nn.LeakyReLU(0.1)
        self.scale = nn.LayerNorm(8, eps=1e-2)
        self.curve = nn.GELU()
        self.head = nn.Linear(8, 5)
        self.swapped = False
        for parameter in self.parameters():
            parameter.data += 0.3 * torch.randn_like(parameter)
        self.norm.running_mean.normal_()
        self.norm.running_var.uniform_(0.5, 2)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return logits."""
        image = self.turn(self.bound(self.norm(self.stem(image))))
        image = self.slope(self.depthwise(image))
        most, mean = image.amax((2, 3)), image.mean((2, 3))
        middle = mean - most if self.swapped else most - mean
        return self.head(self.curve(self.scale(middle)))


class Tied(nn.Module):
    """Two layers whose weight is one tensor, unless it is told apart."""

    def __init__(
        self, scale: float = 1.0, other: float = 1.0, *, apart: bool = False
    ) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
        self.first.weight.data *= scale
        self.second.weight = self.first.weight
        if apart:
            self.second.weight = nn.Parameter(self.first.weight.data * other)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return three numbers."""
        return self.second(torch.tanh(self.first(image.mean((2, 3)))))


class Heads(nn.Module):
    """Two heads, of which the one that is computed first is given first."""

    def __init__(self, *, turned: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
        self.turned = turned

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return three numbers of each head."""
        heads = (self.second, self.first) if self.turned else (self.first, self.second)
        mean = image.mean((2, 3))
        return torch.tanh(heads[0](mean)), torch.tanh(heads[1](mean))


def _weight(net: Network) -> None:
    net.depthwise.weight[3] *= 1.5


def _bias(net: Network) -> None:
    net.head.bias[1] += 1


def _statistic(net: Network) -> None:
    net.norm.running_var[2] *= 4


def _padding(net: Network) -> None:
    net.depthwise.padding = (0, 0)


def _stride(net: Network) -> None:
    net.stem.stride = (1, 1)


def _dilation(net: Network) -> None:
    net.depthwise.dilation = net.depthwise.padding = (2, 2)


def _epsilon(net: Network) -> None:
    net.norm.eps = 0.1


def _missing(net: Network) -> None:
    net.bound = nn.Identity()


def _extra(net: Network) -> None:
    net.depthwise = nn.Sequential(net.depthwise, nn.ReLU())


def _other(net: Network) -> None:
    net.bound = nn.Tanh()


def _approximate(net: Network) -> None:
    net.curve = nn.GELU(approximate="tanh")


def _turned(net: Network) -> None:
    net.turn = Turned()


def _swapped(net: Network) -> None:
    net.swapped = True


def _uneven(net: Network) -> None:
    net.stem = nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), net.stem)
    net.stem[1].padding = (0, 0)


FAULTS: dict[str, Callable[[Network], None]] = {
    "weight": _weight,
    "bias": _bias,
    "statistic": _statistic,
    "padding": _padding,
    "stride": _stride,
    "dilation": _dilation,
    "epsilon": _epsilon,
    "missing": _missing,
    "extra": _extra,
    "other": _other,
    "approximate": _approximate,
    "turned": _turned,
    "swapped": _swapped,
    "uneven": _uneven,
}


def network(fault: str = "") -> Network:
    """Return the network, with a fault or without."""
    net = Network()
    with torch.no_grad():
        if fault:
            FAULTS[fault](net)
    return net.eval()


def _factory(fault: str) -> Callable[[], tuple[Network, tuple[torch.Tensor]]]:
    return lambda: (network(fault), (torch.zeros(SAMPLE),))


right, weight, padding, missing, swapped = (
    _factory(fault) for fault in ("", "weight", "padding", "missing", "swapped")
)


def tied() -> tuple[Tied, tuple[torch.Tensor]]:
    """Return the network whose two layers share a weight."""
    return Tied().eval(), (torch.zeros(SAMPLE),)
