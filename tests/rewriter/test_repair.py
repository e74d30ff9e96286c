"""repair writes a model only when it is proven better, and says what became of each fix."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper, parser

from analyzer.core.errors import UsageError
from analyzer.core.options import Options
from analyzer.core.report import Report, Verdict
from analyzer.core.types import (
    Edit,
    Fault,
    Finding,
    Fix,
    RemoveNode,
    SetAttribute,
    SetConstant,
    Status,
    TryVerdict,
)
from analyzer.frontends.child.client import WarmChildren
from rewriter import surgeon
from rewriter.export import tflite_file
from rewriter.repair import UNPROVEN, repair
from rules.discovery import ours

FEW = Options(samples=4)
CHANNELS = np.array([1, 1, 2, 2, 1, 1, 1, 1], np.float32)


def network() -> onnx.ModelProto:
    """Three convolutions with a Relu and a Clip, and a classifier's head."""
    random = np.random.default_rng(0)

    def weight(name: str, *shape: int) -> onnx.TensorProto:
        scale = np.sqrt(np.prod(shape[1:]))
        array = (random.normal(size=shape) / scale).astype(np.float32)
        return numpy_helper.from_array(array, name)

    nodes = [
        helper.make_node(
            "Conv",
            ["x", "w1", "b1"],
            ["c1"],
            "conv1",
            pads=[1] * 4,
            strides=[2, 2],
            doc_string="the stem",
        ),
        helper.make_node("Relu", ["c1"], ["r1"], "relu1"),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], "conv2", pads=[1] * 4),
        helper.make_node("LeakyRelu", ["c2"], ["r2"], "leaky", alpha=0.2),
        helper.make_node("Conv", ["r2", "w3"], ["c3"], "conv3", pads=[1] * 4, group=8),
        helper.make_node("GlobalAveragePool", ["c3"], ["g"], "pool"),
        helper.make_node("Flatten", ["g"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "w4", "b4"], ["logits"], "head", transB=1),
        helper.make_node("Softmax", ["logits"], ["y"], "softmax"),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 16, 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 10])],
        [
            weight("w1", 8, 3, 3, 3),
            weight("b1", 8),
            weight("w2", 8, 8, 3, 3),
            weight("b2", 8),
            weight("w3", 8, 1, 3, 3),
            weight("w4", 10, 8),
            weight("b4", 10),
        ],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9
    )
    model.metadata_props.add(key="author", value="someone")
    return model


def scaled_channels() -> np.ndarray:
    """Return conv3's weight with two channels off."""
    array = numpy_helper.to_array(network().graph.initializer[4]).copy()
    array[2:4] *= 1.5
    return array


MOVED = SetAttribute("conv1", "pads", (0, 0, 2, 2))
GONE = RemoveNode("relu1")
SCALED = SetConstant("conv3", 1, scaled_channels())


@pytest.fixture
def pair(tmp_path: Path) -> Callable[..., tuple[str, str]]:
    """Save the network and a copy with some edits; return both paths."""

    def saved(*edits: Edit) -> tuple[str, str]:
        model = network()
        onnx.save(model, tmp_path / "source.onnx")
        onnx.save(surgeon.apply(model, tmp_path, edits), tmp_path / "target.onnx")
        return str(tmp_path / "source.onnx"), str(tmp_path / "target.onnx")

    return saved


def mended(paths: tuple[str, str], out: Path, **more: object) -> Report:
    """Return the report of a repair with our rules."""
    return repair(*paths, out, options=FEW, rules=ours(), **more)


def verdicts(report: Report) -> list[TryVerdict]:
    """Return what became of each finding."""
    return [finding.outcome.verdict for finding in report.findings if finding.outcome]


def test_three_faults_are_mended(
    pair: Callable[..., tuple[str, str]], tmp_path: Path
) -> None:
    """Each fault has a kept fix; the written model is the source but for names."""
    report = mended(pair(MOVED, GONE, SCALED), tmp_path / "out.onnx")

    assert report.verdict is Verdict.REPAIRED
    assert verdicts(report) == [TryVerdict.KEPT] * 3
    out, source = onnx.load(tmp_path / "out.onnx"), network()
    assert [node.op_type for node in out.graph.node] == [
        node.op_type for node in source.graph.node
    ]
    assert out.graph.initializer == source.graph.initializer
    assert out.graph.node[0] == source.graph.node[0]
    assert out.metadata_props == source.metadata_props


def test_inputs_are_never_touched(
    pair: Callable[..., tuple[str, str]], tmp_path: Path
) -> None:
    """Source and target have the same bytes after a repair as before."""
    paths = pair(MOVED)
    before = [Path(path).read_bytes() for path in paths]

    mended(paths, tmp_path / "out.onnx")

    assert [Path(path).read_bytes() for path in paths] == before


