"""Issues about control flow: loops that turn too often, branches exchanged."""

from functools import partial

import numpy as np
import onnx

from tests.issues.issue import Issue, drawn, spelled


def _counted() -> onnx.ModelProto:
    """Return torch's for loop over a number of turns."""
    return spelled(
        """torch (float[N,4] x) => (float[N,6] y) <int64 turns = {3}, bool yes = {1}> {
            hidden = Tanh (x)
            state = Loop (turns, yes, hidden) <body = turn
                (int64 i, bool go, float[N,4] before) => (bool stay, float[N,4] after) {
                stay = Identity (go)
                product = MatMul (before, square)
                squashed = Tanh (product)
                after = Add (squashed, before)
            }>
            y = MatMul (state, head)
        }""",
        _CELL,
    )


def _while(limit: int, compare: str, most: str = "") -> onnx.ModelProto:
    """Return tf2onnx's while loop: its own counter, compared in the body."""
    return spelled(
        f"""tf2onnx (float[N,4] x) => (float[N,6] y)
            <int64 zero = {{0}}, int64 one = {{1}}, int64 limit = {{{limit}}},
             int64 huge = {{9223372036854775807}}> {{
            t = Tanh (x)
            begin = {compare} (zero, limit)
            count, s = Loop ({most}, begin, zero, t) <body = while_body
                (int64 i, bool c, int64 n, float[N,4] a)
                => (bool d, int64 m, float[N,4] b) {{
                p = MatMul (a, square)
                q = Tanh (p)
                b = Add (a, q)
                m = Add (n, one)
                d = {compare} (m, limit)
            }}>
            y = MatMul (s, head)
        }}""",
        _CELL,
    )


def _while_frozen(begin: str, stay: str) -> onnx.ModelProto:
    """Return the exporter's, its condition carried as a tensor of its own."""
    return spelled(
        f"""main_graph (float[N,4] x) => (float[N,6] y)
            <int64 turns = {{3}}, int64 one = {{1}}, int64 zero = {{0}}> {{
            t = Tanh (x)
            go = Cast <to: int = 9> ({begin})
            s = Loop (turns, go, t) <body = block
                (int64 i, bool c, float[N,4] a) => (bool d, float[N,4] b) {{
                p = MatMul (a, square)
                q = Tanh (p)
                b = Add (q, a)
                {stay}
            }}>
            y = MatMul (s, head)
        }}""",
        _CELL,
    )


def _unrolled() -> onnx.ModelProto:
    """Return a cell that runs over a sequence of any length."""
    return spelled(
        f"""torch (float[N,T,4] x) => (float[N,6] y)
            <bool yes = {{1}}, int64 one = {{1}}> {{
            steps = Tanh (x)
            shape = Shape (x)
            turns = Gather (shape, one)
            first = ReduceMean <keepdims: int = 0> (steps, along)
            state = Loop (turns, yes, first) <body = turn {_CELL_TEXT.format("steps")}>
            y = MatMul (state, head)
        }}""",
        {**_CELL, "along": np.asarray([1])},
    )


def _unrolled_by_tf2onnx(turns: str) -> onnx.ModelProto:
    """Return the same, the length read otherwise."""
    return spelled(
        f"""tf2onnx (float[N,T,4] a) => (float[N,6] z)
            <bool yes = {{1}}, int64[1] from = {{1}}, int64[1] to = {{2}},
             int64 traced = {{4}}> {{
            b = Tanh (a)
            c = Shape (b)
            d = Slice (c, from, to)
            n = {turns}
            e = ReduceMean <keepdims: int = 0> (b, along)
            f = Loop (n, yes, e) <body = while_body {_CELL_TEXT.format("b")}>
            z = MatMul (f, head)
        }}""",
        {**_CELL, "along": np.asarray([1])},
    )


_CELL_TEXT = """(int64 i, bool go, float[N,4] before) => (bool stay, float[N,4] after) {{
    stay = Identity (go)
    here = Gather <axis: int = 1> ({}, i)
    product = MatMul (before, square)
    summed = Add (product, here)
    after = Tanh (summed)
}}"""


