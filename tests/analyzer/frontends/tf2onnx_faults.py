"""Models that today's tf2onnx (1.17) converts wrongly, one a function; run in a process.

Found by sweeping some 390 calls of operators: TensorFlow against the conversion under ONNX
Runtime. `FAULTS` says what is wrong with each.
"""

import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import keras
import tensorflow as tf
import tf2onnx

FAULTS: Mapping[str, tuple[str, str]] = {
    "floor_div": ("FloorDiv", "integers are rounded towards zero"),
    "floor_mod": ("FloorMod", "the remainder of integers has the dividend's sign"),
    "right_shift": ("RightShift", "the sign is shifted as if it were a digit"),
    "resize_area": ("ResizeArea", "one pixel is taken where an area is averaged"),
    "resize_bicubic": ("ResizeBicubic", "another kernel, and other borders"),
    "scatter_twice": ("ScatterNd", "of what meets in one place the last is kept"),
    "segment_mean": ("SegmentMean", "an empty segment is NaN, not zero"),
    "segment_max": ("SegmentMax", "an empty segment is the least float, not zero"),
    "unsorted_sum": ("UnsortedSegmentSum", "a negative segment counts from the end"),
    "unsorted_max": ("UnsortedSegmentMax", "an empty segment is infinite"),
    "masked": ("SelectV2", "what is infinite and not chosen becomes NaN"),
    "crop_nearest": ("CropAndResize", "another pixel is the nearest"),
    "saturation": ("AdjustSaturation", "grey and dark pixels turn to other colours"),
}
"""Operator and what is wrong, by function."""

Middle = Callable[[tf.Tensor], tf.Tensor]


def whole(x: tf.Tensor) -> tf.Tensor:
    """Return integers, half of them negative."""
    return tf.cast(tf.round(x * 10), tf.int32)


