"""ONNX's own shape inference, of models that may be broken."""

import onnx
from onnx import shape_inference


def inferred(model: onnx.ModelProto, *, values: bool = False) -> onnx.GraphProto:
    """Return a model's main graph with the types and sizes that its nodes imply.

    Args:
        model: A model, sound or not.
        values: Whether what shapes hold is followed too.

    Returns:
        The graph with what is implied among its value info; the model's own graph where
        inference refuses it: which node is wrong, a run says in plainer words.
    """
    try:
        return shape_inference.infer_shapes(model, data_prop=values).graph
    except shape_inference.InferenceError:
        return model.graph
