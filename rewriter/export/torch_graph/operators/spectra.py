"""Fourier transforms."""

from typing import Any

import torch

from rewriter.export.torch_graph.call import Call
from rewriter.export.torch_graph.table import computes


@computes("DFT")
def transformed(call: Call) -> Any:
    """Return a discrete Fourier transform; real and imaginary part are the last axis."""
    x = call.tensor(0)
    length = int(call.number(1)) if call.has(1) else None
    axis = int(call.number(2)) if call.has(2) else call.option("axis", _default_axis(call))
    axis = axis % x.ndim
    back, half = bool(call.option("inverse", 0)), bool(call.option("onesided", 0))
    whole = _complex(x)
    if back and half:
        return torch.fft.irfft(whole, length, axis).unsqueeze(-1)
    function = torch.fft.ifft if back else torch.fft.fft
    found = torch.view_as_real(function(whole, length, axis))
    return found.narrow(axis, 0, found.shape[axis] // 2 + 1) if half else found


def _default_axis(call: Call) -> int:
    return 1 if call.opset < 20 else -2  # noqa: PLR2004  # the opset that moved it


def _complex(x: Any) -> Any:
    if x.shape[-1] == 1:
        return torch.complex(x[..., 0], torch.zeros_like(x[..., 0]))
    return torch.view_as_complex(x.contiguous())


@computes("STFT")
def short_time(call: Call) -> Any:
    """Return [batch, frames, frequencies, 2]: a Fourier transform of each frame."""
    x, step = call.tensor(0), int(call.number(1))
    shape = call.maybe(2)
    length = int(call.number(3)) if call.has(3) else shape.shape[0]
    half = bool(call.option("onesided", 1))
    signal = x if x.ndim == 2 else _complex(x)  # noqa: PLR2004  # [batch, length]
    frames = signal.unfold(1, length, step)
    if shape is not None:
        frames = frames * shape
    if frames.is_complex() and half:
        found = torch.fft.fft(frames)[..., : length // 2 + 1]
    else:
        found = torch.fft.rfft(frames) if half else torch.fft.fft(frames)
    return torch.view_as_real(found)
