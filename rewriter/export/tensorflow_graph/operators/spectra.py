"""Fourier transforms."""

import tensorflow as tf

from rewriter.export.tensorflow_graph.table import Call, operator
from rewriter.export.tensorflow_graph.weights import Tensor

AXIS_BEHIND_FROM = 20
"""Opset from which the axis is an input and counts from the back where none is given."""

PAIR = 2
"""Size of a last axis that holds real and imaginary parts."""


@operator("DFT")
def dft(call: Call) -> Tensor:
    """Return a Fourier transform along an axis, real and imaginary parts last."""
    x = call.tensor(0)
    usual = 1 if call.opset < AXIS_BEHIND_FROM else -2
    axis = int(call.array(2)) if call.has(2) else call.integer("axis", usual)
    axis %= len(x.shape)
    spectrum = _complex(x)
    inner = [one for one in range(len(spectrum.shape)) if one != axis]
    turned = tf.transpose(spectrum, [*inner, axis])
    if call.has(1):
        turned = _as_long(turned, int(call.array(1)))
    inverse, half = call.integer("inverse", 0), call.integer("onesided", 0)
    if inverse and half:
        raise call.refusal("is the inverse of a one-sided transform")
    result = tf.signal.ifft(turned) if inverse else tf.signal.fft(turned)
    if half:
        result = result[..., : turned.shape[-1] // 2 + 1]
    back = tf.transpose(result, [*range(axis), len(inner), *range(axis, len(inner))])
    return tf.cast(tf.stack([tf.math.real(back), tf.math.imag(back)], -1), x.dtype)


def _complex(x: Tensor) -> Tensor:
    """Return complex numbers in double precision, which sums over long signals need."""
    x = tf.cast(x, tf.float64)
    if x.shape[-1] == PAIR:
        return tf.complex(x[..., 0], x[..., 1])
    return tf.complex(x[..., 0], tf.zeros_like(x[..., 0]))


def _as_long(x: Tensor, size: int) -> Tensor:
    """Return a signal cut or filled with zeros to a length."""
    missing = size - x.shape[-1]
    if missing <= 0:
        return x[..., :size]
    return tf.pad(x, [[0, 0]] * (len(x.shape) - 1) + [[0, missing]])


@operator("STFT")
def stft(call: Call) -> Tensor:
    """Return Fourier transforms of overlapping pieces, real and imaginary parts last."""
    x, step = call.tensor(0), int(call.array(1))
    size = int(call.array(3)) if call.has(3) else int(call.value(2).shape[0] or 0)
    frames = tf.signal.frame(_complex(x), size, step)
    if call.has(2):
        frames *= tf.cast(call.tensor(2), frames.dtype)
    result = tf.signal.fft(frames)
    if call.integer("onesided", 1):
        result = result[..., : size // 2 + 1]
    return tf.cast(tf.stack([tf.math.real(result), tf.math.imag(result)], -1), x.dtype)
