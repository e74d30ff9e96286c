"""A body against its turns or branches written out: the inner node is named anyhow."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest

from analyzer.core.report import Report, Verdict
from analyzer.core.types import Array, Finding

Model = Callable[..., onnx.ModelProto]
Told = Callable[[onnx.ModelProto, onnx.ModelProto], Report]

LOOP = """g (float[2,8] x) => (float[2,8] y, float[3,2,8] every) {
  s0 = Softsign(x)  [turns] s, every = Loop(three, going, s0) <body = one
    (int64 n, bool c, float[2,8] t) => (bool d, float[2,8] u, float[2,8] row) {
      [go] d = Identity(c)  [product] p = MatMul(t, w)  [shift] q = Add(p, b)
      [bend] u = Tanh(q)  [half] row = Mul(u, h) }>
  y = Neg(s) }"""
TURN = """p@ = Gemm(s@, w, b)  s# = Tanh(p@)  r@ = Mul(s#, h)
  u@ = Unsqueeze(r@, zero)  """
SCAN = """g (float[3,2,8] x) => (float[3,2,8] y) {
  last, y = Scan(start, x) <num_scan_inputs = 1, scan_input_directions = [1],
    scan_output_directions = [1], body = one (float[2,8] t, float[2,8] e)
      => (float[2,8] u, float[2,8] row) {
      [product] p = MatMul(e, w)  [sum] q = Add(p, t)  [bend] u = Tanh(q)
      [shift] row = Add(u, b) }> }"""
STEP = """e@ = Gather<axis = 0>(x, i@)  p@ = MatMul(e@, w)  q@ = Add(p@, s@)
  s# = Tanh(q@)  r@ = Add(s#, b)  u@ = Unsqueeze(r@, zero)  """


def thrice(text: str) -> str:
    """Return the text of a turn for three turns, @ being its number and # the next."""
    return "".join(text.replace("@", str(n)).replace("#", str(n + 1)) for n in range(3))


TURNS = f"""g (float[2,8] x) => (float[2,8] y, float[3,2,8] every) {{
  s0 = Softsign(x) {thrice(TURN)} every = Concat<axis = 0>(u0, u1, u2)  y = Neg(s3) }}"""
STEPS = f"""g (float[3,2,8] x) => (float[3,2,8] y) {{
  s0 = Identity(start) {thrice(STEP)} y = Concat<axis = 0>(u2, u1, u0) }}"""
BRANCHES = """g (float[2,8] x) => (float[2,8] y) {
  total = ReduceSum<keepdims = 0>(x)  c = Greater(total, limit)  [fork] r = If(c) <
    then_branch = a () => (float[2,8] ra) { [left] l = MatMul(x, w)  [bend] ra = Tanh(l) },
    else_branch = e () => (float[2,8] re) { [right] k = Add(x, b)  [clip] re = Elu(k) }>
  y = Neg(r) }"""
CHOICE = """g (float[2,8] x) => (float[2,8] y) {
  total = ReduceSum<keepdims = 0>(x)  c = Greater(total, limit)  l = MatMul(x, w)
  ra = Tanh(l)  k = Add(x, b)  re = Elu(k)  r = Where(c, ra, re)  y = Neg(r) }"""
STRAIGHT = "g (float[2,8] x) => (float[2,8] y) { l = MatMul(x, w) r = Tanh(l) y = Neg(r) }"
STEERED = BRANCHES.replace("If(c)", "If(going)")

PAIRS = {"loop": (TURNS, LOOP), "scan": (STEPS, SCAN), "if": (CHOICE, BRANCHES),
         "constant": (STRAIGHT, STEERED)}  # fmt: skip


@pytest.fixture
def spell(built: Model, w: Array, b: Array) -> Model:
    """Builds one of the models above with the constants that it reads."""
    known = {"w": w, "b": b, "h": np.float32(0.5), "three": np.int64(3)}
    known |= {f"i{n}": np.int64(2 - n) for n in range(3)} | {"going": np.bool_(1)}
    known |= {"zero": np.zeros(1, np.int64), "limit": np.zeros((), np.float32)}
    known |= {"start": np.zeros((2, 8), np.float32)}
    return lambda text, **given: built(text, **{**known, **given})


