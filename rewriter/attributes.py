"""Attribute values as protos, typed as the operator's schema wants them."""

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, defs, helper, numpy_helper

from analyzer.core.errors import RepairError
from analyzer.core.types import Array, AttributeValue

SPELLINGS = {
    "value_float": ("float32", 0),
    "value_floats": ("float32", 1),
    "value_int": ("int64", 0),
    "value_ints": ("int64", 1),
}
"""The dtype and rank that each short spelling of a Constant node can hold."""


def attribute_proto(
    name: str, value: AttributeValue, kind: int = AttributeProto.UNDEFINED
) -> AttributeProto:
    """Return an attribute.

    Args:
        name: Its name.
        value: Its value; an array becomes a tensor, or a list where `kind` says so.
        kind: The type the operator wants; undefined: what the value suggests.

    Raises:
        RepairError: The value is not of that type.
    """
    try:
        return _typed(name, value, kind)
    except (TypeError, ValueError) as surprise:
        raise RepairError(
            f"attribute {name} cannot hold {value!r} ({surprise})",
            hint="report the pair: a rule proposed a value of the wrong type",
        ) from surprise


def _typed(name: str, value: AttributeValue, kind: int) -> AttributeProto:
    wanted = None if kind == AttributeProto.UNDEFINED else kind
    match kind, value:
        case AttributeProto.FLOAT, int() | float():
            return helper.make_attribute(name, float(value))
        case AttributeProto.FLOATS | AttributeProto.INTS, np.ndarray():
            return helper.make_attribute(name, value.tolist(), attr_type=wanted)
        case AttributeProto.FLOATS, tuple():
            floats = [float(one) for one in value]
            return helper.make_attribute(name, floats, attr_type=kind)
        case _, np.ndarray():
            return helper.make_attribute(name, numpy_helper.from_array(value))
        case _, tuple():
            return helper.make_attribute(name, list(value), attr_type=wanted)
    return helper.make_attribute(name, value)


def attribute_kind(proto: onnx.NodeProto, name: str, opset: int) -> int:
    """Return the type of a node's attribute: the schema's, else the one it has.

    Args:
        proto: The node, possibly without that attribute.
        name: Attribute name.
        opset: Opset version of the node's domain.
    """
    present = (one.type for one in proto.attribute if one.name == name)
    stated = int(next(present, AttributeProto.UNDEFINED))
    try:
        schema = defs.get_schema(proto.op_type, opset, proto.domain)
    except defs.SchemaError:
        return stated
    if name not in schema.attributes:
        return stated
    spelt = str(schema.attributes[name].type).rpartition(".")[2]
    return int(AttributeProto.AttributeType.Value(spelt))


def revalued(tensor: TensorProto, value: Array) -> TensorProto:
    """Return a tensor with another value, its name, doc string and metadata kept.

    Args:
        tensor: The tensor as the user has it.
        value: Its new value, of any shape and dtype.
    """
    result = numpy_helper.from_array(np.ascontiguousarray(value).reshape(value.shape))
    result.name = tensor.name
    if tensor.HasField("doc_string"):
        result.doc_string = tensor.doc_string
    result.metadata_props.extend(tensor.metadata_props)
    return result


def constant_attribute(proto: onnx.NodeProto, value: Array) -> AttributeProto:
    """Return the attribute of a Constant node that is to give another value.

    Args:
        proto: The Constant node, whose spelling is kept where it can hold the value.
        value: What it is to give.
    """
    old = proto.attribute[0]
    if SPELLINGS.get(old.name) == (str(value.dtype), value.ndim):
        return attribute_proto(old.name, value.tolist(), old.type)
    if old.name != "value":
        return attribute_proto("value", value)
    result = AttributeProto()
    result.CopyFrom(old)
    result.t.CopyFrom(revalued(old.t, value))
    return result
