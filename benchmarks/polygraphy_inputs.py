"""The benchmark's samples as Polygraphy's command line reads them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

SAMPLES = "PIVOTFIX_SAMPLES"
"""Environment variable with the ``.npz`` file of the samples."""


def load_data() -> Iterator[dict[str, np.ndarray]]:
    """Yield one sample after another, an array by input name."""
    import numpy as np  # what measures reads the name above, and must stay small

    arrays = dict(np.load(os.environ[SAMPLES]))
    count = len(next(iter(arrays.values())))
    for row in range(count):
        yield {name: array[row] for name, array in arrays.items()}
