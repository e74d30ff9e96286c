"""Issues about axes and indices that a change of layout or convention leaves behind."""

from functools import partial

import numpy as np
import onnx

from tests.issues.issue import Issue, drawn, spelled


def _picked() -> onnx.ModelProto:
    """Return two columns of an image, and what they are on average."""
    return spelled(
        """torch (float[N,4,4,4] x) => (float[N,3,1,1] y) <int64[2] columns = {3, 1}> {
            mixed = Conv (x, weight, bias)
            picked = Gather <axis: int = 3> (mixed, columns)
            rectified = Relu (picked)
            mean = GlobalAveragePool (rectified)
            y = Conv (mean, head)
        }""",
        _IMAGE,
    )


def _picked_last(axis: int) -> onnx.ModelProto:
    """Return the same with the channels last inside."""
    return spelled(
        f"""onnx2tf (float[N,4,4,4] x) => (float[N,3,1,1] y)
            <int64[2] columns = {{3, 1}}, int64[2] space = {{1, 2}}> {{
            l = Transpose <perm: ints = [0,2,3,1]> (x)
            m = MatMul (l, kernel)
            n = Add (m, bias)
            p = Gather <axis: int = {axis}> (n, columns)
            r = Relu (p)
            q = ReduceMean (r, space)
            h = MatMul (q, dense)
            y = Transpose <perm: ints = [0,3,1,2]> (h)
        }}""",
        {
            "kernel": np.ascontiguousarray(_IMAGE["weight"][:, :, 0, 0].T),
            "bias": _IMAGE["bias"],
            "dense": np.ascontiguousarray(_IMAGE["head"][:, :, 0, 0].T),
        },
    )


def _parted() -> onnx.ModelProto:
    """Return the difference of two halves of a sequence."""
    return spelled(
        """torch (float[N,4,4] x) => (float[N,3] y) <int64[2] flat = {-1, 8}> {
            hidden = MatMul (x, weight)
            early, late = Split <axis: int = 1, num_outputs: int = 2> (hidden)
            apart = Sub (late, early)
            vector = Reshape (apart, flat)
            y = MatMul (vector, head)
        }""",
        _HALVES,
    )


def _parted_by_tf2onnx(axis: int) -> onnx.ModelProto:
    """Return tf2onnx's: a Split with its sizes written out, the product on long rows."""
    return spelled(
        f"""tf2onnx (float[N,4,4] x) => (float[N,3] y)
            <int64[2] long = {{-1, 4}}, int64[3] cube = {{-1, 4, 4}},
             int64[2] sizes = {{2, 2}}, int64[2] shape = {{-1, 8}}> {{
            rows = Reshape (x, long)
            product = Gemm (rows, weight)
            back = Reshape (product, cube)
            one, two = Split <axis: int = {axis}> (back, sizes)
            three = Sub (two, one)
            four = Reshape (three, shape)
            y = Gemm (four, head)
        }}""",
        _HALVES,
    )


def _marked() -> onnx.ModelProto:
    """Return TensorFlow's one_hot, to which a negative class is none at all."""
    return spelled(
        """keras (int64[N,5] ids) => (float[N,5,4] y)
            <int64[6] classes = {0,1,2,3,4,5}, int64[1] last = {-1}> {
            apart = Unsqueeze (ids, last)
            same = Equal (apart, classes)
            marks = Cast <to: int = 1> (same)
            hidden = MatMul (marks, table)
            y = Tanh (hidden)
        }""",
        _TABLE,
    )


def _marked_by_tf2onnx(chosen: str) -> onnx.ModelProto:
    """Return tf2onnx's OneHot, which counts negative classes from the end."""
    return spelled(
        f"""tf2onnx (int64[N,5] ids) => (float[N,5,4] y)
            <int64 depth = {{6}}, float[2] off_on = {{0.0, 1.0}}, int64 zero = {{0}}> {{
            below = Less (ids, zero)
            {chosen}
            marks = OneHot (chosen, depth, off_on)
            hidden = MatMul (marks, table)
            y = Tanh (hidden)
        }}""",
        _TABLE,
    )


_IMAGE = {
    "weight": drawn(4, 4, 1, 1),
    "bias": drawn(4, seed=1),
    "head": drawn(3, 4, 1, 1, seed=2),
}
_HALVES = {"weight": drawn(4, 4), "head": drawn(8, 3, seed=1)}
_TABLE = {"table": drawn(6, 4)}

ISSUES = (
    Issue(
        link="",
        slug="gather-axis",
        title="a Gather's axis is moved with the layout and lands on the other side",
        rule="axis-swapped",
        source=_picked,
        healthy=partial(_picked_last, 2),
        broken=partial(_picked_last, 1),
        guilty=("p",),
    ),
    Issue(
        link="",
        slug="split-axis",
        title="a Split cuts the other axis of the same size",
        rule="axis-swapped",
        source=_parted,
        healthy=partial(_parted_by_tf2onnx, 1),
        broken=partial(_parted_by_tf2onnx, 2),
        guilty=("one", "two"),
    ),
    Issue(
        link="",
        slug="onehot-negative",
        title="a negative class is the last one, where the source marks none",
        rule="subgraph-differs",
        source=_marked,
        healthy=partial(_marked_by_tf2onnx, "chosen = Where (below, depth, ids)"),
        broken=partial(_marked_by_tf2onnx, "chosen = Identity (ids)"),
        guilty=("marks",),
    ),
)
