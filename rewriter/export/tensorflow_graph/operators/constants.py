"""What makes tensors out of nothing, and what changes their dtype."""

import numpy as np
import onnx
import tensorflow as tf

from analyzer.core.types import Array
from rewriter.export.tensorflow_graph.table import Call, operator
from rewriter.export.tensorflow_graph.values import Value
from rewriter.export.tensorflow_graph.weights import Tensor

LISTS = {
    "value_float": np.float32,
    "value_floats": np.float32,
    "value_int": np.int64,
    "value_ints": np.int64,
    "value_string": object,
    "value_strings": object,
}


@operator("Constant")
def constant(call: Call) -> Array:
    """Return the array that the node holds."""
    held = call.attribute("value", None)
    if held is not None:
        return np.asarray(held)
    found = next(one.name for one in call.node.attribute if one.name in LISTS)
    return np.array(call.attribute(found, None), LISTS[found])


@operator("ConstantOfShape")
def constant_of_shape(call: Call) -> Tensor:
    """Return one number in a shape."""
    held = np.asarray(call.attribute("value", np.zeros(1, np.float32))).reshape(-1)[0]
    return tf.fill(call.tensor(0), tf.constant(held))


@operator("Cast")
def cast(call: Call) -> Value:
    """Return elements in another dtype."""
    number = call.integer("to", onnx.TensorProto.FLOAT)
    return _as(call, call.value(0), dtype_of(number))


@operator("CastLike")
def cast_like(call: Call) -> Value:
    """Return elements in the dtype of another tensor."""
    return _as(call, call.value(0), call.value(1).dtype)


def dtype_of(number: int) -> Tensor:
    """Return TensorFlow's dtype for a number that ONNX has for it."""
    if number == onnx.TensorProto.STRING:
        return tf.string
    return tf.as_dtype(onnx.helper.tensor_dtype_to_np_dtype(number))


def _as(call: Call, value: Value, dtype: Tensor) -> Value:
    if value.dtype == dtype:
        return value
    if value.dtype == tf.string:
        return value.mapped(lambda x: tf.cast(tf.strings.to_number(x, tf.float64), dtype))
    if dtype == tf.string:
        raise call.refusal("turns numbers into text")
    return value.mapped(lambda x: tf.cast(x, dtype))


@operator("Range")
def number_range(call: Call) -> Tensor:
    """Return numbers from a start to before a limit."""
    return tf.range(*(tf.reshape(call.tensor(place), []) for place in range(3)))


@operator("EyeLike")
def eye_like(call: Call) -> Tensor:
    """Return a matrix of ones on one diagonal."""
    value = call.value(0)
    dtype = dtype_of(call.integer("dtype", 0)) if call.integer("dtype", 0) else value.dtype
    rows, columns = (tf.shape(value.tensor)[axis] for axis in range(2))
    across = tf.range(columns)[None, :] - tf.range(rows)[:, None]
    return tf.cast(tf.equal(across, call.integer("k", 0)), dtype)


@operator("Dropout")
def dropout(call: Call) -> tuple[Value, ...]:
    """Return x as it is: nothing is dropped outside training."""
    if call.has(2) and call.array(2).any():
        raise call.refusal("is in training mode")
    value = call.value(0)
    return value, value.mapped(lambda x: tf.ones_like(x, tf.bool))
