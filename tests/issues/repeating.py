"""Issues about elements that are repeated along an axis: each, or the whole, in turn."""

import onnx

from tests.issues.issue import Issue, drawn, spelled


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


def _shared_keys() -> onnx.ModelProto:
    """Return scores of four heads of queries that share two heads of keys, two by two."""
    return spelled(
        """torch (float[N,4,3,5] x, float[N,2,3,5] z) => (float[N,4,3,3] y)
            <int64[1] two = {2}, int64[5] twice = {1,1,2,1,1}, int64[4] flat = {0,4,3,5}> {
            queries = Tanh (x)
            keys = Sigmoid (z)
            apart = Unsqueeze (keys, two)
            tiled = Tile (apart, twice)
            doubled = Reshape (tiled, flat)
            turned = Transpose <perm: ints = [0, 1, 3, 2]> (doubled)
            scores = MatMul (queries, turned)
            y = Softmax <axis: int = 3> (scores)
        }""",
        {},
    )


def _shared_by_gather() -> onnx.ModelProto:
    """Return the heads of keys taken by their numbers."""
    return spelled(
        """tflite (float[N,4,3,5] a, float[N,2,3,5] b) => (float[N,4,3,3] g)
            <int64[4] heads = {0,0,1,1}> {
            p0 = Tanh (a)
            p1 = Sigmoid (b)
            p2 = Gather <axis: int = 1> (p1, heads)
            p3 = Transpose <perm: ints = [0, 1, 3, 2]> (p2)
            p4 = MatMul (p0, p3)
            g = Softmax <axis: int = 3> (p4)
        }""",
        {},
    )


def _shared_by_tile() -> onnx.ModelProto:
    """Return the heads of keys in turn, as repeat gives them."""
    return spelled(
        """tflite (float[N,4,3,5] a, float[N,2,3,5] b) => (float[N,4,3,3] g)
            <int64[4] multiples = {1,2,1,1}> {
            p0 = Tanh (a)
            p1 = Sigmoid (b)
            p2 = Tile (p1, multiples)
            p3 = Transpose <perm: ints = [0, 1, 3, 2]> (p2)
            p4 = MatMul (p0, p3)
            g = Softmax <axis: int = 3> (p4)
        }""",
        {},
    )


_PLACES = {"position": drawn(6, 4), "weight": drawn(4, 5, seed=1)}

ISSUES = (
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
        slug="grouped-query-repeat",
        title="the keys of grouped-query attention are repeated in turn, not each twice",
        rule="reshape-order-wrong",
        source=_shared_keys,
        healthy=_shared_by_gather,
        broken=_shared_by_tile,
        guilty=("p2", "p3"),
    ),
)
