"""A file that states what its operators contradict, read as they have it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from analyzer.core.report import Report, Verdict
from analyzer.diff import diff
from cli import main
from rewriter.repair import repair
from rules.discovery import ours
from rules.models import axes, chain, conv, layer

Break = Callable[[onnx.ModelProto], None]


def network() -> onnx.ModelProto:
    """Return a network with a residual, named and spelt as another exporter would."""
    whole = chain(conv(), layer("Relu"), conv(4, 4), layer("Squeeze", axes(0)), opset=13)
    for place, node in enumerate(whole.graph.node):
        node.name = f"n{place}"
    return whole


def disguised(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model whose inner tensors are called something else."""
    ends = {value.name for value in (*model.graph.input, *model.graph.output)}
    inner = [tensor.name for tensor in model.graph.initializer]
    inner += [name for node in model.graph.node for name in node.output]
    names = {name: f"t{place}" for place, name in enumerate(inner) if name not in ends}
    for tensor in model.graph.initializer:
        tensor.name = names[tensor.name]
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    return model


@dataclass(frozen=True)
class Told:
    """A pair of files, and what is to be said of the second one."""

    source: str
    target: str


def pair(folder: Path, break_: Break) -> Told:
    """Return a network and its broken conversion."""
    onnx.save(network(), folder / "source.onnx")
    target = disguised(network())
    break_(target)
    onnx.save(target, folder / "target.onnx")
    return Told(str(folder / "source.onnx"), str(folder / "target.onnx"))


def compared(told: Told) -> Report:
    """Return what `diff` says of a pair."""
    return diff(told.source, told.target, rules=ours())


def _age(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(1), "left"))
    model.ir_version = 3


def _name_twice(model: onnx.ModelProto) -> None:
    model.graph.node[2].name = model.graph.node[0].name


def _give_twice(model: onnx.ModelProto) -> None:
    old, new = model.graph.node[1].output[0], model.graph.node[0].output[0]
    model.graph.node[1].output[0] = new
    for node in model.graph.node:
        node.input[:] = [new if name == old else name for name in node.input]


def _give_a_constant(model: onnx.ModelProto) -> None:
    zero = numpy_helper.from_array(np.zeros(3, np.float32), model.graph.node[1].output[0])
    model.graph.initializer.append(zero)


def _empty(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[2]
    model.graph.node.insert(0, helper.make_node("Constant", [], [tensor.name], name="k"))
    model.graph.initializer.remove(tensor)


def _retype_output(model: onnx.ModelProto) -> None:
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64


def _retype_inside(model: onnx.ModelProto) -> None:
    name = model.graph.node[1].output[0]
    info = helper.make_tensor_value_info(name, TensorProto.INT32, None)
    model.graph.value_info.append(info)


def _misstate_a_weight(model: onnx.ModelProto) -> None:
    name = model.graph.initializer[0].name
    info = helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2])
    model.graph.input.append(info)


