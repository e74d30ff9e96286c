"""In which form an operator stands: the opsets that write it with such inputs and names."""

from functools import lru_cache

import onnx
from onnx import defs

OLDEST = 7
"""The oldest opset that is looked at; older files are hardly met, and mean other things."""


def nearest_opsets(declared: int) -> tuple[int, ...]:
    """Return the opsets that could have been meant, those near the declared one first."""
    known = range(OLDEST, defs.onnx_opset_version() + 1)
    return tuple(sorted(known, key=lambda opset: (abs(opset - declared), opset)))


def has_form(node: onnx.NodeProto, opset: int) -> bool:
    """Return whether an opset writes an operator as it stands.

    Args:
        node: An operator; one of another domain has no form to look up.
        opset: Version of ONNX's own domain.
    """
    if node.domain not in {"", "ai.onnx"}:
        return True
    schema = _schema(node.op_type, opset)
    if schema is None:
        return _schema(node.op_type, defs.onnx_opset_version()) is None  # in no opset
    lowest, highest = schema.min_input, schema.max_input
    known = schema.attributes.keys()
    return lowest <= len(node.input) <= highest and all(
        attribute.name in known for attribute in node.attribute
    )


@lru_cache(maxsize=1024)
def _schema(op: str, opset: int) -> "defs.OpSchema | None":
    try:
        return defs.get_schema(op, opset, "")
    except defs.SchemaError:
        return None
