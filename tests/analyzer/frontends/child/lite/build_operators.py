"""TensorFlow's own conversions of many operators, written to the folder named.

Operators of a family share a file: a conversion costs more than what is converted.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf

RANDOM = np.random.default_rng(0)
IMAGE = (1, 7, 6, 4)
PAIR = [(2, 3, 4), (3, 4)]
Call = Callable[..., object]
raw = tf.raw_ops


def const(*shape: int) -> tf.Tensor:
    """Return a seeded constant."""
    return tf.constant(RANDOM.normal(size=shape).astype(np.float32))


KERNEL, DEPTH, UPWARD = const(3, 3, 4, 5), const(3, 2, 4, 2), const(3, 3, 2, 4)
LETTERS = tf.constant([[3, 0, 1], [1, 1, 4]])


def conv(x: tf.Tensor, stride: int = 1, padding: str = "SAME", **more: object) -> tf.Tensor:
    """Return a convolution whose result other operators read as an image."""
    return tf.nn.conv2d(x, KERNEL, stride, padding, **more)


def upward(x: tf.Tensor, size: tuple[int, int], stride: int, padding: str) -> tf.Tensor:
    """Return a transposed convolution that gives a size."""
    return tf.nn.conv2d_transpose(x, UPWARD, [1, *size, 2], stride, padding)


def windows(x: tf.Tensor) -> list[tf.Tensor]:
    """Return windows of all kinds, over an image of odd height and even width."""
    given = []
    for padding in ("SAME", "VALID"):
        for stride in (1, 2):
            given += [
                tf.nn.relu6(conv(x, stride, padding) + const(5)),
                tf.nn.depthwise_conv2d(x, DEPTH, [1, stride, stride, 1], padding),
                tf.nn.avg_pool2d(x, 3, stride, padding),
                tf.nn.max_pool2d(x, [3, 2], stride, padding),
            ]
    return [
        *given,
        tf.nn.relu(conv(x, dilations=2)),
        tf.nn.depthwise_conv2d(x, DEPTH, [1, 1, 1, 1], "SAME", dilations=[2, 2]),
        tf.nn.conv2d(x, const(3, 3, 2, 6), 1, "SAME"),
        tf.nn.conv1d(x[:, 0], const(3, 4, 5), 2, "SAME"),
        upward(x, (7, 6), 1, "SAME"),
        upward(x, (14, 11), 2, "SAME"),
        upward(x, (9, 8), 1, "VALID"),
        upward(x, (16, 14), 2, "VALID"),
        tf.nn.conv2d_transpose(x, const(2, 2, 2, 4), [1, 21, 17, 2], 3, "SAME"),
    ]


def products(x: tf.Tensor, y: tf.Tensor) -> list[tf.Tensor]:
    """Return products of [2, 3, 8] and [2, 5, 8]."""
    return [
        tf.nn.relu(x[0] @ const(8, 5) + const(5)),
        tf.tensordot(x, const(8, 5), 1) + const(5),
        tf.matmul(x, y, transpose_b=True),
        tf.matmul(tf.transpose(x, [0, 2, 1]), tf.transpose(x, [0, 2, 1]), transpose_a=True),
        tf.matmul(x, const(2, 8, 5)),
        tf.einsum("bqh,bkh->bqk", x, y),
    ]


def reductions(x: tf.Tensor) -> list[tf.Tensor]:
    """Return reductions, of a tensor and of an image."""
    names = ("mean", "sum", "max", "min", "prod")
    ops = [getattr(tf, f"reduce_{name}") for name in names]
    image = conv(x)
    return [
        *(op(x, [1, 2]) for op in ops),
        *(op(x, -1, keepdims=True) for op in ops),
        *(tf.reduce_mean(image, axes) for axes in ([1], [2], [3], [1, 2])),
        tf.nn.conv2d(
            tf.reduce_max(image, [3], keepdims=True), const(1, 1, 1, 2), 1, "SAME"
        ),
        tf.reduce_any(x > 0.9, 1),
        tf.reduce_all(x > -0.5, 0, keepdims=True),
        tf.argmax(x, -1),
        tf.argmin(x, 1, output_type=tf.int32),
        *tf.math.top_k(x, 3),
        tf.cumsum(x, 1, exclusive=True, reverse=True),
    ]


def arithmetic(x: tf.Tensor, y: tf.Tensor) -> list[tf.Tensor]:
    """Return operators of two floats."""
    names = "add subtract multiply divide maximum minimum squared_difference floormod"
    compared = "equal not_equal greater greater_equal less less_equal"
    halves = tf.round(y * 2) / 2
    return [
        *(getattr(tf.math, name)(x, y) for name in names.split()),
        *(getattr(tf.math, name)(x, halves) for name in compared.split()),
        tf.pow(tf.abs(x), y),
        tf.math.floordiv(x, y),
        tf.where(x > 0, x, y),
        raw.Select(condition=tf.reduce_sum(y, 1) > 0, x=y, y=y * 2),
        tf.logical_not(tf.logical_or(tf.logical_and(x > 0, y > 0), x > y)),
        tf.add_n([x[0], y, y]),
        tf.cast(x * 5, tf.int32),
        tf.cast(x > 0, tf.float32),
        tf.cast(x * 400, tf.int8),
        tf.cast(x * 400, tf.uint8),
    ]


def whole(x: tf.Tensor, y: tf.Tensor) -> list[tf.Tensor]:
    """Return operators of two whole numbers, negative ones among them."""
    names = "add subtract multiply maximum minimum floormod floordiv"
    own = [getattr(tf.math, name)(x - 2, y - 5) for name in names.split()]
    return [*own, raw.Div(x=x * 7 - 9, y=y + 2), tf.math.equal(x, y), x < y]


def unary(x: tf.Tensor) -> list[tf.Tensor]:
    """Return operators of one input."""
    names = "exp abs negative sin cos floor ceil round square sign"
    positive = tf.abs(x) + 0.1
    return [
        *(getattr(tf.math, name)(x * 3) for name in names.split()),
        *(getattr(tf.math, name)(positive) for name in ("sqrt", "rsqrt", "log")),
    ]


def activations(x: tf.Tensor) -> list[tf.Tensor]:
    """Return activations, of a tensor and of an image."""
    names = "relu relu6 elu tanh sigmoid gelu leaky_relu softmax log_softmax silu"
    both = ((x * 4), conv(x))
    return [
        *(getattr(tf.nn, name)(one) for name in names.split() for one in both),
        tf.nn.gelu(x, approximate=True),
        tf.maximum(-1.0, tf.minimum(x * 2, 1.0)),
        tf.maximum(0.0, tf.minimum(x * 2, 1.0)),
        x * tf.nn.relu6(x * 4 + 3) * (1 / 6),
        tf.nn.relu(x) + const(1, 1, 4) * -tf.nn.relu(-x),
        tf.nn.l2_normalize(x, -1, epsilon=1e-6),
        tf.nn.l2_normalize(x * 1e-4, -1, epsilon=1e-6),
        tf.nn.local_response_normalization(x, 2, 1.0, 0.5, 0.6),
    ]


def images(x: tf.Tensor, y: tf.Tensor) -> list[tf.Tensor]:
    """Return what may compute on images as they lie in the pivot, or may not."""
    image, other = conv(x), tf.nn.conv2d(x, const(1, 1, 4, 6), 1, "SAME")
    row = tf.nn.conv2d(image + image[:, :1], const(1, 1, 5, 2), 1, "SAME")
    return [
        image * const(5) + const(6, 1) + const(1, 7, 1, 5),
        row,
        image * y,
        tf.concat([image, const(1, 7, 6, 3)], 3),
        tf.concat([image, const(1, 2, 6, 5)], 1),
        *tf.split(other, 2, -1),
        tf.pad(image, [[0, 0], [1, 2], [0, 1], [3, 0]]),
        tf.transpose(image, [3, 2, 1, 0]),
        tf.nn.space_to_depth(tf.nn.depth_to_space(const(1, 4, 6, 8) * y[0], 2), 4),
        tf.reshape(image, [7, -1]),
    ]


def joins(x: tf.Tensor) -> list[tf.Tensor]:
    """Return what puts [3, 6] together and takes it apart."""
    return [
        tf.concat([x, x * 2, const(3, 1)], -1),
        *tf.split(x, 3, 1),
        *tf.split(x, [1, 3, 2], 1),
        tf.stack([x, x + 1], 1),
        *tf.unstack(x * 2, axis=1),
        tf.reshape(x, [-1, 2]),
        tf.squeeze(tf.expand_dims(x, 1) * 2, [1]),
        tf.expand_dims(x, -1) * 3,
        tf.tile(x, [2, 3]),
        tf.broadcast_to(x[:1], [2, 4, 6]),
    ]


def slices(x: tf.Tensor) -> list[tf.Tensor]:
    """Return parts of [5, 6, 7]."""
    first = tf.cast(x[0, 0, 0] > 0, tf.int32)
    return [
        tf.slice(x, [1, 0, 2], [-1, 3, 4]),
        tf.slice(x, tf.stack([first, 0, 2]), tf.stack([-1, first + 1, 4])),
        x[1:4, ::2, -1],
        x[::-1, tf.newaxis, ..., 2:-1],
        x[..., tf.newaxis, 1],
        x[4:0:-2, ..., tf.newaxis],
        x[tf.newaxis, -2:, tf.newaxis, 3],
        x[tf.shape(x)[0] - 3 - first :, first],
        tf.reverse(x, [1]),
        tf.reverse_sequence(x, [2, 4, 1, 3, 6], seq_axis=1, batch_axis=0),
        tf.pad(x, [[1, 2], [0, 1], [3, 0]], constant_values=2.5),
        tf.pad(x, [[1, 2], [0, 1], [3, 0]], "REFLECT"),
        tf.pad(x, [[1, 2], [0, 1], [3, 0]], "SYMMETRIC"),
        tf.space_to_batch(x[:4], [2], [[0, 0]]),
        tf.batch_to_space(x[:4], [2], [[1, 2]]),
    ]


def lookups(x: tf.Tensor) -> list[tf.Tensor]:
    """Return parts of [2, 5, 6] by place, indices below zero and above the end too."""
    near = tf.cast(tf.round(x[0] * 4), tf.int32)
    return [
        tf.gather(x, LETTERS, axis=1),
        tf.gather(x, LETTERS, axis=1, batch_dims=1),
        tf.gather(x, LETTERS, axis=2, batch_dims=1),
        tf.gather_nd(x, tf.constant([[[1, 0], [0, 4]]])),
        tf.scatter_nd(tf.constant([[1], [3], [1]]), x[0, :3], [5, 6]),
        tf.nn.embedding_lookup(const(7, 4), LETTERS + near[0, 0] * 0),
        tf.where(x > 0),
        tf.one_hot(near, 4, on_value=2.0, off_value=-1.0, axis=1),
    ]


def resized(x: tf.Tensor) -> list[tf.Tensor]:
    """Return an image in other sizes, by each way to place pixels."""
    ways = ((False, False), (True, False), (False, True))
    return [
        op(images=x, size=size, align_corners=corners, half_pixel_centers=centers)
        for op in (raw.ResizeBilinear, raw.ResizeNearestNeighbor)
        for size in ((14, 12), (5, 9), (3, 3))
        for corners, centers in ways
    ]


def free(x: tf.Tensor) -> list[tf.Tensor]:
    """Return what depends on how many images there are."""
    count = tf.shape(x)[0]
    return [
        tf.nn.relu(conv(x, 2) + const(5)),
        tf.nn.conv2d_transpose(x, UPWARD, tf.stack([count, 14, 12, 2]), 2, "SAME"),
        tf.reshape(x, [count, -1]),
        tf.tensordot(x, const(4, 5), 1) + const(5),
        tf.shape(x),
        tf.fill(tf.shape(x)[:1], 2.5),
        tf.range(1, count * 3, 2),
        raw.ZerosLike(x=x) + 1,
    ]


def enlarged(x: tf.Tensor) -> tf.Tensor:
    """Return any number of images, resized between the model's ends."""
    return raw.ResizeBilinear(images=x, size=(13, 11), half_pixel_centers=True)