def only(report: Report) -> Finding:
    """Return the only finding of a report."""
    (finding,) = report.findings
    return finding


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("turned", [False, True])
def test_written_out_body_is_the_same(
    spell: Model, told: Told, pair: str, *, turned: bool
) -> None:
    """Nothing is said of a healthy pair, whichever side has the body."""
    texts = PAIRS[pair][::-1] if turned else PAIRS[pair]
    report = told(*map(spell, texts))

    assert (report.verdict, report.findings) == (Verdict.EQUIVALENT, ())


@pytest.mark.parametrize(
    ("pair", "node", "tensor"),
    [("loop", "product", "p"), ("scan", "product", "p"), ("if", "left", "l"),
     ("constant", "left", "l")],
)  # fmt: skip
def test_weight_of_a_body_is_one_finding_on_the_inner_node(
    spell: Model, told: Told, flipped: Array, pair: str, node: str, tensor: str
) -> None:
    """The body's weight is wrong at each turn, and is one weight."""
    source, target = PAIRS[pair]
    finding = only(told(spell(source), spell(target, w=flipped)))

    assert (finding.target_nodes, finding.target_tensors) == ((node,), (tensor,))
    assert finding.rule == "weight-differs"
    assert f"inside {finding.fault.inside[0].body} of" in finding.message


@pytest.mark.parametrize("pair", ["loop", "scan", "if", "constant"])
def test_operator_of_a_body_is_named(spell: Model, told: Told, pair: str) -> None:
    """By the name it has in the body, at the turn it first shows."""
    source, target = PAIRS[pair]
    wrong = target.replace("Tanh(", "Sigmoid(")
    finding = only(told(spell(source), spell(wrong)))

    assert finding.target_nodes == ("bend",)
    assert finding.fault.inside[0].iteration == (0 if pair in {"loop", "scan"} else None)


def test_one_wrong_turn_is_that_turn(spell: Model, told: Told, flipped: Array) -> None:
    """The source has a loop; the target's second turn has a weight of its own."""
    target = TURNS.replace("Gemm(s1, w, b)", "Gemm(s1, v, b)")
    finding = only(told(spell(LOOP), spell(target, v=flipped)))

    assert finding.target_tensors == ("p1",)


def test_branch_not_made_for_the_sample_stays_a_branch(spell: Model, told: Told) -> None:
    """Written out, both would be computed; the If knows better than to try."""
    bad = "[right] k = Reshape(x, three)  [clip] re = Elu(k)"
    source = BRANCHES.replace("[right] k = Add(x, b)  [clip] re = Elu(k)", bad)
    text = source.replace("Greater(total, limit)", "Equal(total, total)")
    report = told(spell(text), spell(STRAIGHT))

    assert report.verdict is Verdict.EQUIVALENT


COUNTED = LOOP.replace("Loop(three, going, s0)", "Loop(, going, s0)").replace(
    "[go] d = Identity(c)", "one = Constant<value_int = 1>()  m = Add(n, one)"
    "  [go] d = Less(m, three)"
)  # fmt: skip
SIZED = """g (float[3,2,8] x) => (float[3,2,8] y) {
  sizes = Shape(x)  count = Gather<axis = 0>(sizes, i2)
  last, y = Loop(count, going, start) <body = one (int64 n, bool c, float[2,8] t)
    => (bool d, float[2,8] u, float[2,8] row) {
      d = Identity(c)  e = Gather<axis = 0>(x, n)  [product] p = MatMul(e, w)
      [sum] q = Add(p, t)  [bend] u = Tanh(q)  [shift] row = Add(u, b) }> }"""
