"""What goes wrong in a quantized file, each as an edit of one."""

import numpy as np
import onnx
from onnx import numpy_helper

WEIGHT_SCALE = {"DequantizeLinear": 1, "QLinearConv": 4}


def constant(model: onnx.ModelProto, name: str) -> np.ndarray:
    """Return an initializer's value."""
    found = next(one for one in model.graph.initializer if one.name == name)
    return numpy_helper.to_array(found)


def give(model: onnx.ModelProto, node: onnx.NodeProto, slot: int, value: object) -> None:
    """Give a node a constant of its own, of the dtype of the one it had."""
    old = constant(model, node.input[slot])
    name = f"{node.output[0]}_{slot}"
    fresh = numpy_helper.from_array(np.asarray(value, old.dtype), name)
    model.graph.initializer.append(fresh)
    node.input[slot] = name


def every(model: onnx.ModelProto, op: str) -> list[onnx.NodeProto]:
    """Return the nodes of one type."""
    return [node for node in model.graph.node if node.op_type == op]


def _weights(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """Return what takes int8 weights off their grid."""
    names = {
        t.name for t in model.graph.initializer if t.data_type == onnx.TensorProto.INT8
    }
    return [n for n in every(model, "DequantizeLinear") if n.input[0] in names]


def _second(model: onnx.ModelProto) -> tuple[onnx.NodeProto, list[onnx.NodeProto]]:
    """Return the quantizer behind the second convolution, and what reads it."""
    given = every(model, "Conv")[1].output[0]
    writer = next(n for n in every(model, "QuantizeLinear") if n.input[0] == given)
    readers = [n for n in model.graph.node if writer.output[0] in n.input]
    return writer, readers


def _set_all(model: onnx.ModelProto, slot: int, value: object) -> None:
    writer, readers = _second(model)
    for node in (writer, *readers):
        give(model, node, slot, value)


def clipped(model: onnx.ModelProto) -> None:
    """Let a range hold a third of what it held."""
    writer, _ = _second(model)
    _set_all(model, 1, constant(model, writer.input[1]) * 0.3)


def coarse(model: onnx.ModelProto) -> None:
    """Give a tensor the scale of one a hundred times as large."""
    writer, _ = _second(model)
    _set_all(model, 1, constant(model, writer.input[1]) * 100)


def misread_scale(model: onnx.ModelProto) -> None:
    """Read a tensor with another scale than it was written with."""
    writer, readers = _second(model)
    for node in readers:
        give(model, node, 1, constant(model, writer.input[1]) * 1.7)


def misread_zero(model: onnx.ModelProto) -> None:
    """Read a tensor with another zero point than it was written with."""
    writer, readers = _second(model)
    for node in readers:
        give(model, node, 2, constant(model, writer.input[2]).astype(int) + 25)


def weight_scale(model: onnx.ModelProto) -> None:
    """Read a weight with another scale than its integers were made with."""
    node = _weights(model)[1]
    give(model, node, 1, constant(model, node.input[1]) * 1.5)


def weight_zero(model: onnx.ModelProto) -> None:
    """Read a weight with a zero point that is not its own."""
    node = _weights(model)[1]
    give(model, node, 2, constant(model, node.input[2]).astype(int) + 20)


def one_scale(model: onnx.ModelProto) -> None:
    """Keep the largest of a weight's scales for all its channels."""
    node = _weights(model)[1]
    scale = constant(model, node.input[1])
    give(model, node, 1, np.full(scale.shape[:0], scale.max()))
    give(model, node, 2, np.zeros((), int))
    del node.attribute[:]


def wrapped(model: onnx.ModelProto) -> None:
    """Take a weight's bytes for those of the other signedness."""
    node = _weights(model)[1]
    bits = constant(model, node.input[0]).view(np.uint8) ^ np.uint8(0x80)
    give(model, node, 0, bits.view(np.int8))


def operator_weight_scale(model: onnx.ModelProto) -> None:
    """Read an integer convolution's weight with another scale."""
    node = every(model, "QLinearConv")[1]
    give(model, node, 4, constant(model, node.input[4]) * 1.5)


def operator_input_scale(model: onnx.ModelProto) -> None:
    """Read an integer convolution's input with another scale than it was written with."""
    node = every(model, "QLinearConv")[1]
    give(model, node, 1, constant(model, node.input[1]) * 1.7)


def operator_wrapped(model: onnx.ModelProto) -> None:
    """Take the bytes of an integer convolution's weight for unsigned ones."""
    node = every(model, "QLinearConv")[1]
    bits = constant(model, node.input[3]).view(np.uint8) ^ np.uint8(0x80)
    give(model, node, 3, bits.view(np.int8))


def rectifier_lost(model: onnx.ModelProto) -> None:
    """Take the first rectifier out."""
    node = every(model, "Relu")[0]
    for reader in model.graph.node:
        for slot, name in enumerate(reader.input):
            reader.input[slot] = node.input[0] if name == node.output[0] else name
    model.graph.node.remove(node)


def dynamic_wrapped(model: onnx.ModelProto) -> None:
    """Take unsigned integers of a multiplied weight for signed ones."""
    node = every(model, "ConvInteger")[0]
    old = constant(model, node.input[1])
    give(model, node, 1, (old.view(np.uint8) ^ np.uint8(0x80)).view(old.dtype))


def dynamic_scale(model: onnx.ModelProto) -> None:
    """Multiply the integers of a weight with half as large a scale again."""
    constants = {one.name for one in model.graph.initializer}
    node = next(n for n in every(model, "Mul") if constants & set(n.input))
    slot = next(k for k, name in enumerate(node.input) if name in constants)
    give(model, node, slot, constant(model, node.input[slot]) * 1.5)
