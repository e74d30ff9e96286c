"""The benchmark's samples as Polygraphy's command line reads them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

INPUTS = Path(__file__).resolve().parent / ".cache" / "mobilenetv2" / "inputs.npz"


def load_data() -> Iterator[dict[str, np.ndarray]]:
    """Yield one sample after another: float32 [1, 3, 224, 224], unit variance."""
    for image in np.load(INPUTS)["image"]:
        yield {"image": image}
