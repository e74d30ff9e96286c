"""A model computed by the table as it is, with no program in between."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from analyzer.core.types import Array
from rewriter.export.torch_graph.dtypes import NARROW, as_array, as_tensor
from rewriter.export.torch_graph.program import network_of

Fed = Any
"""An array, a tensor as ONNX stores it, a list of such, or None where nothing is there."""


def computed(model: onnx.ModelProto, inputs: Sequence[Fed]) -> list[Any]:
    """Return what a model gives: arrays, and lists of arrays for sequences.

    Args:
        model: Its operators are in the table, or are defined by such.
        inputs: One for each of its inputs, of its dtypes and shapes.

    Raises:
        ExportError: Operators lack, or torch cannot do what one says.
    """
    network = network_of(model)
    with torch.no_grad():
        found = network(*(_fed(one) for one in inputs))
    kinds = [one.type.tensor_type.elem_type for one in model.graph.output]
    return [_told(one, kind) for one, kind in zip(found, kinds, strict=True)]


def _fed(value: Fed) -> Any:
    if value is None:
        return None
    if isinstance(value, list):
        return [_fed(one) for one in value]
    if isinstance(value, TensorProto):
        value = numpy_helper.to_array(value)
    return as_tensor(np.asarray(value))


def _told(value: Any, kind: int) -> Array | list[Any] | None:
    if isinstance(value, list):
        return [_told(one, kind) for one in value]
    if value is None:
        return None
    array = as_array(value)
    if kind in NARROW:
        return array.astype(helper.tensor_dtype_to_np_dtype(kind))
    return array