def groups(x: tf.Tensor) -> list[tf.Tensor]:
    """Return what [5, 3] is in groups, some rows in none, and diagonals of it."""
    near = tf.cast(tf.round(x[:, 0] * 2), tf.int32)
    rows = tf.constant([2, 0, 2, -1, 3]) + near * 0
    names = ("sum", "prod", "max", "min")
    return [
        *(getattr(tf.math, f"unsorted_segment_{name}")(x, rows, 4) for name in names),
        tf.math.segment_sum(x, tf.constant([0, 0, 1, 1, 2]) + near * 0),
        raw.SparseToDense(
            sparse_indices=near[:2] * 0 + [1, 3],
            output_shape=[5],
            sparse_values=[1.0, 2.0],
            default_value=-1.0,
        ),
        raw.Bucketize(input=x, boundaries=[-1.0, 0.0, 0.5]),
        *tf.unique(near),
        tf.linalg.diag(x),
        tf.linalg.set_diag(x, x[:3, 1]),
        tf.atan2(x, tf.reverse(x, [1])),
        tf.quantization.fake_quant_with_min_max_args(x, -0.8, 0.9, num_bits=6),
        tf.one_hot(near, 3, on_value=True, off_value=False),
        tf.bitwise.bitwise_xor(near, 5),
        tf.reverse_sequence(x[None], [3], seq_axis=2, batch_axis=0),
    ]


