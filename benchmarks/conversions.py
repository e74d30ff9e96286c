"""One conversion of one ONNX file: ``conversions.py CONVERSION ORIGIN RESULT``.

Each is a call of a public tool, but for the renamer, which writes beside its result what
it called every tensor and node.
"""

import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import version_converter

HIGHEST_OPSET = 21
SAMPLES = 16
"""Probes that static quantization is calibrated on."""


def onnxsim(origin: Path, result: Path) -> None:
    """Write what onnxsim makes of a model."""
    import onnxsim as tool

    simplified, right = tool.simplify(onnx.load(origin))
    if not right:
        raise ValueError("onnxsim's own check says the result differs")
    onnx.save(simplified, result)


def optimized(level: ort.GraphOptimizationLevel) -> Callable[[Path, Path], None]:
    """Return what writes the model as ONNX Runtime runs it at a level."""

    def write(origin: Path, result: Path) -> None:
        options = ort.SessionOptions()
        options.graph_optimization_level = level
        options.optimized_model_filepath = str(result)
        ort.InferenceSession(origin, options, providers=["CPUExecutionProvider"])

    return write


def onnxscript(origin: Path, result: Path) -> None:
    """Write what onnxscript's optimizer makes of a model."""
    from onnxscript import optimizer

    onnx.save(optimizer.optimize(onnx.load(origin)), result)


def onnxslim(origin: Path, result: Path) -> None:
    """Write what onnxslim makes of a model."""
    import onnxslim as tool

    onnx.save(tool.slim(onnx.load(origin)), result)


def opset_up(origin: Path, result: Path) -> None:
    """Write the model at a higher opset."""
    onnx.save(version_converter.convert_version(onnx.load(origin), HIGHEST_OPSET), result)


def fp16(origin: Path, result: Path) -> None:
    """Write the model in half precision, its ends left as they are."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    onnx.save(convert_float_to_float16(onnx.load(origin), keep_io_types=True), result)


def int8_dynamic(origin: Path, result: Path) -> None:
    """Write the model with int8 weights."""
    from onnxruntime.quantization import quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        quantize_dynamic(bare(origin, Path(folder)), result)


def int8_static(origin: Path, result: Path) -> None:
    """Write the model quantized to int8 with the ranges its probes give."""
    from onnxruntime.quantization import CalibrationDataReader, quantize_static

    class Probes(CalibrationDataReader):
        """The first probes, one at a time."""

        def __init__(self) -> None:
            self.feeds = feeds(origin)

        def get_next(self) -> dict[str, np.ndarray] | None:
            """Return the next sample."""
            return next(self.feeds, None)

    with tempfile.TemporaryDirectory() as folder:
        quantize_static(bare(origin, Path(folder)), result, Probes())


def bare(origin: Path, folder: Path) -> Path:
    """Return a copy without inner shapes: the quantizer keeps those it has outdated."""
    model = onnx.load(origin)
    del model.graph.value_info[:]
    onnx.save(model, folder / origin.name)
    return folder / origin.name


def feeds(origin: Path) -> Iterator[dict[str, np.ndarray]]:
    """Yield the first probes of a source by the names of a model's inputs."""
    session = ort.InferenceSession(origin, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    with np.load(origin.with_name("probes.npz")) as arrays:
        rows = [arrays[name][:SAMPLES] for name in arrays.files]
    for sample in zip(*rows, strict=True):
        yield dict(zip(names, sample, strict=True))


def renamed(origin: Path, result: Path) -> None:
    """Write the model with every inner name new and its nodes in another order.

    ``<result>.json`` says what each tensor and node was called before.
    """
    model = onnx.load(origin)
    rng = np.random.default_rng(0)
    log = rename(model.graph, rng)
    reorder(model.graph, rng)
    onnx.save(model, result)
    result.with_suffix(".json").write_text(json.dumps(log, indent=1))


def rename(graph: onnx.GraphProto, rng: np.random.Generator) -> dict[str, dict[str, str]]:
    """Rename tensors and nodes in place; return the old name of each new one."""
    ends = {value.name for value in (*graph.input, *graph.output)}
    inner = {name for node in graph.node for name in node.output} - ends - {""}
    names = sorted(inner | {tensor.name for tensor in graph.initializer} - ends)
    labels = rng.permutation(len(names)).tolist()
    new = {name: f"t{label}" for name, label in zip(names, labels, strict=True)}
    nodes = {}
    for place, label in enumerate(rng.permutation(len(graph.node)).tolist()):
        nodes[f"n{label}"] = graph.node[place].name
        graph.node[place].name = f"n{label}"
    retell(graph, new)
    del graph.value_info[:]
    return {"tensors": {after: before for before, after in new.items()}, "nodes": nodes}


def retell(graph: onnx.GraphProto, new: dict[str, str]) -> None:
    """Call tensors by their new names, also where a branch or body reads them."""
    for node in graph.node:
        node.input[:] = [new.get(name, name) for name in node.input]
        node.output[:] = [new.get(name, name) for name in node.output]
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                retell(attribute.g, new)
    for tensor in graph.initializer:
        tensor.name = new.get(tensor.name, tensor.name)


def reads(node: onnx.NodeProto) -> set[str]:
    """Return what a node reads, its branches and bodies included."""
    inner = [a.g for a in node.attribute if a.type == onnx.AttributeProto.GRAPH]
    below = {name for graph in inner for each in graph.node for name in reads(each)}
    return {*node.input} | below


def reorder(graph: onnx.GraphProto, rng: np.random.Generator) -> None:
    """Put the nodes in another topological order, and the initializers in any."""
    makers = {name: k for k, node in enumerate(graph.node) for name in node.output if name}
    after: list[list[int]] = [[] for _ in graph.node]
    missing = []
    for place, node in enumerate(graph.node):
        before = {makers[name] for name in reads(node) if name in makers}
        missing.append(len(before))
        for maker in before:
            after[maker].append(place)
    able, order = [k for k, count in enumerate(missing) if not count], []
    while able:
        chosen = int(rng.integers(len(able)))
        able[chosen], able[-1] = able[-1], able[chosen]
        order.append(able.pop())
        for place in after[order[-1]]:
            missing[place] -= 1
        able += [place for place in after[order[-1]] if not missing[place]]
    ordered = [graph.node[place] for place in order]
    shuffled = [graph.initializer[k] for k in rng.permutation(len(graph.initializer))]
    kept = [onnx.TensorProto.FromString(one.SerializeToString()) for one in shuffled]
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in ordered]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(copies)
    graph.initializer.extend(kept)


TOOLS: dict[str, Callable[[Path, Path], None]] = {
    "onnxsim": onnxsim,
    "ort-basic": optimized(ort.GraphOptimizationLevel.ORT_ENABLE_BASIC),
    "ort-extended": optimized(ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED),
    "onnxscript": onnxscript,
    "onnxslim": onnxslim,
    "opset-up": opset_up,
    "renamed": renamed,
    "fp16": fp16,
    "int8-static": int8_static,
    "int8-dynamic": int8_dynamic,
}

if __name__ == "__main__":
    TOOLS[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
