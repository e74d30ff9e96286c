"""Issues about taking, placing, sorting and counting elements along an axis."""

from functools import partial

import numpy as np
import onnx

from tests.issues.issue import Issue, drawn, spelled


def _selected() -> onnx.ModelProto:
    """Return torch's index_select of one position, beside the whole sequence."""
    return spelled(
        """torch (float[4,4,6] tokens) => (float[4,4,5] scores)
            <int64[1] first = {0}> {
            hidden = MatMul (tokens, embed_weight)
            query = Gather <axis: int = 1> (hidden, first)
            summed = Add (hidden, query)
            rectified = Tanh (summed)
            scores = MatMul (rectified, head_weight)
        }""",
        _ENCODER,
    )


def _selected_by_torch(back: str) -> onnx.ModelProto:
    """Return the exporter's: the index is a number, its axis put back behind it."""
    return spelled(
        f"""main_graph (float[4,4,6] x) => (float[4,4,5] y)
            <int64 zero = {{0}}, int64[1] one = {{1}}> {{
            n0 = MatMul (x, w0)
            n1 = Gather <axis: int = 1> (n0, zero)
            {back}
            n4 = Tanh (n3)
            y = MatMul (n4, w1)
        }}""",
        {"w0": _ENCODER["embed_weight"], "w1": _ENCODER["head_weight"]},
    )


def _added_up() -> onnx.ModelProto:
    """Return messages of a graph's edges, added up where they arrive."""
    return spelled(
        """torch (float[6,4] nodes) => (float[6,3] states)
            <int64[8] sender = {0,1,2,3,4,5,0,2}> {
            sent = Gather <axis: int = 0> (nodes, sender)
            messages = MatMul (sent, message_weight)
            zeros = ConstantOfShape (size)
            summed = ScatterElements <axis: int = 0, reduction: string = "add">
                (zeros, receiver, messages)
            rectified = Relu (summed)
            states = MatMul (rectified, update_weight)
        }""",
        {
            "size": np.asarray([6, 4]),
            "receiver": np.repeat(_RECEIVER[:, None], 4, axis=1),
            **_GRAPH,
        },
    )


def _added_up_by_torch(reduction: str, opset: int) -> onnx.ModelProto:
    """Return the exporter's: the index expanded where it is used."""
    return spelled(
        f"""<ir_version: 8, opset_import: ["" : {opset}]>
        main_graph (float[6,4] x) => (float[6,3] y)
            <int64[8] row = {{0,1,2,3,4,5,0,2}}, int64[2] size = {{6, 4}}> {{
            n0 = Gather <axis: int = 0> (x, row)
            n1 = MatMul (n0, message)
            shape = Shape (n1)
            index = Expand (col, shape)
            n2 = ConstantOfShape (size)
            n3 = ScatterElements <axis: int = 0{reduction}> (n2, index, n1)
            n4 = Relu (n3)
            y = MatMul (n4, update)
        }}""",
        {
            "col": _RECEIVER[:, None],
            "message": _GRAPH["message_weight"],
            "update": _GRAPH["update_weight"],
        },
    )


def _per_batch() -> onnx.ModelProto:
    """Return Keras's gather with a batch axis: each sample takes its own rows."""
    return spelled(
        """keras (float[3,4,5] keys, float[3,4] scores) => (float[3,2,6] chosen)
            <int64[1] k = {2}, int64[1] last = {-1}> {
            hidden = MatMul (keys, kernel)
            best, top = TopK (scores, k)
            places = Unsqueeze (top, last)
            rows = GatherND <batch_dims: int = 1> (hidden, places)
            rectified = Relu (rows)
            chosen = MatMul (rectified, head)
        }""",
        _KEYS,
    )


