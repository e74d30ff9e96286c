"""Source nodes as they would stand in a file."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper

from analyzer.core.types import Node


def proto_of(node: Node, reads: Sequence[str]) -> onnx.NodeProto:
    """Return a node as it would stand in a file, reading other tensors.

    Args:
        node: The node; its attributes, outputs and name stay.
        reads: Its inputs, slot by slot.
    """
    copy = helper.make_node(node.op, list(reads), list(node.outputs), name=node.name)
    copy.domain = node.domain
    copy.attribute.extend(
        helper.make_attribute(name, value) for name, value in _attributes(node).items()
    )
    return copy


def _attributes(node: Node) -> Mapping[str, Any]:
    """Return attributes as `onnx.helper` takes them; empty lists have no type to write."""
    filled = {
        k: v for k, v in node.attributes.items() if not (isinstance(v, tuple) and not v)
    }
    return {
        k: onnx.numpy_helper.from_array(v) if isinstance(v, np.ndarray) else v
        for k, v in filled.items()
    }
