"""Loops and Scans are followed turn by turn, however their states are spelt and ordered."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest

from analyzer.core.report import Report, Verdict
from analyzer.core.types import Array, Inside

Model = Callable[..., onnx.ModelProto]
Told = Callable[[onnx.ModelProto, onnx.ModelProto], Report]

LOOP = """
g (float[2,8] x) => (float[2,8] y, float[2,8] z) {
  yes = Constant<value = bool {1}>()  turns = Constant<value = int64 {6}>()
  o = Mul(x, zero)
  y0, z0 = Loop(turns, yes, o, o) <body = b (int64 i, bool c, float[2,8] s, float[2,8] t)
    => (bool c2, float[2,8] s2, float[2,8] t2) {
      c2 = Identity(c)  m = MatMul(s, w)  a = Add(m, b)  l = LeakyRelu<alpha = 0.2>(a)
      d = Mul(l, decay)  s2 = Add(d, x)  h = Tanh(s2)  t2 = Add(t, h) }>
  y = Relu(y0)  z = Tanh(z0)
}"""
RESPELT = """
g (float[2,8] x) => (float[2,8] y, float[2,8] z) {
  yes = Constant<value = bool {1}>()  turns = Constant<value = int64 {6}>()
  o = Mul(x, zero)
  [rounds] z0, y0 = Loop(turns, yes, o, o) <body = b
    (int64 q, bool r, float[2,8] q1, float[2,8] q2)
    => (bool r2, float[2,8] p1, float[2,8] p2) {
      r2 = Identity(r)  g1 = Gemm<transB = 1>(q2, k, k0)
      g2 = LeakyRelu<alpha = 0.2>(g1)  g3 = Mul(k1, g2)  p2 = Add(x, g3)
      g4 = Tanh(p2)  p1 = Add(g4, q1) }>
  y = Relu(y0)  z = Tanh(z0)
}"""
SCAN = """
g (float[5,2,8] x) => (float[2,8] y, float[5,2,8] z) {
  h0 = Mul(zeros, zeros)
  h, zs = Scan<num_scan_inputs = 1, body = b (float[2,8] s, float[2,8] u)
    => (float[2,8] s2, float[2,8] o) {
      m = MatMul(u, w)  q = Add(m, s)  a = Add(q, b)  s2 = Tanh(a)
      o = LeakyRelu<alpha = 0.2>(s2) }>(h0, x)
  y = Relu(h)  z = Abs(zs)
}"""
TURNED = """
g (float[5,2,8] x) => (float[2,8] y, float[5,2,8] z) {
  h0 = Mul(zeros, zeros)  xt = Transpose<perm = [1, 0, 2]>(x)
  h, zt = Scan<num_scan_inputs = 1, scan_input_axes = [1], scan_output_axes = [1],
    body = b (float[2,8] p, float[2,8] v) => (float[2,8] n3, float[2,8] n4) {
      n0 = Gemm<transB = 1>(v, k)  n1 = Add(p, n0)  n2 = Add(k0, n1)  n3 = Tanh(n2)
      n4 = LeakyRelu<alpha = 0.2>(n3) }>(h0, xt)
  zs = Transpose<perm = [1, 0, 2]>(zt)  y = Relu(h)  z = Abs(zs)
}"""
COUNTED = """
g (float[2,8] x) => (float[2,8] y) {
  yes = Constant<value = bool {1}>()  most = Constant<value = int64 {9}>()
  last = Constant<value = int64 {3}>()
  y0 = Loop(most, yes, x) <body = b (int64 i, bool c, float[2,8] s)
    => (bool c2, float[2,8] s2) { c2 = Less(i, last)  m = MatMul(s, w)  s2 = Tanh(m) }>
  y = Relu(y0)
}"""
GROWING = """
g (float[2,8] x) => (float[2,8] y) {
  yes = Constant<value = bool {1}>()  one = Constant<value = int64 {1}>()
  none = Constant<value = int64 {0}>()
  n0, y0 = Loop(, yes, none, x) <body = b (int64 i, bool c, int64 n, float[2,8] s)
    => (bool c2, int64 n2, float[2,8] s2) {
      n2 = Add(n, one)  c2 = Less(n2, last)  m = Gemm<transB = 1>(s, k)  s2 = Tanh(m) }>
  y = Relu(y0)
}"""
ZERO, DECAY = np.float32(0.0), np.float32(0.9)


@pytest.fixture
def loop(built: Model, w: Array, b: Array) -> onnx.ModelProto:
    """A state, and a sum over its values."""
    return built(LOOP, w=w, b=b, zero=ZERO, decay=DECAY)


@pytest.fixture
def respelt(built: Model, w: Array, b: Array) -> Model:
    """The same loop: states in the other order, Gemm, constants inside the body."""

    def build(
        was: str = "", now: str = "", k: Array = w, decay: float = 0.9
    ) -> onnx.ModelProto:
        text = RESPELT.replace(was, now) if was else RESPELT
        k1 = np.float32(decay)
        return built(text, "k k0 k1", k=k.T.copy(), k0=b, k1=k1, zero=ZERO)

    return build


@pytest.fixture
def turned(built: Model, b: Array) -> Model:
    """`SCAN` along another axis, its product a Gemm."""
    zeros = np.zeros((2, 8), np.float32)
    return lambda k, k0=b, text=TURNED: built(
        text, "k k0", k=k.T.copy(), k0=k0, zeros=zeros
    )


def test_loop_in_another_spelling_is_the_same(
    loop: onnx.ModelProto, respelt: Model, told: Told
) -> None:
    """Nothing is said of a healthy pair."""
    report = told(loop, respelt())

    assert report.verdict is Verdict.EQUIVALENT
    assert report.findings == ()


def test_weight_inside_a_loop_is_named_at_the_turn_it_first_shows(
    loop: onnx.ModelProto, respelt: Model, told: Told, flipped: Array
) -> None:
    """The first turn multiplies zeros: the wrong weight shows on the second."""
    (finding,) = told(loop, respelt(k=flipped)).findings

    assert (finding.rule, finding.target_tensors) == ("weight-differs", ("g1",))
    assert finding.fault.inside == (Inside("Loop", "rounds", "body", 1),)
    assert "inside body of Loop rounds, first seen at iteration 1" in finding.message


def test_attribute_inside_a_loop_is_named(
    loop: onnx.ModelProto, respelt: Model, told: Told
) -> None:
    """The rule says which setting of which inner node."""
    (finding,) = told(loop, respelt("alpha = 0.2", "alpha = 0.5")).findings

    assert (finding.rule, finding.target_tensors) == ("attribute-differs", ("g2",))


def test_constant_inside_a_loop_is_named(
    loop: onnx.ModelProto, respelt: Model, told: Told
) -> None:
    """A single number, in a node of the body."""
    (finding,) = told(loop, respelt(decay=0.7)).findings

    assert finding.target_tensors == ("g3",)


def test_operator_missing_in_a_loop_is_named_by_its_edge(
    loop: onnx.ModelProto, respelt: Model, told: Told
) -> None:
    """What stood behind it and what reads it now."""
    (finding,) = told(loop, respelt("g4 = Tanh(p2)", "g4 = Identity(p2)")).findings

    assert finding.rule == "operator-missing"
    assert finding.target_tensors == ("g4", "p1")


def test_two_faults_inside_a_loop_are_two_findings(
    loop: onnx.ModelProto, respelt: Model, told: Told, flipped: Array
) -> None:
    """Each inner region is fed right values, as in any model."""
    found = told(loop, respelt("alpha = 0.2", "alpha = 0.5", flipped)).findings

    assert {name for one in found for name in one.target_tensors} == {"g1", "g2"}


def test_body_that_does_not_run_names_the_inner_node(
    loop: onnx.ModelProto, respelt: Model, told: Told
) -> None:
    """The runtime knows only the loop; its body alone says where it stops."""
    (finding,) = told(loop, respelt(k=np.zeros((7, 8), np.float32))).findings

    assert finding.target_tensors == ("g1",)


def test_count_of_turns_is_named(loop: onnx.ModelProto, respelt: Model, told: Told) -> None:
    """One turn fewer: the loop itself, whose constant says how many."""
    (finding,) = told(loop, respelt("{6}", "{5}")).findings

    assert finding.target_nodes == ("rounds",)
    assert finding.fault.inside == ()


def test_condition_may_stand_in_another_place(built: Model, told: Told, w: Array) -> None:
    """One counts turns, the other a state of its own: neither is wrong."""
    source = built(COUNTED, w=w)
    target = built(GROWING, k=w.T.copy(), last=np.int64(4))

    assert told(source, target).findings == ()


@pytest.mark.parametrize("last", [3, 5])
def test_condition_that_stops_at_another_turn_is_named(
    built: Model, told: Told, w: Array, last: int
) -> None:
    """What computes the condition inside, not what the loop computes."""
    source = built(COUNTED, w=w)
    (finding,) = told(source, built(GROWING, k=w.T.copy(), last=np.int64(last))).findings

    assert set(finding.target_tensors) <= {"n2", "c2"}
    assert finding.fault.inside[0].iteration == min(last, 4) - 1


def test_weight_is_found_where_one_side_keeps_a_counter(
    built: Model, told: Told, w: Array, flipped: Array
) -> None:
    """A state that only the target has is its own."""
    target = built(GROWING, k=flipped.T.copy(), last=np.int64(4))
    (finding,) = told(built(COUNTED, w=w), target).findings

    assert finding.target_tensors == ("m",)


def test_scan_along_another_axis_is_the_same(
    built: Model, turned: Model, told: Told, w: Array, b: Array
) -> None:
    """A Transpose before the Scan is its axis."""
    source = built(SCAN, w=w, b=b, zeros=np.zeros((2, 8), np.float32))

    assert told(source, turned(w)).findings == ()


@pytest.mark.parametrize(
    ("was", "now", "tensor"),
    [
        ("alpha = 0.2", "alpha = 0.6", "n4"),
        ("n3 = Tanh(n2)", "n3 = Identity(n2)", "n3"),
        ("scan", "scan", "n0"),
    ],
)
def test_fault_inside_a_scan_is_named(  # noqa: PLR0913 - three faults of one pair
    built: Model,
    turned: Model,
    told: Told,
    w: Array,
    b: Array,
    flipped: Array,
    was: str,
    now: str,
    tensor: str,
) -> None:
    """A setting, an operator and a weight."""
    source = built(SCAN, w=w, b=b, zeros=np.zeros((2, 8), np.float32))
    k = flipped if tensor == "n0" else w
    findings = told(source, turned(k, text=TURNED.replace(was, now))).findings

    assert tensor in findings[0].target_tensors
    assert findings[0].fault.inside[0].op == "Scan"


def test_constant_inside_a_scan_is_named(
    built: Model, turned: Model, told: Told, w: Array, b: Array
) -> None:
    """A bias of one channel."""
    source = built(SCAN, w=w, b=b, zeros=np.zeros((2, 8), np.float32))
    wrong = b + np.eye(8, dtype=np.float32)[4]
    (finding,) = told(source, turned(w, wrong)).findings

    assert finding.target_tensors == ("n2",)
