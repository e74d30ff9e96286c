"""Boxes: which to keep, and what lies in them."""

import tensorflow as tf

from rewriter.export.tensorflow_graph.table import Call, operator
from rewriter.export.tensorflow_graph.weights import Tensor

ALL = -3.4e38
"""A threshold that every score is above."""


@operator("NonMaxSuppression")
def non_max_suppression(call: Call) -> Tensor:
    """Return batch, class and box of what is kept, best first in each class."""
    boxes, scores = call.tensor(0), call.tensor(1)
    batches, classes = scores.shape[0], scores.shape[1]
    if batches is None or classes is None:
        raise call.refusal("keeps boxes of a batch or of classes of unknown number")
    if call.integer("center_point_box", 0):
        boxes = _cornered(boxes)
    if not call.has(2):
        return tf.zeros([0, 3], tf.int64)
    rows = [
        _kept(call, boxes[batch], scores[batch, kind], (batch, kind))
        for batch in range(batches)
        for kind in range(classes)
    ]
    return tf.concat(rows, 0)


def _kept(call: Call, boxes: Tensor, scores: Tensor, where: tuple[int, int]) -> Tensor:
    """Return the rows of one batch and class."""
    most = tf.cast(tf.reshape(call.tensor(2), []), tf.int32)
    most = tf.minimum(most, tf.shape(scores)[0])
    overlap = tf.reshape(call.tensor(3), []) if call.has(3) else tf.constant(0.0)
    least = tf.reshape(call.tensor(4), []) if call.has(4) else tf.constant(ALL)
    found, count = tf.raw_ops.NonMaxSuppressionV4(
        boxes=boxes,
        scores=scores,
        max_output_size=most,
        iou_threshold=overlap,
        score_threshold=least,
        pad_to_max_output_size=True,
    )
    places = tf.cast(found[:count], tf.int64)
    same = tf.ones_like(places)
    return tf.stack([where[0] * same, where[1] * same, places], -1)


def _cornered(boxes: Tensor) -> Tensor:
    """Return boxes by two corners, y first, that were a centre, x first, and sizes."""
    x, y, width, height = tf.unstack(boxes, axis=-1)
    ends = [y - height / 2, x - width / 2, y + height / 2, x + width / 2]
    return tf.stack(ends, -1)
