"""Modules that today's torch.onnx (2.13) exports wrongly, one a factory; run in the child.

Found by sweeping some 950 calls of operators: native torch against the export under ONNX
Runtime. `FAULTS` says what is wrong with each.
"""

import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

FAULTS: Mapping[str, tuple[str, str]] = {
    "divisor_override": ("aten.avg_pool2d.default", "the divisor is dropped"),
    "divisor_of_volumes": ("aten.avg_pool3d.default", "the divisor is dropped"),
    "antialias_scaled": (
        "aten._upsample_bilinear2d_aa.default",
        "the scale is computed anew from rounded sizes",
    ),
    "antialias_corners": (
        "aten._upsample_bicubic2d_aa.default",
        "aligned corners are resized by another kernel",
    ),
    "scatter_mean": ("aten.scatter_reduce.two", "the mean is a sum"),
    "remainder_of_infinity": ("aten.remainder.Scalar", "infinity times zero is NaN"),
    "cumulative_logsumexp": ("aten.logcumsumexp.default", "it underflows"),
    "logaddexp": ("aten.logaddexp.default", "it overflows"),
    "log_sigmoid": ("aten.log_sigmoid.default", "it underflows"),
    "elu_scale": ("aten.elu.default", "what is above zero is scaled twice"),
}
"""Operator and what is wrong, by factory. Not here, since no sample has NaN, or a sign of
zero: ArgMax, ReduceMax, Sign of NaN, signbit and atan2 of -0.0; `topk(sorted=False)` and
ties of `topk` promise no order; floor division of floats rounds before it floors."""


class Called(nn.Module):
    """A convolution, what is under test, a convolution."""

    def __init__(self, middle: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.before = nn.Conv2d(3, 4, 3, padding=1)
        self.middle = middle
        self.after = nn.Conv2d(4, 2, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return two channels."""
        return self.after(self.middle(torch.relu(self.before(image))))


Built = tuple[nn.Module, tuple[torch.Tensor]]


def _built(middle: Callable[[torch.Tensor], torch.Tensor]) -> Built:
    torch.manual_seed(0)
    return Called(middle), (torch.randn(1, 3, 8, 8),)


def divisor_override() -> Built:
    """Return an average pool with a divisor of its own."""
    return _built(lambda x: functional.avg_pool2d(x, 3, 2, 1, divisor_override=4))


def divisor_of_volumes() -> Built:
    """Return the same in three dimensions, over a partial window."""
    return _built(
        lambda x: functional.avg_pool3d(
            x.unsqueeze(1),
            (1, 3, 3),
            (1, 2, 2),
            (0, 1, 1),
            ceil_mode=True,
            divisor_override=4,
        ).squeeze(1)
    )


def antialias_scaled() -> Built:
    """Return a smaller image, its scale not that of the sizes."""
    return _built(
        lambda x: functional.interpolate(
            x, scale_factor=0.6, mode="bilinear", antialias=True
        )
    )


def antialias_corners() -> Built:
    """Return a smaller image with its corners kept."""
    return _built(
        lambda x: functional.interpolate(
            x, size=(5, 5), mode="bicubic", antialias=True, align_corners=True
        )
    )


def scatter_mean() -> Built:
    """Return means of what is scattered to one place, and what stood there."""
    places = torch.tensor([0, 1, 1, 2, 3, 3, 3, 0])
    return _built(lambda x: x.scatter_reduce(3, places.expand_as(x), x * 2, "mean"))


def remainder_of_infinity() -> Built:
    """Return what is left of a division by infinity."""
    return _built(lambda x: torch.remainder(x, float("inf")))


def cumulative_logsumexp() -> Built:
    """Return running sums in logarithms, over a wide range."""
    return _built(lambda x: torch.logcumsumexp(x * 300 - 50, -1))


def logaddexp() -> Built:
    """Return sums in logarithms, of large numbers."""
    return _built(lambda x: torch.logaddexp(x * 300, x.flip(-1) * 200))


def log_sigmoid() -> Built:
    """Return logarithms of a saturated sigmoid."""
    return _built(lambda x: functional.logsigmoid(300 * (0.5 - x)))


def elu_scale() -> Built:
    """Return a scaled ELU that is narrower below zero."""
    return _built(lambda x: torch.ops.aten.elu(x - 0.5, 0.5, 2.0, 3.0))


def build(folder: Path) -> None:
    """Export every module as its user would, and save the first as a program."""
    warnings.simplefilter("ignore")
    for name in FAULTS:
        module, given = globals()[name]()
        module.eval()
        target = str(folder / f"{name}.onnx")
        torch.onnx.export(module, given, target, dynamo=True, external_data=False)
    program = torch.export.export(*divisor_override())
    torch.export.save(program, folder / "divisor_override.pt2")
    save_scripts(folder)


class Script(nn.Module):
    """Two options that the exporter of TorchScript drops: a divisor and a threshold."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return four channels."""
        pooled = functional.avg_pool2d(self.stem(image), 2, divisor_override=3)
        return functional.softplus(pooled, 0.5, 1.0)


def save_scripts(folder: Path) -> None:
    """Write a module as TorchScript in both ways, and what its exporter makes of it."""
    torch.manual_seed(0)
    module, image = Script().eval(), torch.randn(1, 3, 8, 8)
    traced = torch.jit.trace(module, (image,))
    traced.save(folder / "traced.pt")
    torch.jit.script(module).save(folder / "scripted.pt")
    torch.onnx.export(traced, (image,), folder / "traced.onnx", dynamo=False)


if __name__ == "__main__":
    build(Path(sys.argv[1]))
