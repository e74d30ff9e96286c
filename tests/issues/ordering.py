"""Issues about sums, orders and choices along an axis: CumSum, TopK, ArgMax, Where."""

from functools import partial

import numpy as np
import onnx

from tests.issues.issue import Issue, drawn, spelled


def _backward_sum() -> onnx.ModelProto:
    """Return TensorFlow's cumsum in reverse: what is still to come."""
    return spelled(
        """keras (float[N,6,4] rewards) => (float[N,6,3] values) <int64 axis = {1}> {
            scaled = Tanh (rewards)
            returns = CumSum <reverse: int = 1> (scaled, axis)
            values = MatMul (returns, kernel)
        }""",
        _RETURNS,
    )


def _backward_sum_as_product(triangle: np.ndarray) -> onnx.ModelProto:
    """Return the sum as a product with a triangle of ones, for want of a CumSum."""
    return spelled(
        """plan (float[N,6,4] in0) => (float[N,6,3] out0) {
            t0 = Tanh (in0)
            t1 = MatMul (triangle, t0)
            out0 = MatMul (t1, kernel)
        }""",
        {"triangle": triangle, **_RETURNS},
    )


def _backward_sum_by_tvm(flip: str, back: str) -> onnx.ModelProto:
    """Return the sum forward, between two flips."""
    return spelled(
        f"""relax (float[N,6,4] lv) => (float[N,6,3] gv)
            <int64 axis = {{1}}, int64[1] one = {{1}}, int64[1] end = {{-1}},
             int64[1] beyond = {{-9223372036854775807}}, int64[1] step = {{-1}}> {{
            lv0 = Tanh (lv)
            {flip}
            lv2 = CumSum (lv1, axis)
            {back}
            gv = MatMul (lv3, kernel)
        }}""",
        _RETURNS,
    )


def _before() -> onnx.ModelProto:
    """Return a sum of what came before each step, itself left out."""
    return spelled(
        """keras (float[N,6,4] steps) => (float[N,6,3] places) <int64 axis = {1}> {
            lengths = Abs (steps)
            starts = CumSum <exclusive: int = 1> (lengths, axis)
            places = MatMul (starts, kernel)
        }""",
        _RETURNS,
    )


def _before_by_subtraction(left_out: str) -> onnx.ModelProto:
    """Return the plain sum, less each step itself."""
    return spelled(
        f"""relax (float[N,6,4] lv) => (float[N,6,3] gv) <int32[1] dim = {{1}}> {{
            lv0 = Abs (lv)
            lv1 = CumSum (lv0, dim)
            {left_out}
            gv = MatMul (lv2, kernel)
        }}""",
        _RETURNS,
    )


def _nearest() -> onnx.ModelProto:
    """Return the two smallest distances of each row."""
    return spelled(
        """torch (float[N,6] point) => (float[N,3] scores) <int64[1] k = {2}> {
            distances = Gemm <transB: int = 1> (point, codebook)
            near, where = TopK <largest: int = 0> (distances, k)
            scores = MatMul (near, head)
        }""",
        _CODES,
    )


def _nearest_by_negation(first: str, second: str) -> onnx.ModelProto:
    """Return the largest of the negated numbers, negated again."""
    return spelled(
        f"""tract (float[N,6] x) => (float[N,3] y) <int64[1] k = {{2}}> {{
            d = MatMul (x, codes)
            {first}
            v, i = TopK <axis: int = 1> (m, k)
            {second}
            y = MatMul (n, head)
        }}""",
        {"codes": np.ascontiguousarray(_CODES["codebook"].T), "head": _CODES["head"]},
    )


def _sorted() -> onnx.ModelProto:
    """Return the three largest numbers, the largest first."""
    return spelled(
        """torch (float[N,6] x) => (float[N,4] y) <int64[1] k = {3}> {
            scores = MatMul (x, square)
            best, where = TopK (scores, k)
            y = MatMul (best, mix)
        }""",
        _SORTED,
    )


