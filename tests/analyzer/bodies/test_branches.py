"""Branches belong together by what they compute, and what chooses them may be at fault."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest

from analyzer.core.report import Report, Verdict
from analyzer.core.types import Array, Inside, Status

Model = Callable[..., onnx.ModelProto]
Told = Callable[[onnx.ModelProto, onnx.ModelProto], Report]

CHOICE = """
g (float[2,8] x) => (float[2,8] y) {
  m = ReduceMean<keepdims = 0>(x)  c = Greater(m, zero)  e = Mul(x, x)
  y0 = If(c) <then_branch = t () => (float[2,8] t3) {
      t1 = MatMul(e, w)  t2 = Add(t1, b)  t3 = LeakyRelu<alpha = 0.2>(t2) },
    else_branch = f () => (float[2,8] f3) {
      f1 = MatMul(e, v)  f2 = Add(f1, b)  f3 = Sigmoid(f2) }>
  y = Tanh(y0)
}"""
CROSSED = """
g (float[2,8] x) => (float[2,8] y) {
  m = ReduceMean<keepdims = 0>(x)  c = Greater(m, zero)  n = Not(c)  e = Mul(x, x)
  [choice] y0 = If(n) <then_branch = t () => (float[2,8] f9) {
      f2 = Gemm<transB = 1>(e, v, k)  f3 = Neg(f2)  f4 = Exp(f3)
      one = Constant<value = float {1.0}>()  f5 = Add(f4, one)  f9 = Reciprocal(f5) },
    else_branch = f () => (float[2,8] t9) {
      t2 = Gemm(e, w, k)  t9 = LeakyRelu<alpha = 0.2>(t2) }>
  y = Tanh(y0)
}"""
NESTED = """
g (float[2,8] x) => (float[2,8] y) {
  yes = Constant<value = bool {1}>()  turns = Constant<value = int64 {4}>()
  y0 = Loop(turns, yes, x) <body = b (int64 i, bool c, float[2,8] s)
    => (bool c2, float[2,8] s2) {
      c2 = Identity(c)  m = MatMul(s, w)  two = Constant<value = int64 {2}>()
      k = Less(i, two)
      n = If(k) <then_branch = t () => (float[2,8] t1) { t1 = LeakyRelu<alpha = 0.2>(m) },
        else_branch = e () => (float[2,8] e1) { e0 = Add(m, b)  e1 = Tanh(e0) }>
      s2 = Add(n, x) }>
  y = Tanh(y0)
}"""
RENESTED = """
g (float[2,8] x) => (float[2,8] y) {
  yes = Constant<value = bool {1}>()  turns = Constant<value = int64 {4}>()
  [rounds] y0 = Loop(turns, yes, x) <body = b (int64 i, bool c, float[2,8] q)
    => (bool c2, float[2,8] s2) {
      c2 = Identity(c)  m = Gemm<transB = 1>(q, k)  two = Constant<value = int64 {2}>()
      k2 = GreaterOrEqual(i, two)
      [bend] n = If(k2) <then_branch = e () => (float[2,8] e1) {
          e0 = Add(b, m)  e1 = Tanh(e0) },
        else_branch = t () => (float[2,8] t1) { t1 = LeakyRelu<alpha = 0.2>(m) }>
      s2 = Add(x, n) }>
  y = Tanh(y0)
}"""
ZERO = np.float32(0.0)


@pytest.fixture
def v(w: Array) -> Array:
    """The weight of the other branch."""
    return np.ascontiguousarray(w[::-1])


@pytest.fixture
def source(built: Model, w: Array, v: Array, b: Array) -> onnx.ModelProto:
    """Two branches, taken about equally often."""
    return built(CHOICE, w=w, v=v, b=b, zero=ZERO)


@pytest.fixture
def crossed(built: Model, w: Array, v: Array, b: Array) -> Model:
    """The same with its branches exchanged and its condition negated."""

    def build(was: str = "", now: str = "", w: Array = w, v: Array = v) -> onnx.ModelProto:
        text = CROSSED.replace(was, now) if was else CROSSED
        return built(text, "w v", w=w, v=v.T.copy(), k=b, zero=ZERO)

    return build


def test_exchanged_branches_under_a_negated_condition_are_the_same(
    source: onnx.ModelProto, crossed: Model, told: Told
) -> None:
    """Nothing is said of a healthy pair."""
    report = told(source, crossed())

    assert report.verdict is Verdict.EQUIVALENT
    assert report.findings == ()


def test_weight_inside_a_branch_is_named(
    source: onnx.ModelProto, crossed: Model, told: Told, flipped: Array
) -> None:
    """By the inner node, the branch it stands in and the samples that take it."""
    (finding,) = told(source, crossed(w=flipped)).findings

    assert (finding.rule, finding.target_tensors) == ("weight-differs", ("t2",))
    assert finding.fault.inside == (Inside("If", "choice", "else_branch", None),)
    assert 0 < finding.affected < finding.samples


def test_attribute_inside_a_branch_is_named(
    source: onnx.ModelProto, crossed: Model, told: Told
) -> None:
    """The rule says which setting of which inner node."""
    (finding,) = told(source, crossed("alpha = 0.2", "alpha = 0.5")).findings

    assert (finding.rule, finding.target_tensors) == ("attribute-differs", ("t9",))


def test_constant_inside_a_decomposed_operator_names_its_parts(
    source: onnx.ModelProto, crossed: Model, told: Told
) -> None:
    """A Sigmoid spelt in four nodes, one of them wrong."""
    (finding,) = told(source, crossed("{1.0}", "{1.5}")).findings

    assert set(finding.target_tensors) <= {"f3", "f4", "f5", "f9"}


def test_operator_missing_in_a_branch_is_named(
    source: onnx.ModelProto, crossed: Model, told: Told
) -> None:
    """The edge on which it was."""
    now = "t9 = Identity(t2)"
    (finding,) = told(source, crossed("t9 = LeakyRelu<alpha = 0.2>(t2)", now)).findings

    assert finding.target_tensors == ("t9",)


def test_faults_in_both_branches_are_two_findings(
    source: onnx.ModelProto, crossed: Model, told: Told, flipped: Array, v: Array
) -> None:
    """Each is seen on the samples that take its branch."""
    found = told(source, crossed(w=flipped, v=2 * v)).findings

    assert {one.target_tensors for one in found} == {("t2",), ("f2",)}
    assert sum(one.affected for one in found) == found[0].samples


def test_branch_that_no_sample_takes_is_latent(
    built: Model, told: Told, w: Array, v: Array, b: Array
) -> None:
    """Its fault is shown with the values it would be given, and makes nobody wrong."""
    settings = {"w": w, "b": b, "zero": np.float32(-100.0)}
    source = built(CHOICE, v=v, **settings)
    target = built(CHOICE.replace("0.2", "0.5"), v=2 * v, **settings)
    found = told(source, target).findings

    assert [(one.status, one.target_tensors) for one in found] == [
        (Status.FAULT, ("t3",)),
        (Status.LATENT, ("f1",)),
    ]


def test_wrong_choice_names_what_chooses(
    source: onnx.ModelProto, crossed: Model, told: Told
) -> None:
    """The branches are right, the condition is not negated."""
    (finding,) = told(source, crossed("n = Not(c)", "n = Identity(c)")).findings

    assert finding.target_tensors[0] == "n"
    assert "where the source's takes the other one" in finding.message


def test_branch_inside_a_loop_is_looked_into(
    built: Model, told: Told, w: Array, b: Array
) -> None:
    """The turn is the first that takes the branch."""
    source = built(NESTED, w=w, b=b)
    wrong = b + np.eye(8, dtype=np.float32)[3]
    (finding,) = told(source, built(RENESTED, k=w.T.copy(), b=wrong)).findings

    assert finding.target_tensors == ("e0",)
    assert finding.fault.inside == (
        Inside("Loop", "rounds", "body", 2),
        Inside("If", "bend", "then_branch", None),
    )