def _per_batch_by_tf2onnx(offset: str) -> onnx.ModelProto:
    """Return tf2onnx's: one long table, each sample's rows counted from its own start."""
    return spelled(
        f"""tf2onnx (float[3,4,5] a, float[3,4] b) => (float[3,2,6] c)
            <int64[1] k = {{2}}, int64[2] long = {{-1, 5}}, int64[1] all = {{-1}},
             int64[3,1] starts = {{{offset}}}, int64[3] back = {{3, 2, 5}}> {{
            product = MatMul (a, matmul_kernel)
            table = Reshape (product, long)
            values, indices = TopK (b, k)
            counted = Add (indices, starts)
            flat = Reshape (counted, all)
            taken = Gather (table, flat)
            rows = Reshape (taken, back)
            relu = Relu (rows)
            c = MatMul (relu, dense_kernel)
        }}""",
        {"matmul_kernel": _KEYS["kernel"], "dense_kernel": _KEYS["head"]},
    )


def _corners() -> onnx.ModelProto:
    """Return Keras's x[..., 0:2]: the corners of boxes."""
    return spelled(
        """keras (float[N,4,4] boxes) => (float[N,3] scores)
            <int64[1] start = {0}, int64[1] end = {2}, int64[1] last = {-1},
             int64[2] flat = {-1, 8}> {
            hidden = MatMul (boxes, kernel)
            corners = Slice (hidden, start, end, last)
            rectified = Relu (corners)
            vector = Reshape (rectified, flat)
            scores = MatMul (vector, head)
        }""",
        _BOXES,
    )


def _corners_by_tf2onnx(axis: int) -> onnx.ModelProto:
    """Return tf2onnx's strided slice: a step beside its bounds, the ellipsis resolved."""
    return spelled(
        f"""tf2onnx (float[N,4,4] x) => (float[N,3] Identity)
            <int64[1] begin = {{0}}, int64[1] stop = {{2}}, int64[1] axes = {{{axis}}},
             int64[1] step = {{1}}, int64[2] shape = {{-1, 8}}, int64[2] rows = {{-1, 4}},
             int64[3] cube = {{-1, 4, 4}}> {{
            long = Reshape (x, rows)
            gemm = Gemm (long, kernel)
            product = Reshape (gemm, cube)
            sliced = Slice (product, begin, stop, axes, step)
            relu = Relu (sliced)
            flatten = Reshape (relu, shape)
            Identity = MatMul (flatten, dense)
        }}""",
        {"kernel": _BOXES["kernel"], "dense": _BOXES["head"]},
    )


def _last_step() -> onnx.ModelProto:
    """Return torch's x[:, :, -1]: the last column of each row."""
    return spelled(
        """torch (float[N,3,5] waves) => (float[N,4] scores) <int64 last = {-1}> {
            filtered = Tanh (waves)
            end = Gather <axis: int = 2> (filtered, last)
            scores = Gemm <transB: int = 1> (end, head_weight, head_bias)
        }""",
        _WAVES,
    )


def _last_step_by_torch(begin: int, end: int) -> onnx.ModelProto:
    """Return the exporter's: a Slice of one column, and a Squeeze."""
    return spelled(
        f"""main_graph (float[N,3,5] x) => (float[N,4] y)
            <int64[1] from = {{{begin}}}, int64[1] to = {{{end}}}, int64[1] dim = {{2}}> {{
            n0 = Tanh (x)
            n1 = Slice (n0, from, to, dim)
            n2 = Squeeze (n1, dim)
            n3 = MatMul (n2, w)
            y = Add (b, n3)
        }}""",
        {"w": np.ascontiguousarray(_WAVES["head_weight"].T), "b": _WAVES["head_bias"]},
        sound=end != 0,
    )


def _marked() -> onnx.ModelProto:
    """Return classes as columns: which of the first axis each token is of."""
    return spelled(
        """torch (float[4,4] logits) => (float[4,4] mixed)
            <int64 depth = {4}, float[2] off_on = {0.0, 1.0}> {
            shifted = Add (logits, bias)
            best = ArgMax <axis: int = 1, keepdims: int = 0> (shifted)
            marks = OneHot <axis: int = 0> (best, depth, off_on)
            mixed = MatMul (marks, weight)
        }""",
        _CLASSES,
    )