FORWARD = STEPS.replace("i0", "i9").replace("i2", "i0").replace("i9", "i2").replace(
    "Concat<axis = 0>(u2, u1, u0)", "Concat<axis = 0>(u0, u1, u2)"
)  # fmt: skip
CALLING = """g (float[2,8] x) => (float[2,8] y) {
  [turns] s = Loop(three, going, x) <body = one (int64 n, bool c, float[2,8] t)
    => (bool d, float[2,8] u) { d = Identity(c)  [call] u = mine.layer(t, w, b) }>
  y = Neg(s) }
<domain: "mine", opset_import: ["": 17]>
layer (a, v, o) => (r) { [product] m = MatMul(a, v)  k = Add(m, o)  r = Tanh(k) }"""
CALLED = f"""g (float[2,8] x) => (float[2,8] y) {{
  s0 = Identity(x) {thrice("p@ = Gemm(s@, w, b)  s# = Tanh(p@) ")} y = Neg(s3) }}"""


@pytest.mark.parametrize(
    ("source", "target", "node"),
    [(TURNS, COUNTED, "product"), (FORWARD, SIZED, "product"),
     (CALLED, CALLING, "call/product")],
)  # fmt: skip
def test_turns_that_the_samples_do_not_decide_are_counted(
    spell: Model, told: Told, flipped: Array, source: str, target: str, node: str
) -> None:
    """By a condition, by a size, and with a function in the body."""
    healthy = told(spell(source), spell(target))
    finding = only(told(spell(source), spell(target, w=flipped)))

    assert (healthy.verdict, healthy.findings) == (Verdict.EQUIVALENT, ())
    assert finding.target_nodes == (node,)


def test_loop_against_a_scan_names_the_node_of_its_body(
    spell: Model, told: Told, flipped: Array
) -> None:
    """Neither has what the other has; written out, they are alike."""
    scan = SCAN.replace("scan_input_directions = [1],", "").replace(
        "scan_output_directions = [1], ", ""
    )
    finding = only(told(spell(scan), spell(SIZED, w=flipped)))

    assert (finding.target_nodes, finding.target_tensors) == (("product",), ("p",))


CHOOSING = """g (float[2,8] x) => (float[2,8] y) {
  [turns] s = Loop(three, going, x) <body = one (int64 n, bool c, float[2,8] t)
    => (bool d, float[2,8] u) {
      d = Identity(c)  late = Greater(n, i2)
      [fork] u = If(late) <
        then_branch = a () => (float[2,8] ua) { [left] l = MatMul(t, w)  ua = Tanh(l) },
        else_branch = e () => (float[2,8] ue) { [right] r = Add(t, b)  ue = Tanh(r) }> }>
  y = Neg(s) }"""
CHOSEN = """g (float[2,8] x) => (float[2,8] y) {
  p0 = Add(x, b)  s1 = Tanh(p0)  p1 = MatMul(s1, w)  s2 = Tanh(p1)  p2 = MatMul(s2, w)
  s3 = Tanh(p2)  y = Neg(s3) }"""
HELD = """g (float[2,8] x) => (float[2,8] y) { [call] s = mine.layer(x, w)  y = Neg(s) }
<domain: "mine", opset_import: ["": 17]>
layer (a, v) => (r) {
  n = Constant<value_int = 1>()  k = Cast<to = 9>(n)
  [fork] r = If(k) <
    then_branch = t () => (float[2,8] ra) { [left] l = MatMul(a, v)  ra = Tanh(l) },
    else_branch = e () => (float[2,8] re) { re = Relu(a) }> }"""


@pytest.mark.parametrize(("source", "target"), [(CHOSEN, CHOOSING), (STRAIGHT, HELD)])
def test_branch_that_a_turn_or_a_function_chooses_is_taken(
    spell: Model, told: Told, flipped: Array, source: str, target: str
) -> None:
    """An If inside of what is written out is a node of its own, by its own name."""
    healthy = told(spell(source), spell(target))
    finding = only(told(spell(source), spell(target, w=flipped)))

    assert (healthy.verdict, healthy.findings) == (Verdict.EQUIVALENT, ())
    assert finding.target_nodes == ("left",)
    assert "inside then_branch of If" in finding.message