def test_equivalent_target_is_copied_byte_for_byte(
    pair: Callable[..., tuple[str, str]], tmp_path: Path
) -> None:
    """A target that needs nothing is written as it is."""
    paths = pair()

    report = mended(paths, tmp_path / "out.onnx")

    assert report.verdict is Verdict.REPAIRED
    assert report.command == "repair"
    assert report.is_copy
    assert (tmp_path / "out.onnx").read_bytes() == Path(paths[1]).read_bytes()


def lookup(rows: int) -> onnx.ModelProto:
    """A table of some rows, read at the magnitude of the inputs' sum."""
    model = onnx.parser.parse_model("""<ir_version: 9, opset_import: ["": 17]>
        lookup (float[1,4] x) => (float[1,4] y) {
          s = ReduceSum<keepdims=0>(x) a = Abs(s) i = Cast<to=7>(a)
          g = Gather(t, i) y = Add(g, x)
        }""")
    table = np.arange(rows, dtype=np.float32)
    model.graph.initializer.append(numpy_helper.from_array(table, "t"))
    return model


def test_target_that_stops_at_a_held_out_probe_is_not_repaired(tmp_path: Path) -> None:
    """Probes of seed 4 read rows up to 8, the held-out ones row 9, which it lacks."""
    paths = str(tmp_path / "source.onnx"), str(tmp_path / "target.onnx")
    onnx.save(lookup(64), paths[0])
    onnx.save(lookup(9), paths[1])
    out = tmp_path / "out.onnx"
    report = repair(*paths, out, options=Options(seed=4), rules=())

    assert report.verdict is Verdict.UNREPAIRED
    assert report.findings[0].status is Status.FAULT
    assert not out.exists()


def test_dry_run_writes_nothing(
    pair: Callable[..., tuple[str, str]], tmp_path: Path
) -> None:
    """The report is the same, the folder too."""
    paths = pair(MOVED)
    files = set(tmp_path.iterdir())

    report = mended(paths, tmp_path / "out.onnx", dry_run=True)

    assert report.verdict is Verdict.REPAIRED
    assert set(tmp_path.iterdir()) == files


class Wrong:
    """A rule that proposes another stride, whatever the fault."""

    slug = "wrong"

    def judge(self, fault: Fault) -> tuple[Finding, ...]:
        """Return one finding with a harmful fix."""
        found = next(rule.judge(fault) for rule in ours() if rule.judge(fault))[0]
        fix = Fix("make it worse", (SetAttribute("conv1", "strides", (1, 1)),))
        return (replace(found, fix=fix, alternatives=()),)


def test_harmful_fix_is_dropped_and_nothing_written(
    pair: Callable[..., tuple[str, str]], tmp_path: Path
) -> None:
    """A fix that does not mend its region is rejected; without fixes there is no OUT."""
    out = tmp_path / "out.onnx"

    report = repair(*pair(MOVED), out, options=FEW, rules=[Wrong()])

    assert report.verdict is Verdict.UNREPAIRED
    assert verdicts(report) == [TryVerdict.REJECTED]
    assert not out.exists()


class Hesitant:
    """Our rules, their right fix behind a harmful one."""

    slug = "hesitant"

    def judge(self, fault: Fault) -> tuple[Finding, ...]:
        """Return our first finding with a harmful fix in front."""
        found = next(rule.judge(fault) for rule in ours() if rule.judge(fault))[0]
        harmful = Fix("make it worse", (SetAttribute("conv1", "strides", (1, 1)),))
        rest = () if found.fix is None else (found.fix,)
        return (replace(found, fix=harmful, alternatives=(*rest, *found.alternatives)),)


def test_alternative_is_kept_where_the_first_fix_fails(
    pair: Callable[..., tuple[str, str]], tmp_path: Path
) -> None:
    """Fixes are tried until one mends the region; that one is shown as the fix."""
    report = repair(*pair(MOVED), tmp_path / "out.onnx", options=FEW, rules=[Hesitant()])

    assert report.verdict is Verdict.REPAIRED
    kept, *others = (report.findings[0].fix, *report.findings[0].alternatives)
    assert kept is not None
    assert kept.title != "make it worse"
    assert "make it worse" in [fix.title for fix in others if fix is not None]


def test_target_without_rules_is_left_alone(
    pair: Callable[..., tuple[str, str]], tmp_path: Path
) -> None:
    """Where no rule knows a cure, the finding says so and nothing is written."""
    report = repair(*pair(MOVED), tmp_path / "out.onnx", options=FEW, rules=())

    assert report.verdict is Verdict.UNREPAIRED
    outcome = report.findings[0].outcome
    assert outcome is not None
    assert outcome.reason == "no rule knows a cure"