def _marked_by_tvm(axis: int) -> onnx.ModelProto:
    """Return the ids compared with a range laid along the other axis."""
    return spelled(
        f"""relay (float[4,4] p0) => (float[4,4] p9)
            <int64[4] classes = {{0, 1, 2, 3}}, int64[1] across = {{{axis}}},
             int64[1] along = {{{1 - axis}}}> {{
            p1 = Add (bias, p0)
            p2 = ArgMax <axis: int = -1, keepdims: int = 0> (p1)
            p3 = Unsqueeze (p2, along)
            p4 = Unsqueeze (classes, across)
            p5 = Equal (p3, p4)
            p6 = Cast <to: int = 1> (p5)
            p9 = MatMul (p6, weight)
        }}""",
        _CLASSES,
    )


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


def _repeated() -> onnx.ModelProto:
    """Return torch's repeat_interleave: each row twice, one after the other."""
    return spelled(
        """torch (float[N,3,4] x) => (float[N,6,5] y)
            <int64[1] two = {2}, int64[4] twice = {1,1,2,1}, int64[3] flat = {0,6,4}> {
            hidden = Tanh (x)
            apart = Unsqueeze (hidden, two)
            tiled = Tile (apart, twice)
            doubled = Reshape (tiled, flat)
            placed = Add (doubled, position)
            y = MatMul (placed, weight)
        }""",
        _PLACES,
    )


def _repeated_by_gather() -> onnx.ModelProto:
    """Return the rows taken by their numbers."""
    return spelled(
        """tflite (float[N,3,4] a) => (float[N,6,5] f) <int64[6] rows = {0,0,1,1,2,2}> {
            b = Tanh (a)
            c = Gather <axis: int = 1> (b, rows)
            d = Add (position, c)
            f = MatMul (d, weight)
        }""",
        _PLACES,
    )


def _repeated_by_tile() -> onnx.ModelProto:
    """Return the whole sequence twice, as repeat does."""
    return spelled(
        """tflite (float[N,3,4] a) => (float[N,6,5] f) <int64[3] multiples = {1,2,1}> {
            b = Tanh (a)
            c = Tile (b, multiples)
            d = Add (position, c)
            f = MatMul (d, weight)
        }""",
        _PLACES,
    )


def _halves() -> onnx.ModelProto:
    """Return what the first half of the channels has more than the second."""
    return spelled(
        """torch (float[N,4,4,4] x) => (float[N,2,4,4] y) {
            mixed = Conv (x, weight, bias)
            one, other = Split <axis: int = 1, num_outputs: int = 2> (mixed)
            apart = Sub (one, other)
            y = Conv (apart, head)
        }""",
        _HALVES,
    )


def _halves_last(one: str, other: str) -> onnx.ModelProto:
    """Return the same with the channels last, as TensorFlow has them."""
    return spelled(
        f"""onnx2tf (float[N,4,4,4] x) => (float[N,2,4,4] y) {{
            l = Transpose <perm: ints = [0,2,3,1]> (x)
            m = MatMul (l, kernel)
            n = Add (m, bias)
            a, b = Split <axis: int = 3, num_outputs: int = 2> (n)
            s = Sub ({one}, {other})
            h = MatMul (s, last)
            y = Transpose <perm: ints = [0,3,1,2]> (h)
        }}""",
        {
            "kernel": np.ascontiguousarray(_HALVES["weight"][:, :, 0, 0].T),
            "bias": _HALVES["bias"],
            "last": np.ascontiguousarray(_HALVES["head"][:, :, 0, 0].T),
        },
    )


