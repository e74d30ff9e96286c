"""What the torch export makes, in a process of its own: ``torch_programs.py FOLDER``.

Torch is heavy, and warns of its own future; a test session has neither.
"""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.backend.test.loader import load_model_tests
from onnx.backend.test.runner import Runner

from analyzer.core.errors import ExportError
from rewriter.export.torch_graph.eager import computed
from rewriter.export.torch_graph.program import export

if TYPE_CHECKING:
    from collections.abc import Callable

Weights = dict[str, np.ndarray[Any, Any]]
Tensor = Any
Program = Any

SAMPLE = frozenset({
    "test_averagepool_2d_ceil", "test_basic_conv_with_padding", "test_batchnorm_example",
    "test_clip_example", "test_concat_2d_axis_1", "test_convinteger_with_padding",
    "test_convtranspose_pads", "test_dequantizelinear_axis", "test_dynamicquantizelinear",
    "test_einsum_batch_matmul", "test_gather_1", "test_gathernd_example_int32",
    "test_gelu_tanh_1", "test_gemm_transposeB", "test_gru_seq_length", "test_if",
    "test_layer_normalization_2d_axis1", "test_loop11", "test_lstm_with_peepholes",
    "test_matmul_3d", "test_maxpool_2d_dilations", "test_mean_example",
    "test_nonmaxsuppression_two_batches", "test_onehot_with_axis", "test_qlinearconv",
    "test_qlinearmatmul_2D_uint8_float32", "test_quantizelinear_axis",
    "test_range_int32_type_negative_delta",
    "test_reduce_mean_keepdims_example", "test_reflect_pad", "test_reshape_zero_dim",
    "test_resize_downsample_scales_linear_antialias", "test_resize_upsample_scales_cubic",
    "test_rnn_seq_length", "test_scan9_sum", "test_scatter_elements_with_axis",
    "test_scatternd_add", "test_sequence_map_identity_1_sequence", "test_slice_neg_steps",
    "test_softmax_axis_1", "test_split_equal_parts_1d_opset18", "test_top_k",
    "test_transpose_all_permutations_0", "test_wrap_pad",
})  # fmt: skip
"""ONNX's own tests, one or a few of each family; benchmarks/operator_tables.py runs all."""


def main(folder: Path) -> None:
    """Write what became of each thing that is tried."""
    tried: dict[str, Callable[[Path], Any]] = {
        "sample": sampled, "convolutional": convolutional, "shaped": shaped,
        "like": like, "unknown": unknown, "names": names,
    }  # fmt: skip
    found = {name: attempt(folder) for name, attempt in tried.items()}
    (folder / "found.json").write_text(json.dumps(found), encoding="utf-8")


def sampled(folder: Path) -> list[str]:
    """Return the tests of the sample that fail, with what was said."""
    del folder
    failed = []
    for case in load_model_tests(kind="node"):
        if case.name not in SAMPLE:
            continue
        for inputs, outputs in case.data_sets:
            try:
                got = computed(case.model, inputs)
                Runner.assert_similar_outputs(outputs, got, case.rtol, case.atol)
            except (AssertionError, ExportError, RuntimeError, TypeError) as surprise:
                failed.append(f"{case.name}: {surprise}")
    return failed


def model(nodes: list[onnx.NodeProto], held: Weights, *shape: int | str) -> onnx.ModelProto:
    """Return a model from x to y."""
    made = [numpy_helper.from_array(array, name) for name, array in held.items()]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "g", [x], [y], made)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])


def written(folder: Path, name: str, made: onnx.ModelProto, **settings: str) -> Program:
    """Return the program that a model becomes, loaded again, and its notes."""
    onnx.save(made, folder / f"{name}.onnx")
    out = folder / f"{name}.pt2"
    notes = export(str(folder / f"{name}.onnx"), str(out), **settings)
    return torch.export.load(out), notes


