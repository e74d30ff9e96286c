"""TFLite models as tf2onnx converts them: a second opinion on our own importer."""

from typing import Any

import onnx
import tf2onnx

from analyzer.frontends.child import flatbuffer, handlers
from analyzer.frontends.child.from_tflite import Native, notes
from analyzer.frontends.child.loaded import Loaded
from analyzer.frontends.child.loop_ends import declare_loop_ends
from analyzer.frontends.child.naming import io_names
from analyzer.frontends.child.scopes import layers
from analyzer.frontends.child.stand_ins import put_back, values_apart
from analyzer.frontends.child.words import converted


def load(path: str, *, trust_code: bool) -> Loaded:
    """Return a TFLite model with the pivot that tf2onnx makes of it.

    Args:
        path: A ``.tflite`` file.
        trust_code: Of no effect: a flatbuffer carries no code.

    Raises:
        LoadError: The flatbuffer is damaged, or tf2onnx does not convert it.
    """
    del trust_code
    tree = flatbuffer.read(path)
    pivot: Any = converted(path, "tf2onnx", lambda: _convert(path))
    declare_loop_ends(pivot, tree)
    native = Native(path, *io_names(pivot))
    return Loaded(pivot, native, layers(pivot), tuple(notes(tree)))


def _convert(path: str) -> onnx.ModelProto:
    handlers.keep_activations_in_float()
    with values_apart() as values:
        pivot, _ = tf2onnx.convert.from_tflite(path, opset=handlers.OPSET)
    put_back(pivot, values)
    return pivot  # type: ignore[no-any-return]  # tf2onnx is untyped
