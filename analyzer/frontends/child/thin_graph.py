"""A TensorFlow graph turned into ONNX by tf2onnx, its weights kept out of the copies.

What tf2onnx offers for it, ``large_model``, writes weights to a file of their own and stops
at the first pass of its optimizer that fails; this takes its parts and leaves both away.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import onnx
import tensorflow as tf
from tf2onnx import tf_loader
from tf2onnx.optimizer import optimize_graph
from tf2onnx.tf_utils import compress_graph_def
from tf2onnx.tfonnx import process_tf_graph

from analyzer.frontends.child.handlers import OPSET, keep_own_pads
from analyzer.frontends.child.inlining import with_inlining
from analyzer.frontends.child.stand_ins import put_back, values_apart

AS_THEY_ARE: Mapping[str, str] = MappingProxyType({})
"""No name is changed."""


def onnx_of(
    graph: Any,
    inputs: Sequence[str],
    outputs: Sequence[str],
    names: Mapping[str, str] = AS_THEY_ARE,
) -> onnx.ModelProto:
    """Return a frozen graph in ONNX form.

    Args:
        graph: A ``GraphDef`` without variables.
        inputs: Names of the tensors that are fed, such as ``x:0``.
        outputs: Names of the tensors that are wanted, in order.
        names: What tensors are called in the result, by their name in the graph.
    """
    keep_own_pads()
    with tf.Graph().as_default():
        whole = with_inlining(graph)
        graph = tf_loader.tf_optimize(list(inputs), list(outputs), whole)
    weights = compress_graph_def(graph)
    with values_apart() as values, tf.device("/cpu:0"), tf.Graph().as_default() as imported:
        tf.import_graph_def(graph, name="")
        converted = process_tf_graph(
            imported,
            continue_on_error=True,
            opset=OPSET,
            input_names=list(inputs),
            output_names=list(outputs),
            tensors_to_rename=dict(names) or None,
            const_node_values=weights,
        )
        weights.clear()
        pivot = optimize_graph(converted).make_model("pivot")
    put_back(pivot, values)
    return pivot  # type: ignore[no-any-return]  # tf2onnx is untyped


def frozen(function: Any) -> Any:
    """Return the graph of a function as a ``GraphDef`` that has its variables' values.

    Args:
        function: A concrete function.
    """
    graph = tf_loader.convert_variables_to_constants_large_model(function)
    return tf_loader.fix_freezing_errors_part2(tf_loader.fix_freezing_errors(graph))
