"""Issues about taking and placing elements along an axis."""

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
_HALVES = {
    "weight": drawn(4, 4, 1, 1),
    "bias": drawn(4, seed=1),
    "head": drawn(2, 2, 1, 1, seed=2),
}

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
        rule="node-stops",
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
