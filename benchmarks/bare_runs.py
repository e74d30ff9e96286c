"""Run two models on the same samples with ONNX Runtime and nothing else: the floor."""

import sys

import numpy as np
import onnxruntime as ort


def main(source: str, target: str, inputs: str) -> None:
    """Run both models on every sample, one at a time, and drop what comes out."""
    images = np.load(inputs)["image"]
    for path in (source, target):
        session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
        for image in images:
            session.run(None, {"image": image})


if __name__ == "__main__":
    main(*sys.argv[1:4])