_ENCODER = {"embed_weight": drawn(6, 6), "head_weight": drawn(6, 5, seed=1)}
_RECEIVER = np.asarray([1, 2, 2, 4, 5, 1, 5, 3])
_GRAPH = {"message_weight": drawn(4, 4), "update_weight": drawn(4, 3, seed=1)}
_KEYS = {"kernel": drawn(5, 5), "head": drawn(5, 6, seed=1)}
_BOXES = {"kernel": drawn(4, 4), "head": drawn(8, 3, seed=1)}
_WAVES = {"head_weight": drawn(4, 3), "head_bias": drawn(4, seed=1)}
_CLASSES = {"weight": drawn(4, 4), "bias": drawn(4, seed=1, scale=0.1)}
_RETURNS = {"kernel": drawn(4, 3)}
_CODES = {"codebook": drawn(8, 6), "head": drawn(2, 3, seed=1)}
_VOTES = {"table": drawn(6, 4, scale=1.0)}
_HEADS = {"query_kernel": drawn(4, 4), "key_kernel": drawn(4, 4, seed=1)}
_MASK = {"weight": drawn(4, 4), "head": drawn(4, 3, seed=1)}
_PLACES = {"position": drawn(6, 4), "weight": drawn(4, 5, seed=1)}
_HALVES = {
    "weight": drawn(4, 4, 1, 1),
    "bias": drawn(4, seed=1),
    "head": drawn(2, 2, 1, 1, seed=2),
}
_ONES = np.ones((6, 6), dtype=np.float32)
_TURNED = "Slice ({}, end, beyond, one, step)"

ISSUES = (
    Issue(
        link="pytorch/pytorch#68003",
        title="index_select of one position loses its axis, and is broadcast over another",
        rule="shape-frozen",
        source=_selected,
        healthy=partial(_selected_by_torch, "n2 = Unsqueeze (n1, one)  n3 = Add (n2, n0)"),
        broken=partial(_selected_by_torch, "n3 = Add (n1, n0)"),
        guilty=("n1",),
    ),
    Issue(
        link="pytorch/pytorch#111159",
        title="index_add keeps only the last of what arrives at one place",
        rule="option-dropped",
        source=_added_up,
        healthy=partial(_added_up_by_torch, ', reduction: string = "add"', 18),
        broken=partial(_added_up_by_torch, "", 18),
        guilty=("n3",),
    ),
    Issue(
        link="pytorch/pytorch#32960",
        title="scatter_add becomes a ScatterElements that cannot add in its opset",
        rule="option-dropped",
        source=_added_up,
        healthy=partial(_added_up_by_torch, ', reduction: string = "add"', 16),
        broken=partial(_added_up_by_torch, "", 13),
        guilty=("n3",),
    ),
    Issue(
        link="onnx/tensorflow-onnx#1317",
        title="GatherV2 with batch_dims takes every sample's rows from the first",
        rule="subgraph-differs",
        source=_per_batch,
        healthy=partial(_per_batch_by_tf2onnx, "0, 4, 8"),
        broken=partial(_per_batch_by_tf2onnx, "0, 0, 0"),
        guilty=("counted", "taken"),
    ),
    Issue(
        link="onnx/tensorflow-onnx#400",
        title="an ellipsis in a strided slice stands for one axis, whatever the rank",
        rule="axis-swapped",
        source=_corners,
        healthy=partial(_corners_by_tf2onnx, 2),
        broken=partial(_corners_by_tf2onnx, 1),
        guilty=("sliced",),
    ),
    Issue(
        link="pytorch/pytorch#16497",
        title="x[:, :, -1] ends where it begins, and nothing is left to squeeze",
        rule="subgraph-differs",
        source=_last_step,
        healthy=partial(_last_step_by_torch, -1, 9223372036854775807),
        broken=partial(_last_step_by_torch, -1, 0),
        guilty=("n1",),
    ),
    Issue(
        link="apache/tvm#16295",
        title="OneHot puts its classes on the last axis, whatever its axis says",
        rule="transpose-perm-wrong",
        source=_marked,
        healthy=partial(_marked_by_tvm, 1),
        broken=partial(_marked_by_tvm, 0),
        guilty=("p6",),
    ),
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
    Issue(
        link="",
        slug="repeat-interleave",
        title="repeat_interleave becomes repeat: the whole twice, not each twice",
        rule="reshape-order-wrong",
        source=_repeated,
        healthy=_repeated_by_gather,
        broken=_repeated_by_tile,
        guilty=("c",),
    ),
    Issue(
        link="",
        slug="split-order",
        title="a Split's halves are exchanged",
        rule="connection-differs",
        source=_halves,
        healthy=partial(_halves_last, "a", "b"),
        broken=partial(_halves_last, "b", "a"),
        guilty=("s",),
    ),
)