def _sorted_by_slices(last: str) -> onnx.ModelProto:
    """Return the last of all numbers in rising order, turned round."""
    return spelled(
        f"""coreml (float[N,6] x) => (float[N,4] y)
            <int64[1] six = {{6}}, int64[1] from = {{3}}, int64[1] to = {{6}},
             int64[1] axis = {{1}}, int64[1] end = {{-1}}, int64[1] step = {{-1}},
             int64[1] beyond = {{-9223372036854775807}}> {{
            a = Gemm (x, square)
            b, c = TopK <axis: int = 1, largest: int = 0> (a, six)
            d = Slice (b, from, to, axis)
            {last}
            y = Gemm (f, mix)
        }}""",
        _SORTED,
    )


def _last_of_ties() -> onnx.ModelProto:
    """Return the last of equal largest numbers, as an embedding is chosen by it."""
    return spelled(
        """jax (float[N,6] votes) => (float[N,4] chosen) {
            signs = Sign (votes)
            last = ArgMax <axis: int = 1, keepdims: int = 0, select_last_index: int = 1>
                (signs)
            row = Gather (table, last)
            chosen = Tanh (row)
        }""",
        _VOTES,
    )


def _last_of_ties_by_flip(backward: str, place: str) -> onnx.ModelProto:
    """Return the first of the flipped numbers, counted from the end."""
    return spelled(
        f"""tf (float[N,6] args) => (float[N,4] result)
            <int64[1] one = {{1}}, int64[1] end = {{-1}}, int64[1] step = {{-1}},
             int64[1] beyond = {{-9223372036854775807}}, int64 five = {{5}}> {{
            s = Sign (args)
            {backward}
            m = ArgMax <axis: int = -1, keepdims: int = 0> (r)
            {place}
            g = Gather <axis: int = 0> (table, p)
            result = Tanh (g)
        }}""",
        _VOTES,
    )


def _contracted() -> onnx.ModelProto:
    """Return attention scores as an Einsum of queries and keys."""
    return spelled(
        """keras (float[N,5,4] tokens) => (float[N,5,4] mixed) {
            query = MatMul (tokens, query_kernel)
            key = MatMul (tokens, key_kernel)
            scores = Einsum <equation: string = "bqd,bkd->bqk"> (query, key)
            shares = Softmax <axis: int = -1> (scores)
            mixed = MatMul (shares, tokens)
        }""",
        _HEADS,
    )


def _contracted_by_matmul(one: str, other: str) -> onnx.ModelProto:
    """Return the scores as a product with a transposed tensor."""
    return spelled(
        f"""tf2onnx (float[N,5,4] x) => (float[N,5,4] y) {{
            q = MatMul (x, wq)
            k = MatMul (x, wk)
            t = Transpose <perm: ints = [0,2,1]> ({other})
            s = MatMul ({one}, t)
            p = Softmax (s)
            y = MatMul (p, x)
        }}""",
        {"wq": _HEADS["query_kernel"], "wk": _HEADS["key_kernel"]},
    )


def _masked() -> onnx.ModelProto:
    """Return what is kept of a tensor where it is large, and a constant elsewhere."""
    return spelled(
        """torch (float[N,5,4] x) => (float[N,5,3] y)
            <float low = {-3.0}, float edge = {0.2}> {
            hidden = MatMul (x, weight)
            kept = Greater (hidden, edge)
            masked = Where (kept, hidden, low)
            y = MatMul (masked, head)
        }""",
        _MASK,
    )


def _masked_by_arithmetic(here: str, there: str) -> onnx.ModelProto:
    """Return the choice as arithmetic, for a runtime without Where."""
    return spelled(
        f"""ncnn (float[N,5,4] in0) => (float[N,5,3] out0)
            <float low = {{-3.0}}, float edge = {{0.2}}, float one = {{1.0}}> {{
            b0 = MatMul (in0, weight)
            b1 = Greater (b0, edge)
            m = Cast <to: int = 1> (b1)
            n = Sub (one, m)
            b2 = Mul (b0, {here})
            b3 = Mul (low, {there})
            b4 = Add (b2, b3)
            out0 = MatMul (b4, head)
        }}""",
        _MASK,
    )


def _masked_by_where(one: str, other: str) -> onnx.ModelProto:
    """Return the choice by the opposite question."""
    return spelled(
        f"""tf2onnx (float[N,5,4] a) => (float[N,5,3] z)
            <float low = {{-3.0}}, float edge = {{0.2}}> {{
            b = MatMul (a, weight)
            c = LessOrEqual (b, edge)
            d = Where (c, {one}, {other})
            z = MatMul (d, head)
        }}""",
        _MASK,
    )