def test_two_faults_of_which_one_is_mended_is_improved(
    pair: Callable[..., tuple[str, str]], tmp_path: Path
) -> None:
    """With rules for one of two faults the model is written; the other stays reported."""
    only = [rule for rule in ours() if rule.slug == "padding-shifted"]

    report = repair(*pair(SCALED, MOVED), tmp_path / "out.onnx", options=FEW, rules=only)

    assert report.verdict is Verdict.IMPROVED
    assert sorted(verdicts(report)) == [TryVerdict.KEPT, TryVerdict.UNTRIED]
    assert (tmp_path / "out.onnx").exists()


@pytest.mark.parametrize("name", ["source.onnx", "target.onnx", "link.onnx"])
def test_out_that_is_an_input_is_refused(
    pair: Callable[..., tuple[str, str]], tmp_path: Path, name: str
) -> None:
    """Neither by name nor through a link does a repair touch its inputs, even forced."""
    paths = pair(MOVED)
    (tmp_path / "link.onnx").symlink_to(tmp_path / "target.onnx")

    with pytest.raises(UsageError, match="never touches"):
        mended(paths, tmp_path / name, force=True)


def test_repaired_flatbuffer_runs_like_keras(
    keras_folder: Path, warm: WarmChildren, tmp_path: Path
) -> None:
    """A TFLite file with three faults is mended in its own format and proven in LiteRT."""
    assert warm is not None
    flatbuffer = tflite_file.read(keras_folder / "net.tflite")
    operators = {
        tflite_file.kind(flatbuffer, one): one for one in flatbuffer.graph.operators
    }
    depthwise = operators["DEPTHWISE_CONV_2D"]
    weight = tflite_file.value(flatbuffer, depthwise.inputs[1])
    assert weight is not None
    tflite_file.set_value(flatbuffer, depthwise, 1, weight * CHANNELS)
    tflite_file.set_option(depthwise, "fusedActivationFunction", 0)
    tflite_file.set_option(operators["LEAKY_RELU"], "alpha", 0.6)
    target = tmp_path / "target.tflite"
    target.write_bytes(tflite_file.packed(flatbuffer))
    out = tmp_path / "out.tflite"

    report = mended((str(keras_folder / "net.keras"), str(target)), out)

    assert report.verdict is Verdict.REPAIRED
    assert verdicts(report) == [TryVerdict.KEPT] * 3
    assert all(pair.within for pair in report.outputs)
    assert out.exists()


TURNS = """<ir_version: 8, opset_import: ["": OPSET]>
    g (float[2,3] x) => (float[2,3] y) {
      yes = Constant<value = bool {1}>()  turns = Constant<value = int64 {3}>()
      y = Loop(turns, yes, x) <body = b (int64 i, bool c, float[2,3] s)
        => (bool c2, float[2,3] s2) {
          c2 = Identity(c)  m = LeakyRelu<alpha = ALPHA>(s)  s2 = Add(m, x) }> }"""


def turned(folder: Path, opset: int) -> list[str]:
    """Return the paths of a loop and of another whose activation leaks more."""
    paths = [str(folder / name) for name in ("source.onnx", "target.onnx")]
    for path, alpha, version in zip(paths, ("0.2", "0.5"), (17, opset), strict=True):
        text = TURNS.replace("ALPHA", alpha).replace("OPSET", str(version))
        onnx.save(parser.parse_model(text), path)
    return paths


@pytest.mark.parametrize("opset", [17, 13])
def test_fault_inside_a_loop_is_mended_by_the_whole_loop(
    tmp_path: Path, opset: int
) -> None:
    """No edit reaches into a body: the source's loop takes the place of the target's."""
    out = tmp_path / "out.onnx"
    report = repair(*turned(tmp_path, opset), out, options=FEW, rules=ours())
    (finding,) = report.findings

    assert (report.verdict, finding.target_tensors) == (Verdict.REPAIRED, ("m",))
    assert [one.op_type for one in onnx.load(out).graph.node].count("Loop") == 1


def test_source_with_a_custom_operator_proves_no_repair(tmp_path: Path) -> None:
    """The finding stands, and nothing is written."""
    text = """<ir_version: 8, opset_import: ["": 17, "mine": 1]>
    g (float[2,3] x) => (float[2,3] y) {
      a = mine.Odd(x)  y = LeakyRelu<alpha = ALPHA>(a) }"""
    paths = [str(tmp_path / name) for name in ("source.onnx", "target.onnx")]
    for path, alpha in zip(paths, ("0.2", "0.5"), strict=True):
        onnx.save(parser.parse_model(text.replace("ALPHA", alpha)), path)
    report = repair(*paths, tmp_path / "out.onnx", options=FEW, rules=ours())

    assert report.verdict is Verdict.UNREPAIRED
    assert [one.outcome.reason for one in report.findings if one.outcome] == [UNPROVEN]
    assert not (tmp_path / "out.onnx").exists()
