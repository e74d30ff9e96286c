"""What the source computes is carried over wherever the target can be given it."""

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from analyzer.core.options import Options
from analyzer.core.report import Report, Verdict
from analyzer.core.spelling import Spelling, graph_of
from rewriter.repair import repair
from rules.discovery import ours

FEW = Options(samples=4)
HEAD = '<ir_version: 9, opset_import: ["": 17]> net '


def built(text: str, **weights: tuple[int, ...]) -> onnx.ModelProto:
    """Return a model from its text, its weights seeded by their names."""
    model = onnx.parser.parse_model(HEAD + text)
    for name, shape in weights.items():
        random = np.random.default_rng(sum(map(ord, name)))
        array = random.normal(size=shape).astype(np.float32)
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    return model


def mended(source: onnx.ModelProto, target: onnx.ModelProto, folder: Path) -> Report:
    """Return the report of a repair with our rules."""
    paths = folder / "source.onnx", folder / "target.onnx"
    onnx.save(source, paths[0])
    onnx.save(target, paths[1])
    out = folder / "out.onnx"
    return repair(str(paths[0]), str(paths[1]), out, options=FEW, rules=ours())


def branches(laid: str) -> onnx.ModelProto:
    """Return two products of the input, transposed, of which the first may be lost."""
    text = """(float[1,4,6] x) => (float[1,5,4] y, float[1,5,4] z) {
        a = MatMul(x, w) b = MatMul(x, v)
        at = Transpose<perm=[0,2,1]>(LAID) bt = Transpose<perm=[0,2,1]>(b)
        y = Sigmoid(at) z = Tanh(bt)
    }"""
    return built(text.replace("LAID", laid), w=(6, 5), v=(6, 5))


def test_layout_of_a_wrong_tensor_is_carried_over(tmp_path: Path) -> None:
    """Nothing in the target holds what should be read as it is laid out: it is made."""
    report = mended(branches("a"), branches("b"), tmp_path)

    assert report.verdict is Verdict.REPAIRED


def laid_out(read: str) -> onnx.ModelProto:
    """Return a product laid out by sizes read off an input whose batch is open."""
    text = """(float[n,4,6] x) => (float[n,5,4] y) {
        a = MatMul(x, w) s = Shape(x) n = Gather(s, zero) n1 = Unsqueeze(n, first)
        to = Concat<axis=0>(n1, rest) r = Reshape(READ, to) y = Tanh(r)
    }"""
    model = built(text.replace("READ", read), w=(6, 5))
    sizes = {"zero": np.array(0), "first": np.array([0]), "rest": np.array([5, 4])}
    model.graph.initializer.extend(
        numpy_helper.from_array(value, name) for name, value in sizes.items()
    )
    return model


def without(model: onnx.ModelProto, given: str) -> onnx.ModelProto:
    """Return a model without the node that gives a tensor, which keeps its readers."""
    node = next(node for node in model.graph.node if given in node.output)
    model.graph.node.remove(node)
    return model


def test_sizes_that_the_source_measures_are_measured_in_the_target(tmp_path: Path) -> None:
    """The Reshape that is put back reads the batch off the input, as the source's does."""
    report = mended(laid_out("a"), without(laid_out("a"), "r"), tmp_path)

    assert report.verdict is Verdict.REPAIRED
    written = onnx.load(tmp_path / "out.onnx").graph
    assert "Shape" in {node.op_type for node in written.node}


def forked() -> onnx.ModelProto:
    """Return a Relu that two products read."""
    return built(
        """(float[1,6] x) => (float[1,5] y) {
            a = MatMul(x, w) r = Relu(a) b = MatMul(r, u) c = MatMul(r, v) y = Sub(b, c)
        }""",
        w=(6, 6), u=(6, 5), v=(6, 5),
    )  # fmt: skip


def test_dangling_tensor_is_given_to_all_its_readers(tmp_path: Path) -> None:
    """The lost node is put back once, and nothing else is touched."""
    report = mended(forked(), without(forked(), "r"), tmp_path)

    assert report.verdict is Verdict.REPAIRED
    written = [node.op_type for node in onnx.load(tmp_path / "out.onnx").graph.node]
    assert written.count("Relu") == 1
    assert written.count("MatMul") == 3


def test_scalar_of_a_carried_node_stays_a_scalar() -> None:
    """A constant without axes is written without axes."""
    graph = graph_of(Spelling((), {"zero": np.array(0.5, np.float32)}), (), ())

    assert list(graph.initializer[0].dims) == []


def choosing(factor: float = 1.0) -> onnx.ModelProto:
    """Return a choice of two branches, of which one reads a weight from around it."""
    model = built(
        """(float[1,6] x) => (float[1,5] y) {
            a = MatMul(x, w) m = ReduceMean<keepdims=0>(a) c = Greater(m, zero)
            b = If(c) <then_branch = t () => (float[1,5] t1) { t1 = MatMul(a, u) },
                else_branch = e () => (float[1,5] e2) { e1 = MatMul(a, v) e2 = Neg(e1) }>
            y = Tanh(b)
        }""",
        w=(6, 6), u=(6, 5), v=(6, 5),
    )  # fmt: skip
    held = numpy_helper.to_array(model.graph.initializer[1]) * np.float32(factor)
    model.graph.initializer[1].CopyFrom(numpy_helper.from_array(held, "u"))
    model.graph.initializer.append(numpy_helper.from_array(np.array(0, np.float32), "zero"))
    return model


def test_fault_inside_a_branch_is_mended(tmp_path: Path) -> None:
    """The source's whole choice is carried over, the weights that it reads with it."""
    report = mended(choosing(), choosing(1.5), tmp_path)

    assert report.verdict is Verdict.REPAIRED


def counted(axis: int = 0) -> onnx.ModelProto:
    """Return a recurrence whose first state is sized by shape arithmetic."""
    text = """(float[5,n,6] x) => (float[5,1,n,4] y) {
        a = MatMul(x, m) s = Shape(x) n = Slice(s, one, two)
        to = Concat<axis=AXIS>(unit, n, four) h = Expand(zero, to)
        y = GRU<hidden_size=4>(a, w, r, , , h)
    }"""
    weights = {"m": (6, 6), "w": (1, 12, 6), "r": (1, 12, 4)}
    model = built(text.replace("AXIS", str(axis)), **weights)
    sizes = {"one": [1], "two": [2], "unit": [1], "four": [4]}
    model.graph.initializer.extend(
        numpy_helper.from_array(np.array(value), name) for name, value in sizes.items()
    )
    model.graph.initializer.append(numpy_helper.from_array(np.array(0, np.float32), "zero"))
    return model


def test_shape_arithmetic_that_stops_the_target_is_mended(tmp_path: Path) -> None:
    """What reads the sizes is computed as the source does, from sizes of its own."""
    report = mended(counted(), counted(axis=3), tmp_path)

    assert report.verdict is Verdict.REPAIRED
    assert report.findings[0].target_tensors == ("to",)
