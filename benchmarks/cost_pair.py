"""Make ready what `cost.py` measures of one network: ``cost_pair.py SOURCE TARGET FOLDER``.

Writes ``broken.onnx``, the target with one weight wrong in its middle, ``inputs.npz``,
eight samples, and ``sizes.json``, the bytes of every activation of both models.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, numpy_helper

SAMPLES = 8
LARGE = 1 << 14
"""Elements of a weight from which it is a layer's kernel."""

SHARE, FACTOR = 8, 1.5
"""Every eighth element of the wrong weight is half as large again."""


def broken(model: onnx.ModelProto) -> None:
    """Scale some of the kernel that stands in the middle of a model.

    Args:
        model: Changed in place.
    """
    nodes = enumerate(model.graph.node)
    read = {name: place for place, node in nodes for name in node.input}
    weights = [
        weight
        for weight in model.graph.initializer
        if weight.data_type == TensorProto.FLOAT
        and weight.name in read
        and len(weight.dims) > 1
        and np.prod(weight.dims) >= LARGE
    ]
    weights.sort(key=lambda weight: read[weight.name])
    chosen = weights[len(weights) // 2]
    values = numpy_helper.to_array(chosen).copy()
    values.reshape(-1)[::SHARE] *= FACTOR
    chosen.CopyFrom(numpy_helper.from_array(values, chosen.name))


def activation_bytes(path: Path, sample: np.ndarray) -> list[int]:
    """Return the bytes of every tensor that a model computes for a sample."""
    model = onnx.load(path)
    names = [name for node in model.graph.node for name in node.output if name]
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = ort.InferenceSession(model.SerializeToString())
    values = session.run(None, {session.get_inputs()[0].name: sample})
    return [value.nbytes for value in values]


def main(source: Path, target: Path, folder: Path) -> None:
    """Write everything for a pair whose first inputs take the same array."""
    folder.mkdir(parents=True, exist_ok=True)
    with np.load(source.parent / "probes.npz") as probes:
        samples = probes[probes.files[0]][:SAMPLES]
    name = ort.InferenceSession(source).get_inputs()[0].name
    np.savez(folder / "inputs.npz", **{name: samples})
    model = onnx.load(target)
    broken(model)
    onnx.save(model, folder / "broken.onnx")
    sizes = [activation_bytes(path, samples[0]) for path in (source, target)]
    (folder / "sizes.json").write_text(json.dumps(sizes), encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
