"""The floor of a comparison: two bare optimized runs and one read of every activation.

``floor.py SOURCE TARGET INPUTS SIZES``; the activations are read from memory of their
sizes, since what is optimized away is not there to be read.
"""

import json
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnxruntime as ort


def main(source: str, target: str, inputs: str, sizes: str) -> None:
    """Run both models on every sample, one at a time, and read as much as a dump gives."""
    with np.load(inputs) as arrays:
        samples = arrays[arrays.files[0]]
    for path, activations in zip(
        (source, target), json.loads(Path(sizes).read_text(encoding="utf-8")), strict=True
    ):
        session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        ends = np.cumsum([0, *(size // 4 for size in activations)])
        values = np.ones(int(ends[-1]), np.float32)
        for sample in samples:
            session.run(None, {name: sample})
            for start, end in pairwise(ends):
                values[start:end].sum()


if __name__ == "__main__":
    main(*sys.argv[1:5])
