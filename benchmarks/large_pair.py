"""What `diff` costs on two models of 3 GiB that differ in one weight of 48.

``python benchmarks/large_pair.py [FOLDER]``: the models are made of files that are sparse
but for a pattern, and deleted afterwards. Both should be found in under three seconds and
under 300 MB of memory of its own, what is mapped from the files not counted.
"""

import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
from measure import CACHE, ROOT, cost, publish
from onnx import TensorProto, helper

LAYERS, WIDTH = 48, 4096
BYTES = 4 * WIDTH * WIDTH
"""Bytes of one layer's kernel: 64 MiB."""

CHANGED = 30
STRIDE = 4097
"""Every so many elements of a kernel is not zero: more than the diagonal, near it."""


def pattern(seed: int) -> np.ndarray:
    """Return a kernel's elements, float32, mostly zeros, that keep what passes large."""
    values = np.zeros(WIDTH * WIDTH, np.float32)
    count = len(values[::STRIDE])
    values[::STRIDE] = 1.0 + np.random.default_rng(seed).uniform(-0.1, 0.1, count)
    return values


def model(name: str) -> onnx.ModelProto:
    """Return a chain of products whose kernels lie in ``<name>.bin``."""
    kernels = []
    for layer in range(LAYERS):
        kernel = TensorProto(
            name=f"w{layer}", data_type=TensorProto.FLOAT, dims=[WIDTH, WIDTH],
            data_location=TensorProto.EXTERNAL,
        )  # fmt: skip
        where = {"location": f"{name}.bin", "offset": layer * BYTES, "length": BYTES}
        for entry, value in where.items():
            kernel.external_data.add(key=entry, value=str(value))
        kernels.append(kernel)
    nodes = [
        helper.make_node("MatMul", [f"x{layer}", f"w{layer}"], [f"x{layer + 1}"])
        for layer in range(LAYERS)
    ]
    ends = [
        helper.make_tensor_value_info(f"x{layer}", TensorProto.FLOAT, [1, WIDTH])
        for layer in (0, LAYERS)
    ]
    graph = helper.make_graph(nodes, "large", ends[:1], ends[1:], kernels)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])


def write(folder: Path, name: str, wrong: int | None) -> Path:
    """Write a model and its kernels, one of them wrong in its last quarter."""
    path = folder / f"{name}.onnx"
    onnx.save(model(name), path)
    with (folder / f"{name}.bin").open("wb") as file:
        for layer in range(LAYERS):
            values = pattern(layer)
            if layer == wrong:
                values[-values.size // 4 :] *= 1.5
            file.write(values.tobytes())
    return path


def main(folder: Path) -> int:
    """Measure, print the table and write the JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        pair = [write(folder, "source", None), write(folder, "target", CHANGED)]
        same = write(folder, "copy", None)
        diff = [sys.executable, ROOT / "cli.py", "diff", "--no-progress"]
        library = [sys.executable, "-c", "import numpy, onnx, onnxruntime"]
        rows = (
            cost("imports", library),
            cost("diff, 3 GiB against their copy", [*diff, pair[0], same], runs=1),
            cost("diff, one weight of 48 wrong", [*diff, *pair], runs=1, expected=(1,)),
        )
    finally:
        shutil.rmtree(folder)
    publish("large_pair", rows, against="imports")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if sys.argv[1:] else CACHE / "large"))