def drawn(*shape: int) -> np.ndarray[Any, Any]:
    """Return seeded floats."""
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def convolutional(folder: Path) -> dict[str, Any]:
    """Return what a convolution with a normalisation became."""
    node = helper.make_node
    held = {"stem.weight": drawn(4, 3, 3, 3)}
    held |= {f"norm.{name}": np.abs(drawn(4)) for name in ("weight", "bias", "mean", "var")}
    norm = ["c", *(f"norm.{name}" for name in ("weight", "bias", "mean", "var"))]
    nodes = [
        node("Conv", ["x", "stem.weight"], ["c"], pads=[0, 1, 1, 0]),
        node("BatchNormalization", norm, ["n"]),
        node("Relu", ["n"], ["y"]),
    ]
    made = model(nodes, held, "batch", 3, 8, 8)
    program, notes = written(folder, "convolutional", made)
    x = drawn(5, 3, 8, 8)
    return {
        "notes": notes,
        "state": list(program.state_dict),
        "parameters": list(program.graph_signature.parameters),
        "error": gap(program.module()(torch.from_numpy(x)), computed(made, [x])[0]),
        "alone": list(program.module()(torch.from_numpy(x[:1])).shape),
    }


def gap(got: Tensor, wanted: np.ndarray[Any, Any]) -> float:
    """Return the largest difference."""
    return float(np.abs(got.detach().numpy() - wanted).max())


def shaped(folder: Path) -> list[int]:
    """Return the shape that a reshape by the batch's own size gives for another batch."""
    node = helper.make_node
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Gather", ["s", "first"], ["b"]),
        node("Unsqueeze", ["b", "axes"], ["u"]),
        node("Concat", ["u", "rest"], ["shape"], axis=0),
        node("Reshape", ["x", "shape"], ["y"]),
    ]
    held = {"first": np.array(0), "axes": np.array([0]), "rest": np.array([-1])}
    program, _ = written(folder, "shaped", model(nodes, held, "batch", 2, 3))
    return list(program.module()(torch.from_numpy(drawn(7, 2, 3))).shape)


class Dictionary(torch.nn.Module):  # type: ignore[misc]  # torch is untyped here
    """Takes a tensor by name, and gives a dictionary."""

    def forward(self, x: Tensor, *, shift: Tensor) -> dict[str, Tensor]:
        """Return a sum."""
        return {"total": x + shift}


def like(folder: Path) -> list[str]:
    """Return how a program's result is structured that is written like another."""
    ones = torch.ones(2, 3)
    before = torch.export.export(Dictionary(), (ones,), {"shift": ones})
    torch.export.save(before, folder / "before.pt2")
    made = model([helper.make_node("Sub", ["x", "shift"], ["y"])], {}, 2, 3)
    shift = helper.make_tensor_value_info("shift", TensorProto.FLOAT, [2, 3])
    made.graph.input.append(shift)
    program, _ = written(folder, "like", made, like=str(folder / "before.pt2"))
    result = program.module()(ones, shift=ones)
    return [f"{name}: {value.sum().item():g}" for name, value in result.items()]


def unknown(folder: Path) -> str:
    """Return what is said of operators that lack."""
    nodes = [
        helper.make_node("Nobody", ["x"], ["h"]),
        helper.make_node("None_", ["h"], ["y"]),
    ]
    for one in nodes:
        one.domain = "own"
    made = model(nodes, {}, 2)
    made.opset_import.append(helper.make_opsetid("own", 1))
    try:
        written(folder, "unknown", made)
    except ExportError as surprise:
        return str(surprise)
    return ""


def names(folder: Path) -> list[str]:
    """Return the weights' names in a program, where the graph's own are none for torch."""
    nodes = [
        helper.make_node("Add", ["x", "a/b:0"], ["h"]),
        helper.make_node("Add", ["h", "a"], ["i"]),
        helper.make_node("Add", ["i", "a.b"], ["y"]),
    ]
    held = {"a/b:0": drawn(2), "a": drawn(2), "a.b": drawn(2)}
    program, _ = written(folder, "names", model(nodes, held, "batch", 2))
    return list(program.state_dict)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
