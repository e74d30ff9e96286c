"""Losses, where a model kept its own."""

import tensorflow as tf

from rewriter.export.tensorflow_graph.table import Call, operator
from rewriter.export.tensorflow_graph.values import channels_last
from rewriter.export.tensorflow_graph.weights import Tensor


@operator("NegativeLogLikelihoodLoss")
def nll(call: Call) -> Tensor:
    """Return the negative log likelihood of the labels, reduced or not."""
    value = call.value(0)
    return likelihood(call, value.in_order(channels_last(value.rank)))


@operator("SoftmaxCrossEntropyLoss")
def cross_entropy(call: Call) -> tuple[Tensor, Tensor]:
    """Return the cross entropy of scores and labels, and the log probabilities."""
    value = call.value(0)
    last = tf.nn.log_softmax(value.in_order(channels_last(value.rank)))
    back = [0, value.rank - 1, *range(1, value.rank - 1)]
    return likelihood(call, last), tf.transpose(last, back)


def likelihood(call: Call, logs: Tensor) -> Tensor:
    """Return the weighted negative log probability of the labels.

    Args:
        call: The loss.
        logs: Log probabilities, one per class along the last axis.
    """
    labels = call.tensor(1)
    counted = tf.ones_like(labels, tf.bool)
    ignored = call.attribute("ignore_index", None)
    if ignored is not None:
        counted = tf.not_equal(labels, ignored)
    labels = tf.where(counted, labels, tf.zeros_like(labels))
    found = -tf.gather(logs, labels, axis=-1, batch_dims=len(labels.shape))
    weights = tf.gather(call.tensor(2), labels) if call.has(2) else tf.ones_like(found)
    weights = tf.where(counted, weights, tf.zeros_like(weights))
    losses = found * weights
    match call.text("reduction", "mean"):
        case "none":
            return losses
        case "sum":
            return tf.reduce_sum(losses)
        case _:
            return tf.reduce_sum(losses) / tf.reduce_sum(weights)