def volumes(x: tf.Tensor) -> list[tf.Tensor]:
    """Return convolutions over [1, 5, 7, 6, 4]."""
    weight = const(3, 2, 3, 4, 5)
    up = const(3, 3, 3, 2, 4)
    return [
        tf.nn.relu(tf.nn.conv3d(x, weight, [1, 1, 2, 2, 1], "SAME") + const(5)),
        tf.nn.conv3d(x, weight, [1, 1, 1, 1, 1], "VALID"),
        tf.nn.conv3d_transpose(x, up, [1, 10, 13, 12, 2], 2, "SAME"),
        tf.nn.conv3d_transpose(x, up, [1, 7, 9, 8, 2], 1, "VALID"),
    ]


def branches(x: tf.Tensor) -> list[tf.Tensor]:
    """Return a branch, a loop, and an input and a constant as they are."""
    turned = tf.cond(tf.reduce_sum(x) > 0, lambda: tf.sin(x) * 3, lambda: x - 1)

    def step(count: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return count + 1, total * 1.1 + x

    looped = tf.while_loop(lambda count, _: count < 4, step, (tf.constant(0), x))
    return [turned, *looped, x, tf.constant([1.0, 2.0])]


def beyond(x: tf.Tensor) -> tf.Tensor:
    """Return numbers through integers that do not hold them all, where runtimes differ."""
    return tf.cast(tf.cast(tf.sin(x * 9) * 8e9, tf.int32), tf.float32) * 1e-9


def overflowing(x: tf.Tensor) -> list[tf.Tensor]:
    """Return the same out of a branch and out of a loop."""
    turned = tf.cond(tf.reduce_sum(tf.abs(x)) > 0, lambda: beyond(x), lambda: x - 1)

    def step(count: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return count + 1, beyond(total + x)

    looped = tf.while_loop(lambda count, _: count < 3, step, (tf.constant(0), x))
    return [turned, looped[1]]


FAMILIES: dict[str, tuple[Call, list[tuple[int | None, ...]]]] = {
    "activations": (activations, [IMAGE]),
    "arithmetic": (arithmetic, PAIR),
    "branches": (branches, [(3, 4)]),
    "enlarged": (enlarged, [(None, 7, 6, 4)]),
    "free": (free, [(None, 7, 6, 4)]),
    "groups": (groups, [(5, 3)]),
    "images": (images, [IMAGE, (5,)]),
    "joins": (joins, [(3, 6)]),
    "lookups": (lookups, [(2, 5, 6)]),
    "overflowing": (overflowing, [(3, 4)]),
    "products": (products, [(2, 3, 8), (2, 5, 8)]),
    "reductions": (reductions, [IMAGE]),
    "resized": (resized, [IMAGE]),
    "slices": (slices, [(5, 6, 7)]),
    "unary": (unary, [(3, 5)]),
    "volumes": (volumes, [(1, 5, 7, 6, 4)]),
    "whole": (whole, PAIR),
    "windows": (windows, [IMAGE]),
}


def build(folder: Path) -> None:
    """Convert every family."""
    for name, (call, shapes) in FAMILIES.items():
        dtype = tf.int32 if name == "whole" else tf.float32
        specs = [tf.TensorSpec(shape, dtype) for shape in shapes]
        traced = tf.function(call, input_signature=specs, autograph=False)
        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [traced.get_concrete_function()]
        )
        (folder / f"{name}.tflite").write_bytes(converter.convert())


if __name__ == "__main__":
    build(Path(sys.argv[1]))
