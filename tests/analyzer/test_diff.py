"""Two files in, one report out: the whole analysis on the smallest nets that show it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from analyzer.core.options import Options
from analyzer.core.report import Report, Verdict
from analyzer.core.types import Array, FaultClass, Feeds, Finding, Status
from analyzer.diff import analyse, analyse_pivots
from analyzer.pivot import load

Save = Callable[[onnx.ModelProto, str], str]
Net = Callable[..., onnx.ModelProto]
Compared = Callable[..., Report]

CNN = """(float[1,3,8,8] x) => (y) {{
  a = Conv<pads={pads}>(x, k, b)
  {act}
  d = Conv<pads=[1,1,1,1]>(c, m)
  e = Relu(d)
  f = GlobalAveragePool(e)
  g = Flatten(f)
  h = Gemm(g, w, v)
  y = Softmax<axis=-1>(h)
}}"""
HEALTHY = CNN.format(pads="[1,1,1,1]", act="c = Relu(a)")


@pytest.fixture
def weights(rng: np.random.Generator) -> dict[str, Array]:
    """Weights of `CNN`: 3 to 4 to 6 channels, then 5 classes."""
    shapes = {"k": (4, 3, 3, 3), "b": (4,), "m": (6, 4, 3, 3), "w": (6, 5), "v": (5,)}
    return {n: rng.normal(size=size).astype(np.float32) for n, size in shapes.items()}


@pytest.fixture
def compared(saved: Save) -> Compared:
    """The report on a source and a target, without any rule."""

    def run(source: onnx.ModelProto, target: onnx.ModelProto, **options: int) -> Report:
        paths = saved(source, "source"), saved(target, "target")
        return analyse(*paths, options=Options(**options), rules=()).report

    return run


def roots(report: Report) -> set[str]:
    """Return the tensor each fault names first."""
    faults = [one for one in report.findings if one.status is Status.FAULT]
    return {finding.target_tensors[0] for finding in faults}


def only(report: Report) -> Finding:
    """Return the one finding of a report."""
    (finding,) = report.findings
    return finding


def renamed(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto:
    """Return the model with other tensor names and its nodes in any order."""
    names = {value.name: value.name for value in model.graph.input}
    for node in model.graph.node:
        names |= {name: f"t{len(names)}" for name in node.output if name not in names}
    names |= {tensor.name: f"p{i}" for i, tensor in enumerate(model.graph.initializer)}
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    for node in changed.graph.node:
        node.input[:] = [names[name] for name in node.input]
        node.output[:] = [names[name] for name in node.output]
    for named in (*changed.graph.initializer, *changed.graph.output):
        named.name = names[named.name]
    shuffled = [changed.graph.node[i] for i in rng.permutation(len(model.graph.node))]
    nodes = [*shuffled]
    del changed.graph.node[:]
    changed.graph.node.extend(nodes)
    return changed


def test_renamed_shuffled_copy_is_equivalent(
    net: Net, compared: Compared, weights: dict[str, Array], rng: np.random.Generator
) -> None:
    """Neither names nor the order of nodes mean anything."""
    source = net(HEALTHY, **weights)
    report = compared(source, renamed(source, rng))

    assert report.verdict is Verdict.EQUIVALENT
    assert report.findings == ()
    assert report.coverage.unpaired_source == report.coverage.unpaired_target == ()


def test_channels_last_is_equivalent(
    net: Net, compared: Compared, weights: dict[str, Array]
) -> None:
    """Another layout of the input, inside and of the output changes nothing."""
    source = net("(float[1,3,4,6] x) => (y) { y = Conv(x, k) }", k=weights["k"])
    target = net(
        "(float[1,4,6,3] image) => (out) { p = Transpose<perm=[0,3,1,2]>(image)"
        " q = Conv(p, k) out = Transpose<perm=[0,2,3,1]>(q) }",
        k=weights["k"],
    )
    report = compared(source, target)

    assert report.verdict is Verdict.EQUIVALENT
    assert report.findings == ()
    assert report.inputs[0].permutation == (0, 2, 3, 1)
    assert report.outputs[0].permutation == (0, 2, 3, 1)


def test_folded_batch_norm_is_equivalent(
    net: Net, compared: Compared, weights: dict[str, Array], rng: np.random.Generator
) -> None:
    """Weights that carry their batch norm compute what the two operators computed."""
    gamma, beta, mean = rng.normal(size=(3, 4)).astype(np.float32)
    var = rng.uniform(0.5, 2.0, size=4).astype(np.float32)
    scale = gamma / np.sqrt(var + np.float32(1e-5))
    source = net(
        "(float[1,3,8,8] x) => (y) {"
        " a = Conv(x, k, b) n = BatchNormalization(a, gamma, beta, mean, var)"
        " y = Relu(n) }",
        k=weights["k"],
        b=weights["b"],
        gamma=gamma,
        beta=beta,
        mean=mean,
        var=var,
    )
    target = net(
        "(float[1,3,8,8] x) => (y) { a = Conv(x, k, b) y = Relu(a) }",
        k=weights["k"] * scale.reshape(4, 1, 1, 1),
        b=(weights["b"] - mean) * scale + beta,
    )
    report = compared(source, target)

    assert report.verdict is Verdict.EQUIVALENT
    assert report.findings == ()


DEEP = """(float[1,3,8,8] x) => (y) {{
  a = Conv<pads={pads}>(x, k, b)  c = Relu(a)
  d = Conv<pads=[1,1,1,1]>(c, m)  {act}
  f = MaxPool<kernel_shape=[2,2], strides=[2,2]>({pooled})
  g = Flatten(f)  h = Gemm(g, w, v)  i = Tanh(h)
  j = Gemm(i, u)  y = Softmax<axis=-1>(j)
}}"""


@pytest.fixture
def deep(weights: dict[str, Array], rng: np.random.Generator) -> dict[str, Array]:
    """Weights of `DEEP`."""
    dense = {"w": 0.1 * rng.normal(size=(96, 5)), "u": rng.normal(size=(5, 5))}
    return weights | {name: array.astype(np.float32) for name, array in dense.items()}


def test_three_faults_are_three_findings(
    net: Net, compared: Compared, deep: dict[str, Array]
) -> None:
    """Padding, dropped activation and weight are named; what they spoil is counted."""
    source = net(DEEP.format(pads="[1,1,1,1]", act="e = Relu(d)", pooled="e"), **deep)
    target = net(
        DEEP.format(pads="[2,2,0,0]", act="", pooled="d"), **deep | {"u": -deep["u"]}
    )
    report = compared(source, target)

    assert report.verdict is Verdict.DIVERGENT
    assert roots(report) == {"a", "d", "j"}
    assert report.propagated >= 4  # c, g, h, i at least


def test_two_faults_in_a_row_are_both_named(
    net: Net, compared: Compared, deep: dict[str, Array]
) -> None:
    """No region around the pair between them is right; its own weights vouch for it."""
    source = net(DEEP.format(pads="[1,1,1,1]", act="e = Relu(d)", pooled="e"), **deep)
    broken = deep["m"].copy()
    broken[0] *= -1.0
    target = net(
        DEEP.format(pads="[2,2,0,0]", act="e = Relu(d)", pooled="e"), **deep | {"m": broken}
    )

    assert roots(compared(source, target)) == {"a", "d"}


def test_exchanged_weights_are_one_fault_in_two_places(
    net: Net, compared: Compared, rng: np.random.Generator
) -> None:
    """Weights say who a layer is, but not where both its neighbours say otherwise."""
    text = """(float[4,8] x) => (y) {
        a = MatMul(x, w) b = Relu(a) c = MatMul(b, v) y = Tanh(c) }"""
    w, v = rng.normal(size=(2, 8, 8)).astype(np.float32)

    found = only(compared(net(text, w=w, v=v), net(text, w=v, v=w)))

    assert set(found.target_tensors) == {"a", "c"}


def test_half_precision_copy_drifts(
    net: Net, compared: Compared, weights: dict[str, Array]
) -> None:
    """Declared loss of precision is drift, and drift alone is equivalent."""
    source = net(
        "(float[1,3,8,8] x) => (y) { a = Conv(x, k, b) c = Relu(a) y = Conv(c, m) }",
        **{name: weights[name] for name in "kbm"},
    )
    target = net(
        "(float[1,3,8,8] x) => (y) { h = Cast<to=10>(x) a = Conv(h, k, b) c = Relu(a)"
        " z = Conv(c, m) y = Cast<to=1>(z) }",
        **{name: weights[name].astype(np.float16) for name in "kbm"},
    )
    report = compared(source, target)

    assert report.verdict is Verdict.EQUIVALENT
    assert only(report).status is Status.DRIFT
    assert only(report).fault_class is FaultClass.DTYPE_PRECISION


def test_target_that_does_not_load_names_its_node(
    net: Net, compared: Compared, weights: dict[str, Array]
) -> None:
    """A pair whose target the runtime refuses is divergent, and says where."""
    source = net(HEALTHY, **weights)
    target = net(HEALTHY.replace("e = Relu(d)", "[bad] e = Clip<min=0.0>(d)"), **weights)
    report = compared(source, target)
    finding = report.findings[0]

    assert report.verdict is Verdict.DIVERGENT
    assert finding.fault_class is FaultClass.LOAD_FAILURE
    assert finding.target_nodes == ("bad",)
    assert "bad" in finding.message or "Clip" in finding.message


def test_target_that_stops_at_a_later_sample_is_a_finding(
    net: Net, compared: Compared
) -> None:
    """The first sample reads row 0 of a table, another a row that the target lacks."""
    text = """(float[1,4] x) => (y) {
      s = ReduceSum<keepdims=0>(x) a = Abs(s) i = Cast<to=7>(a)
      g = Gather(t, i) y = Add(g, x)
    }"""
    table = np.arange(64, dtype=np.float32)
    report = compared(net(text, t=table), net(text, t=table[:5]))

    assert report.verdict is Verdict.DIVERGENT
    assert report.findings[0].fault_class is FaultClass.RUNTIME
    assert roots(report) == {"g"}


def test_source_that_does_not_run_is_inconclusive(
    net: Net, compared: Compared, weights: dict[str, Array]
) -> None:
    """Of its target nothing can be said, and the report says why."""
    source = net(
        "(float[1,4] x) => (y) { y = MatMul(x, w) }", w=np.ones((3, 3), np.float32)
    )
    target = net(HEALTHY, **weights)
    report = compared(source, target)

    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.findings == ()
    assert "the source does not run" in report.coverage.not_compared[0].why


def test_missing_output_is_a_finding_and_the_rest_is_compared(
    net: Net, compared: Compared
) -> None:
    """One output is gone; the other is there and right."""
    source = net("(float[2,4] x) => (y, z) { y = Relu(x) z = Neg(x) }")
    target = net("(float[2,4] x) => (y) { y = Relu(x) }")
    report = compared(source, target)

    assert report.verdict is Verdict.DIVERGENT
    assert only(report).fault_class is FaultClass.COMPUTATIONAL_GRAPH
    assert "lacks z" in only(report).message
    assert [(pair.source, pair.within) for pair in report.outputs] == [("y", True)]


def layered(net: Net, depth: int, rng: np.random.Generator) -> onnx.ModelProto:
    """Return a deep net of random square layers and rectifiers."""
    names = [f"w{i}" for i in range(depth)]
    body, last = "", "x"
    for name in names:
        body += f"m{name} = MatMul({last}, {name}) r{name} = Relu(m{name}) "
        last = f"r{name}"
    he = np.sqrt(2.0 / 32)
    weights = {name: (rng.normal(size=(32, 32)) * he).astype(np.float32) for name in names}
    return net(f"(float[4,32] x) => (y) {{ {body} y = Identity({last}) }}", **weights)


def reassociated(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with each product summed in the opposite order: rounding alone."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    del changed.graph.node[:], changed.graph.initializer[:]
    last = np.arange(31, -1, -1)
    changed.graph.initializer.append(numpy_helper.from_array(last, "reversed"))
    for tensor in model.graph.initializer:
        flipped = numpy_helper.to_array(tensor)[last]
        changed.graph.initializer.append(numpy_helper.from_array(flipped, tensor.name))
    for node in model.graph.node:
        if node.op_type == "MatMul":
            given = f"flip_{node.output[0]}"
            inputs = [node.input[0], "reversed"]
            changed.graph.node.append(
                onnx.helper.make_node("Gather", inputs, [given], axis=1)
            )
            inputs = [given, node.input[1]]
            changed.graph.node.append(onnx.helper.make_node("MatMul", inputs, node.output))
        else:
            changed.graph.node.append(node)
    return changed


def test_rounding_in_a_deep_net_is_no_fault(
    net: Net, compared: Compared, rng: np.random.Generator
) -> None:
    """Forty layers summed in the opposite order differ, and are the same."""
    source = layered(net, 40, rng)
    report = compared(source, reassociated(source))

    assert report.outputs[0].relative_error > 0.0
    assert report.verdict is Verdict.EQUIVALENT
    assert report.findings == ()


def cancelling(net: Net, rng: np.random.Generator) -> onnx.ModelProto:
    """Return a product whose terms are ten thousand times its sum."""
    half = rng.normal(size=(32, 4))
    whole = np.concatenate([half, 1e-4 * rng.normal(size=half.shape) - half])
    return net(
        "(float[4,32] x) => (y) { z = Concat<axis=1>(x, x) y = MatMul(z, w) }",
        w=whole.astype(np.float32),
    )


def test_no_constant_threshold_can_judge(
    net: Net, compared: Compared, rng: np.random.Generator
) -> None:
    """Rounding in one net is larger than a fault in another; the measured floor knows both.

    A constant above the rounding misses the fault; one below it raises a false alarm.
    """
    rounding = cancelling(net, rng)
    flipped = net(
        "(float[4,32] x) => (y) { z = Concat<axis=1>(x, x) r = Gather<axis=1>(z, back)"
        " y = MatMul(r, w) }",
        back=np.arange(63, -1, -1),
        w=numpy_helper.to_array(rounding.graph.initializer[0])[::-1].copy(),
    )
    exact = rng.normal(size=(32, 4)).astype(np.float32)
    plain = "(float[4,32] x) => (y) { a = MatMul(x, w) y = Relu(a) }"
    damaged = exact.copy()
    damaged[:, 0] *= np.float32(1.0001)
    healthy = compared(rounding, flipped)
    faulty = compared(net(plain, w=exact), net(plain, w=damaged))

    assert healthy.verdict is Verdict.EQUIVALENT
    assert roots(healthy) == set()
    assert roots(faulty) == {"a"}
    assert faulty.findings[0].local_error < healthy.outputs[0].relative_error


def test_same_command_gives_the_same_report(
    net: Net, compared: Compared, weights: dict[str, Array]
) -> None:
    """Identifiers, numbers and order are those of the first run."""
    source = net(HEALTHY, **weights)
    target = net(HEALTHY, **weights | {"m": weights["m"][::-1].copy()})
    one, other = compared(source, target), compared(source, target)

    assert [f.id for f in one.findings] == [f.id for f in other.findings]
    assert one.outputs == other.outputs
    assert roots(one) == {"d"}


def test_given_probes_are_used(net: Net, saved: Save) -> None:
    """A repair analyses its result on the samples it chooses."""
    path = saved(net("(float[4] x) => (y) { y = Relu(x) }"), "model")
    model = load(path, trust_code=False)
    sample: Feeds = {"x": np.float32([1, 2, 3, 4])}
    first = analyse(path, path, rules=())
    again = analyse_pivots(model, model, rules=(), probes=((sample,), first.report.probe))

    assert again.probes == (sample,)
    assert Path(again.report.source.path) == Path(path)


def test_constant_output_that_differs_is_a_fault(net: Net, compared: Compared) -> None:
    """No input reaches it, so no region holds it; it is wrong all the same."""
    text = "(float[4] x) => (y, z) { y = Relu(x) z = Identity(k) }"
    report = compared(net(text, k=np.float32([1, 2])), net(text, k=np.float32([1, 4])))

    assert report.verdict is Verdict.DIVERGENT
    assert roots(report) == {"z"}
    assert only(report).fault_class is FaultClass.WEIGHTS_BIASES
    assert only(report).local_error == 1.0
