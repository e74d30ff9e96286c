"""Which grids were made for samples like those at hand."""

from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

from analyzer.grids.calibrated import calibrated_grids
from analyzer.pivot import load
from rules.models import chain, layer
from tests.quantization.networks import SIZE, trained


class Noise(CalibrationDataReader):
    """Uniform noise, as probes are drawn."""

    def __init__(self) -> None:
        self.rows = iter(noise(32, seed=1))

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next sample."""
        row = next(self.rows, None)
        return None if row is None else {"x": row}


def noise(count: int, seed: int) -> np.ndarray:
    """Return uniform samples in [-1, 1], shape [count, 1, 3, 16, 16]."""
    drawn = np.random.default_rng(seed).uniform(-1, 1, (count, 1, 3, SIZE, SIZE))
    return drawn.astype(np.float32)


def network() -> onnx.ModelProto:
    """Return two convolutions with a rectifier between them."""
    layers = trained(3, 8, 0), layer("Relu"), trained(8, 16, 1)
    return chain(*layers, size=(1, 3, SIZE, SIZE))


def quantized(model: onnx.ModelProto, path: Path) -> Path:
    """Write a model as ONNX Runtime quantizes it."""
    floats = path.with_suffix(".float.onnx")
    onnx.save(model, floats)
    kinds = {"activation_type": QuantType.QInt8, "weight_type": QuantType.QInt8}
    quantize_static(floats, path, Noise(), **kinds)
    return path


def test_grid_that_is_filled_and_not_left_was_made_for_the_samples(tmp_path: Path) -> None:
    """Of noise as quiet as that of no calibration nothing is known."""
    pivot = load(str(quantized(network(), tmp_path / "right.onnx")), trust_code=False)
    alike, quiet = (
        calibrated_grids(pivot, [{"x": loud * one} for one in noise(4, seed=2)])
        for loud in (np.float32(1), np.float32(0.1))
    )

    assert len(alike) > len(quiet)
    assert quiet == frozenset()