_RETURNS = {"kernel": drawn(4, 3)}
_SORTED = {"square": drawn(6, 6), "mix": drawn(3, 4, seed=1)}
_CODES = {"codebook": drawn(8, 6), "head": drawn(2, 3, seed=1)}
_VOTES = {"table": drawn(6, 4, scale=1.0)}
_HEADS = {"query_kernel": drawn(4, 4), "key_kernel": drawn(4, 4, seed=1)}
_MASK = {"weight": drawn(4, 4), "head": drawn(4, 3, seed=1)}
_ONES = np.ones((6, 6), dtype=np.float32)
_TURNED = "Slice ({}, end, beyond, one, step)"

ISSUES = (
    Issue(
        link="NVIDIA/TensorRT#4513",
        title="CumSum is the same whether or not it is to run in reverse",
        rule="operator-replaced",
        source=_backward_sum,
        healthy=partial(_backward_sum_as_product, np.triu(_ONES)),
        broken=partial(_backward_sum_as_product, np.tril(_ONES)),
        guilty=("t1",),
    ),
    Issue(
        link="apache/tvm#18135",
        title="CumSum in reverse is turned before the sum and not behind it",
        rule="order-reversed",
        source=_backward_sum,
        healthy=partial(
            _backward_sum_by_tvm,
            f"lv1 = {_TURNED.format('lv0')}",
            f"lv3 = {_TURNED.format('lv2')}",
        ),
        broken=partial(
            _backward_sum_by_tvm, f"lv1 = {_TURNED.format('lv0')}", "lv3 = Identity (lv2)"
        ),
        guilty=("lv1", "lv2", "lv3"),
    ),
    Issue(
        link="",
        slug="cumsum-exclusive",
        title="an exclusive CumSum takes in the step itself",
        rule="option-dropped",
        source=_before,
        healthy=partial(_before_by_subtraction, "lv2 = Sub (lv1, lv0)"),
        broken=partial(_before_by_subtraction, "lv2 = Identity (lv1)"),
        guilty=("lv1", "lv2"),
    ),
    Issue(
        link="",
        slug="topk-smallest",
        title="the smallest become the largest: TopK without its negations",
        rule="option-dropped",
        source=_nearest,
        healthy=partial(_nearest_by_negation, "m = Neg (d)", "n = Neg (v)"),
        broken=partial(_nearest_by_negation, "m = Identity (d)", "n = Identity (v)"),
        guilty=("v", "i"),
    ),
    Issue(
        link="",
        slug="topk-order",
        title="the largest numbers come in rising order",
        rule="order-reversed",
        source=_sorted,
        healthy=partial(_sorted_by_slices, "f = Slice (d, end, beyond, axis, step)"),
        broken=partial(_sorted_by_slices, "f = Identity (d)"),
        guilty=("b", "d", "f"),
    ),
    Issue(
        link="",
        slug="argmax-last-index",
        title="of equal largest numbers the first is taken instead of the last",
        rule="option-dropped",
        source=_last_of_ties,
        healthy=partial(
            _last_of_ties_by_flip, f"r = {_TURNED.format('s')}", "p = Sub (five, m)"
        ),
        broken=partial(_last_of_ties_by_flip, "r = Identity (s)", "p = Identity (m)"),
        guilty=("m",),
    ),
    Issue(
        link="",
        slug="einsum-equation",
        title="an Einsum's operands are contracted the other way round",
        rule="transpose-perm-wrong",
        source=_contracted,
        healthy=partial(_contracted_by_matmul, "q", "k"),
        broken=partial(_contracted_by_matmul, "k", "q"),
        guilty=("s",),
    ),
    Issue(
        link="",
        slug="where-arithmetic",
        title="the branches of a Where, spelt as arithmetic, are exchanged",
        rule="subgraph-differs",
        source=_masked,
        healthy=partial(_masked_by_arithmetic, "m", "n"),
        broken=partial(_masked_by_arithmetic, "n", "m"),
        guilty=("b2", "b3", "b4"),
    ),
    Issue(
        link="",
        slug="where-swapped",
        title="the question of a Where is turned round, its branches are not",
        rule="operator-replaced",
        source=_masked,
        healthy=partial(_masked_by_where, "low", "b"),
        broken=partial(_masked_by_where, "b", "low"),
        guilty=("c",),
    ),
)