def _chosen() -> onnx.ModelProto:
    """Return a branch taken by the sum of what comes in."""
    return spelled(
        """torch (float[4,4] x) => (float[4,6] y) <float nought = {0.0}> {
            hidden = MatMul (x, square)
            total = ReduceSum <keepdims: int = 0> (hidden)
            large = Greater (total, nought)
            state = If (large) <
                then_branch = more () => (float[4,4] grown) { grown = Sigmoid (hidden) },
                else_branch = less () => (float[4,4] shrunk) { shrunk = Tanh (hidden) }
            >
            y = MatMul (state, head)
        }""",
        _CELL,
    )


def _chosen_by_tf2onnx(first: str, second: str) -> onnx.ModelProto:
    """Return the branches of the opposite question."""
    return spelled(
        f"""tf2onnx (float[4,4] x) => (float[4,6] y) <float nought = {{0.0}}> {{
            h = MatMul (x, square)
            t = ReduceSum <keepdims: int = 0> (h)
            g = Greater (t, nought)
            n = Not (g)
            s = If (n) <
                then_branch = a () => (float[4,4] b) {{ b = {first} (h) }},
                else_branch = c () => (float[4,4] d) {{ d = {second} (h) }}
            >
            y = MatMul (s, head)
        }}""",
        _CELL,
    )


def _chosen_by_where(first: str, second: str) -> onnx.ModelProto:
    """Return both branches, and the one that counts."""
    return spelled(
        f"""traced (float[4,4] x) => (float[4,6] y) <float nought = {{0.0}}> {{
            h = MatMul (x, square)
            t = ReduceSum <keepdims: int = 0> (h)
            g = Greater (t, nought)
            a = Sigmoid (h)
            b = Tanh (h)
            s = Where (g, {first}, {second})
            y = MatMul (s, head)
        }}""",
        _CELL,
    )


_CELL = {"square": drawn(4, 4), "head": drawn(4, 6, seed=1)}

ISSUES = (
    Issue(
        link="onnx/tensorflow-onnx#1969",
        title="a while loop without a bound, and one bound by the largest number",
        rule="",
        source=partial(_while, 3, "Less"),
        healthy=partial(_while, 3, "Less", "huge"),
    ),
    Issue(
        link="onnx/tensorflow-onnx#541",
        title="a while loop takes one turn too many",
        rule="subgraph-differs",
        source=_counted,
        healthy=partial(_while, 3, "Less"),
        broken=partial(_while, 3, "LessOrEqual"),
        guilty=("s", "count"),
    ),
    Issue(
        link="pytorch/pytorch#17531",
        title="the condition a loop starts with is another, and it never turns",
        rule="attribute-differs",
        source=_counted,
        healthy=partial(_while_frozen, "one", "d = Identity (c)"),
        broken=partial(_while_frozen, "zero", "d = Identity (c)"),
        guilty=("go",),
    ),
    Issue(
        link="onnx/tensorflow-onnx#304",
        title="the condition that a loop's body gives stops it early",
        rule="subgraph-differs",
        source=_counted,
        healthy=partial(_while_frozen, "one", "d = Identity (c)"),
        broken=partial(_while_frozen, "one", "d = Less (i, one)"),
        guilty=("d",),
    ),
    Issue(
        link="",
        slug="loop-turns-frozen",
        title="a loop takes as many turns as the sequence had that was traced",
        rule="subgraph-differs",
        source=_unrolled,
        healthy=partial(_unrolled_by_tf2onnx, "Squeeze (d)"),
        broken=partial(_unrolled_by_tf2onnx, "Identity (traced)"),
        guilty=("n",),
    ),
    Issue(
        link="",
        slug="if-branches",
        title="the question of an If is turned round, its branches are not",
        rule="operator-extra",
        source=_chosen,
        healthy=partial(_chosen_by_tf2onnx, "Tanh", "Sigmoid"),
        broken=partial(_chosen_by_tf2onnx, "Sigmoid", "Tanh"),
        guilty=("n",),
    ),
    Issue(
        link="",
        slug="if-where",
        title="an If is written as a Where, its branches exchanged",
        rule="connection-differs",
        source=_chosen,
        healthy=partial(_chosen_by_where, "a", "b"),
        broken=partial(_chosen_by_where, "b", "a"),
        guilty=("s",),
    ),
)
