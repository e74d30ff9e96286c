"""A small network with the statistics of a trained one, and its quantizations."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.transformers.float16 import convert_float_to_float16

from analyzer.core.options import Options
from analyzer.core.report import Report
from analyzer.diff import diff
from rewriter.repair import repair
from rules.discovery import ours
from rules.models import Layer, chain, layer

SIZE = 16
CALIBRATION = 32


def textures(count: int, seed: int) -> np.ndarray:
    """Return coloured waves with some noise, shape [count, 1, 3, 16, 16]."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    waves = []
    for _ in range(count):
        angle, often = random.uniform(0, np.pi), random.integers(2, 6)
        phase, colour = random.uniform(0, 6.3), random.uniform(0.3, 1.0, 3)
        along = columns * np.cos(angle) + rows * np.sin(angle)
        wave = np.sin(2 * np.pi * often * along + phase)
        waves.append(colour[:, None, None] * wave + random.normal(0, 0.2, (3, SIZE, SIZE)))
    return np.stack(waves)[:, None].astype(np.float32)


def trained(channels: int, filters: int, seed: int) -> Layer:
    """Return a convolution: heavy-tailed weights, each channel of another size."""
    random = np.random.default_rng(seed)
    kernel = random.standard_t(5, (filters, channels, 3, 3))
    sizes = random.lognormal(0.0, 0.4, (filters, 1, 1, 1))
    kernel = kernel * sizes * np.sqrt(1.2 / (9 * channels))
    bias = random.normal(0, 0.3, filters).astype(np.float32)
    window = {"kernel_shape": (3, 3), "pads": (1, 1, 1, 1)}
    return layer("Conv", kernel.astype(np.float32), bias, **window)


def network() -> onnx.ModelProto:
    """Return three convolutions with rectifiers between them, and their mean."""
    six = layer("Clip", np.float32(0), np.float32(6))
    return chain(
        trained(3, 8, 0),
        layer("Relu"),
        trained(8, 16, 1),
        six,
        trained(16, 8, 2),
        layer("GlobalAveragePool"),
        size=(1, 3, SIZE, SIZE),
    )


class Calibration(CalibrationDataReader):
    """Waves, one at a time."""

    def __init__(self) -> None:
        self.rows = iter(textures(CALIBRATION, seed=1))

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next sample."""
        row = next(self.rows, None)
        return None if row is None else {"x": row}


@dataclass(frozen=True, slots=True)
class Quantized:
    """The network and its quantizations in one folder."""

    folder: Path

    @property
    def source(self) -> str:
        """The float network."""
        return str(self.folder / "source.onnx")

    @property
    def options(self) -> Options:
        """How pairs are probed: with waves that no calibration saw."""
        return Options(inputs=self.folder / "probes.npz")

    def spoilt(self, name: str, spoil: Callable[[onnx.ModelProto], None]) -> str:
        """Return the path of a quantization with something spoilt in it."""
        model = onnx.load(self.folder / f"{name}.onnx")
        spoil(model)
        path = self.folder / f"{name}-spoilt.onnx"
        onnx.save(model, path)
        return str(path)

    def found(self, target: str) -> Report:
        """Return what `diff` says of a file of the folder."""
        path = self.folder / target
        return diff(self.source, str(path), options=self.options, rules=ours())

    def mended(self, target: str, **more: bool) -> Report:
        """Return what `repair` says; it writes ``mended.onnx``."""
        out = self.folder / "mended.onnx"
        path = str(self.folder / target)
        return repair(
            self.source, path, out,
            options=self.options, rules=ours(), force=True, **more,
        )  # fmt: skip


def built(folder: Path) -> Quantized:
    """Return the network as ONNX Runtime's own quantizers write it into a folder."""
    source = folder / "source.onnx"
    onnx.save(network(), source)
    np.savez(folder / "probes.npz", x=textures(6, seed=2))
    for style, kind in (("qdq", QuantFormat.QDQ), ("qop", QuantFormat.QOperator)):
        for per_channel in (False, True):
            for dtype in (QuantType.QUInt8, QuantType.QInt8):
                grid = "channel" if per_channel else "tensor"
                quantize_static(
                    source,
                    folder / f"{style}-{grid}-{dtype}.onnx",
                    Calibration(),
                    quant_format=kind,
                    per_channel=per_channel,
                    activation_type=dtype,
                    weight_type=QuantType.QInt8,
                    extra_options={"ActivationSymmetric": dtype is QuantType.QInt8},
                )
    quantize_dynamic(source, folder / "dynamic.onnx")
    half = convert_float_to_float16(onnx.load(source), keep_io_types=True)
    onnx.save(half, folder / "half.onnx")
    return Quantized(folder)