def floor_div(x: tf.Tensor) -> tf.Tensor:
    """Return quotients of integers."""
    return tf.cast(whole(x) // 3, tf.float32)


def floor_mod(x: tf.Tensor) -> tf.Tensor:
    """Return remainders of integers."""
    return tf.cast(whole(x) % 7, tf.float32)


def right_shift(x: tf.Tensor) -> tf.Tensor:
    """Return integers without their last bit."""
    bytes_ = tf.cast(whole(x), tf.int8)
    return tf.cast(tf.bitwise.right_shift(bytes_, tf.constant(1, tf.int8)), tf.float32)


def resize_area(x: tf.Tensor) -> tf.Tensor:
    """Return averages of areas."""
    return tf.image.resize(x, (5, 5), "area")


def resize_bicubic(x: tf.Tensor) -> tf.Tensor:
    """Return a larger image, as the first TensorFlow resized it."""
    return tf.raw_ops.ResizeBicubic(images=x, size=(16, 16), align_corners=True)


def scatter_twice(x: tf.Tensor) -> tf.Tensor:
    """Return rows, two of them summed."""
    rows = tf.transpose(x, [1, 0, 2, 3])[:3]
    spread = tf.scatter_nd([[1], [1], [3]], rows, [5, *rows.shape[1:]])
    return tf.transpose(spread, [1, 0, 2, 3])


def _by_rows(x: tf.Tensor, reduce: Middle) -> tf.Tensor:
    return tf.transpose(reduce(tf.transpose(x, [1, 0, 2, 3])), [1, 0, 2, 3])


PLACES = (0, 0, 2, 2, 2, 3, 5, 5)


def segment_mean(x: tf.Tensor) -> tf.Tensor:
    """Return means of rows, of none in two places."""
    return _by_rows(x, lambda rows: tf.math.segment_mean(rows, PLACES))


def segment_max(x: tf.Tensor) -> tf.Tensor:
    """Return the largest of rows, of none in two places."""
    return _by_rows(x, lambda rows: tf.math.segment_max(rows, PLACES))


SCATTERED = (2, -1, 2, 0, 1, -1, 3, 0)


def unsorted_sum(x: tf.Tensor) -> tf.Tensor:
    """Return sums of rows, two of them left out."""
    return _by_rows(x, lambda rows: tf.math.unsorted_segment_sum(rows, SCATTERED, 4))


def unsorted_max(x: tf.Tensor) -> tf.Tensor:
    """Return the largest of rows, in units of the largest float; of none the least."""
    rows = (2, 0, 2, 0, 3, 3, 3, 2)
    return _by_rows(x, lambda y: tf.math.unsorted_segment_max(y, rows, 4) / tf.float32.max)


def masked(x: tf.Tensor) -> tf.Tensor:
    """Return logarithms of what is positive, and zeros."""
    return tf.where(x > 0, tf.math.log(tf.nn.relu(x)), tf.zeros_like(x))


def crop_nearest(x: tf.Tensor) -> tf.Tensor:
    """Return a part of an image."""
    box = [[0.1, 0.2, 0.9, 0.8]]
    return tf.image.crop_and_resize(x[:1], box, [0], (5, 5), method="nearest")


def saturation(x: tf.Tensor) -> tf.Tensor:
    """Return brighter colours."""
    return tf.image.adjust_saturation(tf.abs(x[..., :3]), 1.7)


def unknown(x: tf.Tensor) -> tf.Tensor:
    """Return what takes operators that tf2onnx has no word for."""
    small = tf.math.log1p(tf.abs(x) * 1e-6) + tf.math.expm1(-tf.abs(x))
    ratio = tf.math.xdivy(tf.nn.relu(x), x) + tf.math.multiply_no_nan(x, tf.nn.relu(x))
    return tf.image.resize(small + ratio, (5, 5), antialias=True)


class Network(tf.Module):
    """A convolution, what is under test, a convolution."""

    def __init__(self, middle: Middle) -> None:
        super().__init__()
        random = tf.random.Generator.from_seed(0)
        self.before = tf.Variable(random.normal((3, 3, 3, 4)), name="before")
        channels = 3 if middle is saturation else 4
        self.after = tf.Variable(random.normal((1, 1, channels, 2)), name="after")
        self.middle = middle

    def __call__(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return two channels."""
        with tf.name_scope("stem"):
            stem = tf.nn.relu6(tf.nn.conv2d(image, self.before, 1, "SAME")) - 2.0
        with tf.name_scope("middle"):
            middle = self.middle(stem)
        with tf.name_scope("head"):
            return {"scores": tf.nn.conv2d(middle, self.after, 1, "SAME")}


IMAGE = tf.TensorSpec((1, 8, 8, 3), name="image")


def build(folder: Path) -> None:
    """Save every model, and what tf2onnx makes of it as its user would call it."""
    warnings.simplefilter("ignore")
    for name in FAULTS:
        model = Network(globals()[name])
        call = tf.function(model.__call__, input_signature=[IMAGE])
        tf.saved_model.save(model, str(folder / name), signatures=call)
        target = str(folder / f"{name}.onnx")
        tf2onnx.convert.from_function(
            call, input_signature=[IMAGE], opset=18, output_path=target
        )
    model = Network(unknown)
    call = tf.function(model.__call__, input_signature=[IMAGE])
    tf.saved_model.save(model, str(folder / "unknown"), signatures=call)
    save_keras(folder)


def save_keras(folder: Path) -> None:
    """Save a Keras model that divides integers, and what tf2onnx makes of it."""
    image = keras.Input((8, 8, 3), name="image")
    stem = keras.layers.Conv2D(4, 3, name="stem")(image)
    tens = keras.ops.cast(keras.ops.round(stem * 10), "int32")
    quotient = keras.ops.cast(keras.ops.floor_divide(tens, 3), "float32")
    model = keras.Model(image, keras.layers.Conv2D(2, 1, name="head")(quotient))
    model.save(folder / "divided.keras")
    spec = tf.TensorSpec((None, 8, 8, 3), name="image")
    call = tf.function(model, input_signature=[spec])
    target = str(folder / "divided.onnx")
    tf2onnx.convert.from_function(
        call, input_signature=[spec], opset=18, output_path=target
    )


if __name__ == "__main__":
    build(Path(sys.argv[1]))
