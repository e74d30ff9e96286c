"""Compare every tensor of two models in one Polygraphy process."""

import sys

import numpy as np
from polygraphy import constants
from polygraphy.backend.onnx import BytesFromOnnx, ModifyOutputs, OnnxFromPath
from polygraphy.backend.onnxrt import OnnxrtRunner, SessionFromOnnx
from polygraphy.comparator import Comparator


def every_tensor(path: str, name: str) -> OnnxrtRunner:
    """Return a runner whose outputs are all tensors of a model."""
    marked = ModifyOutputs(OnnxFromPath(path), outputs=constants.MARK_ALL)
    return OnnxrtRunner(SessionFromOnnx(BytesFromOnnx(marked)), name=name)


def main(source: str, target: str, inputs: str) -> None:
    """Run both models on every sample and compare all tensors; exit 1 if any differs."""
    arrays = np.load(inputs)
    count = len(arrays[arrays.files[0]])
    samples = [{name: arrays[name][n] for name in arrays.files} for n in range(count)]
    runners = [every_tensor(source, "source"), every_tensor(target, "target")]
    results = Comparator.run(runners, data_loader=samples)
    sys.exit(not bool(Comparator.compare_accuracy(results)))


if __name__ == "__main__":
    main(*sys.argv[1:4])
