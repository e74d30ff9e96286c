"""A small network as frozen graph and SavedModel, healthy and with one fault each."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2,
)

Nodes = Any
Tensor = Any
Curve = Callable[[Tensor], Tensor]
Break = Callable[[Nodes, str], None]
"""Changes nodes; tensors of a function are read with a suffix that a graph has not."""


def network() -> keras.Model:
    """Return a network of which every weight matters."""
    keras.utils.set_random_seed(3)
    layers = keras.layers
    image = keras.Input((16, 16, 3), name="image")
    x = layers.Conv2D(8, 3, padding="same", strides=2, name="stem", use_bias=False)(image)
    x = layers.BatchNormalization(name="stem_bn")(x)
    x = layers.ReLU(6.0, name="stem_relu")(x)
    x = layers.DepthwiseConv2D(3, padding="same", name="dw")(x)
    x = layers.Conv2D(12, 1, activation="relu", name="pw")(x)
    x = layers.MaxPooling2D(2, name="pool")(x)
    x = layers.GlobalAveragePooling2D(name="gap")(x)
    model = keras.Model(image, layers.Dense(10, activation="softmax", name="head")(x))
    rng = np.random.default_rng(1)
    for layer in model.layers:
        values = [rng.uniform(0.5, 2, each.shape) for each in layer.get_weights()]
        own = [
            one if one.ndim > 1 else value
            for one, value in zip(layer.get_weights(), values, strict=True)
        ]
        layer.set_weights(own)
    return model


def save(model: keras.Model, folder: Path, name: str) -> None:
    """Write a model as frozen graph and as SavedModel."""
    spec = tf.TensorSpec([None, 16, 16, 3], tf.float32, name="image")
    traced = tf.function(model).get_concrete_function(spec)
    graph = convert_variables_to_constants_v2(traced).graph.as_graph_def()
    (folder / f"{name}.pb").write_bytes(graph.SerializeToString())
    model.export(folder / name, verbose=False)


def padding(nodes: Nodes, _: str) -> None:
    """Pad before, not behind."""
    for node in nodes:
        if node.op == "Conv2D" and "stem" in node.name:
            node.attr["padding"].s = b"EXPLICIT"
            node.attr["explicit_paddings"].list.i[:] = [0, 0, 1, 0, 1, 0, 0, 0]


def missing(nodes: Nodes, _: str) -> None:
    """Take the activation behind the last convolution out."""
    for lost in [node for node in nodes if node.op == "Relu"]:
        for node in nodes:
            for slot, name in enumerate(node.input):
                if name.partition(":")[0] == lost.name:
                    node.input[slot] = lost.input[0]
        nodes.remove(lost)


def wrong(nodes: Nodes, _: str) -> None:
    """Let an activation have no upper bound."""
    for node in nodes:
        if node.op == "Relu6":
            node.op = "Relu"


def extra(nodes: Nodes, suffix: str) -> None:
    """Put an activation where none is."""
    for node in nodes:
        if node.op == "DepthwiseConv2dNative":
            added = nodes.add(name="odd/Tanh", op="Tanh", input=node.input[:1])
            added.attr["T"].type = tf.float32.as_datatype_enum
            node.input[0] = f"odd/Tanh{suffix}"


def epsilon(nodes: Nodes, _: str) -> None:
    """Give a normalisation another epsilon."""
    for node in nodes:
        if node.name.endswith("stem_bn_1/batchnorm/add/y"):
            node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(np.float32(0.1)))


def window(nodes: Nodes, _: str) -> None:
    """Let a pool step by one in one direction."""
    for node in nodes:
        if node.op == "MaxPool":
            node.attr["strides"].list.i[1] = 1


BREAKS: tuple[Break, ...] = (padding, missing, wrong, extra, epsilon, window)


def broken(folder: Path, change: Break) -> None:
    """Write both forms of the network with one fault."""
    name = change.__name__
    graph = tf.compat.v1.GraphDef()
    graph.ParseFromString((folder / "right.pb").read_bytes())
    change(graph.node, "")
    (folder / f"{name}.pb").write_bytes(graph.SerializeToString())
    shutil.copytree(folder / "right", folder / name)
    file = folder / name / "saved_model.pb"
    stored = saved_model_pb2.SavedModel()
    stored.ParseFromString(file.read_bytes())
    for function in stored.meta_graphs[0].graph_def.library.function:
        change(function.node_def, ":y:0")
        for node in function.node_def:
            node.attr.pop("_output_shapes", None)
    file.write_bytes(stored.SerializeToString())


def ended(folder: Path) -> None:
    """Write a graph whose output is an activation, and one that lost it."""
    first, last = np.random.default_rng(2).normal(size=(2, 6, 6)).astype(np.float32)
    for name in ("active", "bare"):
        with tf.Graph().as_default() as graph:
            rows = tf.compat.v1.placeholder(tf.float32, [None, 6], "rows")
            product = [tf.tanh(tf.matmul(rows, first)), last]
            if name == "bare":
                tf.matmul(*product, name="result")
            else:
                tf.nn.relu(tf.matmul(*product), name="result")
        content = graph.as_graph_def().SerializeToString()
        (folder / f"{name}.pb").write_bytes(content)


def saved(folder: Path, name: str, call: Curve, shape: list[Any]) -> None:
    """Write what a function computes as frozen graph and as SavedModel."""
    module = tf.Module()
    module.call = tf.function(call, input_signature=[tf.TensorSpec(shape, name="x")])
    traced = module.call.get_concrete_function()
    tf.saved_model.save(module, str(folder / name), signatures=traced)
    graph = convert_variables_to_constants_v2(traced).graph.as_graph_def()
    (folder / f"{name}.pb").write_bytes(graph.SerializeToString())


def shifted(folder: Path) -> None:
    """Write a convolution with a bias, and one that has none."""
    rng = np.random.default_rng(4)
    kernel = rng.normal(size=(3, 3, 3, 4)).astype(np.float32)
    bias = np.array([1, -2, 3, 0.5], np.float32)

    def convolved(image: Tensor) -> Tensor:
        return tf.nn.conv2d(image, kernel, 1, "VALID")

    shape = [None, 8, 8, 3]
    saved(folder, "plain", lambda x: tf.nn.relu(convolved(x)), shape)
    saved(folder, "biased", lambda x: tf.nn.relu(convolved(x) + bias), shape)


def called_twice(folder: Path) -> None:
    """Write graphs that call one function twice, and one that does not."""
    first, second, third = np.random.default_rng(5).normal(size=(3, 6, 6)).astype("f")

    def curved(one: Curve, other: Curve) -> Curve:
        return lambda x: other(one(x @ first) @ second) @ third

    steep, flat = (
        tf.function(lambda x, slope=slope: tf.nn.leaky_relu(x, slope))
        for slope in (0.3, 0.1)
    )
    saved(folder, "steep_twice", curved(steep, steep), [None, 6])
    saved(folder, "flat_twice", curved(flat, flat), [None, 6])
    saved(folder, "steep_flat", curved(steep, flat), [None, 6])


def shared(folder: Path) -> None:
    """Write graphs whose one constant two operators read, and one with two constants."""
    rng = np.random.default_rng(6)
    first, second = rng.normal(size=(2, 6, 6)).astype(np.float32)
    pairs = {"first": (first, first), "second": (second, second), "both": (first, second)}
    for name, (one, other) in pairs.items():
        with tf.Graph().as_default() as graph:
            rows = tf.compat.v1.placeholder(tf.float32, [None, 6], "rows")
            held = tf.constant(one)
            last = held if one is other else tf.constant(other)
            tf.matmul(tf.tanh(tf.matmul(rows, held)), last, name="result")
        content = graph.as_graph_def().SerializeToString()
        (folder / f"{name}_held.pb").write_bytes(content)


def main(folder: Path) -> None:
    """Write the healthy network and every broken one."""
    model = network()
    model.save(folder / "right.keras")
    save(model, folder, "right")
    for change in BREAKS:
        broken(folder, change)
    ended(folder)
    shifted(folder)
    called_twice(folder)
    shared(folder)
    for name, place in (("weight", 0), ("bias", 8)):
        values = [one.copy() for one in model.get_weights()]
        values[place].flat[5] += 1.5
        other = keras.models.clone_model(model)
        other.set_weights(values)
        save(other, folder, name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