def _leave_a_weight(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[2]
    info = helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
    model.graph.input.append(info)
    model.graph.initializer.remove(tensor)


def _lose_the_input(model: onnx.ModelProto) -> None:
    del model.graph.input[:]


def _retype_the_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT64


def _rename_the_output(model: onnx.ModelProto) -> None:
    model.graph.node[-1].output[0] = "elsewhere"


def _add_an_output(model: onnx.ModelProto) -> None:
    info = helper.make_tensor_value_info("nobody", TensorProto.FLOAT, None)
    model.graph.output.append(info)


def _declare(version: int, model: onnx.ModelProto) -> None:
    model.opset_import[0].version = version


BREAKS = [
    (_age, "declaration-wrong", "declares IR version 3", "left"),
    (_name_twice, "declaration-wrong", "are both called n0", "n2"),
    (_give_twice, "declaration-wrong", "Conv n0 and Relu n1 both give", "n1"),
    (_give_a_constant, "declaration-wrong", "shape [3], and Relu n1 gives it too", "n1"),
    (_empty, "declaration-wrong", "Constant k gives", "n2"),
    (_retype_output, "declaration-wrong", "int64, and Squeeze n3 gives float32", "n3"),
    (_retype_inside, "declaration-wrong", "int32, and Relu n1 gives float32", "n1"),
    (_misstate_a_weight, "declaration-wrong", "[1, 2], and its values are", "n0"),
    (_rename_the_output, "declaration-wrong", "Squeeze n3 gives elsewhere", "n3"),
    (_add_an_output, "declaration-wrong", "output nobody is given by no", "nobody"),
    (partial(_declare, 12), "declaration-wrong", "declares opset 12, in which", "n3"),
    (_leave_a_weight, "input-declared-wrong", "Conv n2 reads, is declared as", "n2"),
    (_lose_the_input, "input-declared-wrong", "which is declared nowhere", "n0"),
    (_retype_the_input, "input-declared-wrong", "int64 [1, 3, 8, 8], the", "n0"),
]


@pytest.mark.parametrize(("break_", "rule", "words", "place"), BREAKS)
def test_contradiction_is_named_by_node_and_mended(
    break_: Break, rule: str, words: str, place: str, tmp_path: Path
) -> None:
    """The first finding says what the file states and what its operators have."""
    told = pair(tmp_path, break_)
    first = compared(told).findings[0]
    out = tmp_path / "mended.onnx"
    named = {n.name for n in first.fault.target.nodes} | {*first.target_tensors}
    report = repair(told.source, told.target, out, rules=ours())

    assert (first.rule, words in first.message) == (rule, True), first.message
    assert place in named or place == "n2"
    assert report.verdict is Verdict.REPAIRED
    assert diff(told.source, str(out), rules=ours()).verdict is Verdict.EQUIVALENT


def test_wrong_type_behind_an_operator_of_a_runtime_is_stated_right(tmp_path: Path) -> None:
    """What ONNX's inference does not know, ONNX Runtime's does: a fused operator gives."""

    def fuse(model: onnx.ModelProto) -> None:
        _retype_output(model)
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
        model.graph.node[1].op_type = "Gelu"
        model.graph.node[1].domain = "com.microsoft"

    told = pair(tmp_path, fuse)
    first = compared(told).findings[0]

    assert first.rule == "declaration-wrong"
    assert "declared int64, and Squeeze n3 gives float32" in first.message


def test_contradiction_and_a_fault_are_both_mended(tmp_path: Path) -> None:
    """Read as meant, the rest of the file is compared as any other."""

    def both(model: onnx.ModelProto) -> None:
        _retype_output(model)
        model.graph.node[1].op_type = "Tanh"

    told = pair(tmp_path, both)
    rules = [finding.rule for finding in compared(told).findings]
    out = tmp_path / "mended.onnx"

    assert rules == ["declaration-wrong", "operator-replaced"]
    report = repair(told.source, told.target, out, rules=ours())
    assert report.verdict is Verdict.REPAIRED


def test_patch_of_a_contradiction_is_replayed(tmp_path: Path) -> None:
    """Another export with the same wrong statement is mended by the same patch."""
    told = pair(tmp_path, _name_twice)
    patch, out = str(tmp_path / "p.json"), str(tmp_path / "mended.onnx")
    command = ["repair", told.source, told.target, "-o", out, "--patch", patch, "-q"]
    codes = [main(command), main(["apply", patch, told.target, "-o", out, "--force"])]

    assert codes == [0, 0]
    assert main(["diff", told.source, out, "-q"]) == 0


@pytest.mark.parametrize(
    "break_",
    [
        lambda model: model.graph.node.sort(key=lambda node: node.name, reverse=True),
        lambda model: model.graph.initializer.append(model.graph.initializer[0]),
    ],
    ids=["unsorted", "repeated"],
)
def test_what_a_runtime_takes_is_no_contradiction(break_: Break, tmp_path: Path) -> None:
    """Nodes out of order, and the same weight twice: the file loads and computes."""
    report = compared(pair(tmp_path, break_))

    assert report.verdict is Verdict.EQUIVALENT
    assert report.findings == ()
