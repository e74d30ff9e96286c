"""Tiny SavedModels and frozen graphs: healthy, of TensorFlow 1, and hostile."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2,
)

SPEC = tf.TensorSpec((None, 4), name="value")
MARKER = "marker"
"""The file that hostile models write, beside themselves."""

v1 = tf.compat.v1
Call = Callable[[tf.Tensor], tf.Tensor]


class Module(tf.Module):
    """One function of one input, with whatever it captured."""

    def __init__(self, call: Call) -> None:
        super().__init__()
        self.call = tf.function(call, input_signature=[SPEC])


def frozen(model: keras.Model, *, lowered: bool = False) -> bytes:
    """Return a Keras model as a frozen graph, loops as TensorFlow 1 has them if lowered."""
    spec = tf.TensorSpec(model.inputs[0].shape, model.inputs[0].dtype, name="x")

    @tf.function(input_signature=[spec])
    def call(x: tf.Tensor) -> list[tf.Tensor]:
        return model(x, training=False)

    traced = call.get_concrete_function()
    constant = convert_variables_to_constants_v2(traced, lower_control_flow=lowered)
    return constant.graph.as_graph_def().SerializeToString()


def graph_of(call: Callable[[], object]) -> bytes:
    """Return what a function adds to an empty graph."""
    with tf.Graph().as_default() as graph:
        call()
    return graph.as_graph_def().SerializeToString()


def three_ends() -> None:
    """Add two outputs that count, a check, and inputs that nobody reads."""
    value = v1.placeholder(tf.float32, (None, 4), name="value")
    v1.placeholder(tf.float32, (), name="keep_probability")
    training = v1.placeholder_with_default(False, (), name="training")  # noqa: FBT003
    scaled = tf.where(training, value, value * tf.constant([1.0, 2.0, 3.0, 4.0]))
    small = tf.reduce_all(scaled < 100, name="small")
    tf.raw_ops.Assert(condition=small, data=[scaled])
    with tf.control_dependencies([tf.identity(small, name="guard")]):
        scaled = scaled + 0
    tf.identity(scaled, name="Identity")
    tf.math.top_k(scaled, 2, name="best")
    tf.identity(tf.reduce_sum(scaled, 1), name="Identity_1")


def channels_first() -> None:
    """Add a batch norm along the second axis, of images as wide as they have channels."""
    image = v1.placeholder(tf.float32, (None, 3, 2, 3), name="image")
    each = (tf.reshape(tf.constant(row), (1, 3, 1, 1)) for row in np.float32([
        [0.1, 0.2, 0.3], [0.5, 1.0, 2.0], [1.0, -1.0, 0.0], [2.0, 1.0, 3.0],
    ]))  # fmt: skip
    tf.nn.batch_normalization(image, *each, variance_epsilon=1e-3, name="norm")


def unfrozen() -> None:
    """Add a variable, which has no value in a graph."""
    value = v1.placeholder(tf.float32, (None, 4), name="value")
    v1.multiply(value, v1.get_variable("weight", (4,), use_resource=False), name="scaled")


def writing(folder: Path) -> Call:
    """Return a function that writes a file."""

    def call(value: tf.Tensor) -> tf.Tensor:
        tf.io.write_file(str(folder / MARKER), "here")
        return value + 1

    return call


def calling_python(folder: Path) -> Call:
    """Return a function that calls Python, which writes a file."""

    def written(value: np.ndarray) -> np.ndarray:
        (folder / MARKER).touch()
        return value

    def call(value: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.numpy_function(written, [value], tf.float32), (None, 4))

    return call


def through_a_dataset(value: tf.Tensor) -> tf.Tensor:
    """Return a sum that a dataset takes."""
    return tf.data.Dataset.range(3).reduce(value, lambda total, _: total + 1)


def saving_again(folder: Path) -> Call:
    """Return a function that writes a checkpoint, with the operator that saving uses."""

    def call(value: tf.Tensor) -> tf.Tensor:
        tf.raw_ops.SaveV2(
            prefix=str(folder / MARKER),
            tensor_names=["a"],
            shape_and_slices=[""],
            tensors=[value],
        )
        return value + 1

    return call


def session_era(folder: Path, *, signed: bool) -> None:
    """Write a SavedModel as TensorFlow 1 does, with a signature or without."""
    with tf.Graph().as_default(), v1.Session() as session:
        value = v1.placeholder(tf.float32, (None, 4), name="value")
        kernel = v1.get_variable("dense/kernel", (4, 3), use_resource=False)
        scores = tf.matmul(value, kernel, name="dense/MatMul")
        session.run(v1.global_variables_initializer())
        ends = (
            {"x": v1.saved_model.build_tensor_info(value)},
            {"scores": v1.saved_model.build_tensor_info(scores)},
        )
        signature = v1.saved_model.signature_def_utils.build_signature_def(*ends, "predict")
        builder = v1.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(
            session, ["serve"], signature_def_map={"predict": signature} if signed else None
        )
        builder.save()


def edited(graph: bytes, name: str, edit: Callable[[v1.NodeDef], None]) -> bytes:
    """Return a graph one of whose nodes, told by the end of its name, was edited."""
    whole = v1.GraphDef()
    whole.ParseFromString(graph)
    (node,) = (node for node in whole.node if node.name.endswith(name))
    edit(node)
    return whole.SerializeToString()


def dilate(node: v1.NodeDef) -> None:
    """Let a convolution skip every other pixel."""
    node.attr["dilations"].list.i[:] = [1, 2, 2, 1]
    node.attr["strides"].list.i[:] = [1, 1, 1, 1]


def loosen(node: v1.NodeDef) -> None:
    """Let a small number be a large one."""
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(np.float32(0.5)))


def reweighted(source: Path, folder: Path) -> None:
    """Write a SavedModel again with one column of one variable doubled."""
    model = tf.saved_model.load(str(source))
    variables = model.signatures["serving_default"].variables
    kernel = next(each for each in variables if "lstm_cell/kernel" in each.name)
    value = kernel.numpy()
    value[:, 3] *= 2
    kernel.assign(value)
    tf.saved_model.save(model, str(folder), signatures=model.signatures)


def signatures(folder: Path) -> None:
    """Write a SavedModel with two signatures, none of them the default."""
    module = Module(lambda value: value + 1)
    module.other = tf.function(lambda value: value * 2, input_signature=[SPEC])
    named = {"score": module.call, "embed": module.other}
    tf.saved_model.save(module, str(folder), signatures=named)


def memories() -> keras.Model:
    """Return a model whose second recurrence is a loop, in functions of its own."""
    steps = keras.Input((5, 3))
    whole = keras.layers.LSTM(4, return_sequences=True, name="memory")(steps)
    last = keras.layers.GRU(2, name="memory_again")(whole)
    return keras.Model(steps, keras.layers.Dense(2, name="last")(last))


def capturing() -> Call:
    """Return a function that holds a tensor which is no variable of it."""
    held = tf.constant(np.linspace(0, 1, 400, dtype=np.float32).reshape(4, 100))
    return lambda value: tf.matmul(value, held)


def build(
    folder: Path, network: keras.Model, ends: keras.Model, chain: keras.Model
) -> None:
    """Write every graph into a folder."""
    for name, model in (("network", network), ("two_ends", ends), ("chain", chain)):
        model.export(folder / f"{name}_saved", verbose=False)
    (folder / "network.pb").write_bytes(frozen(network))
    graph = frozen(network)
    (folder / "dilated.pb").write_bytes(edited(graph, "depth_1_1/depthwise", dilate))
    (folder / "loosened.pb").write_bytes(edited(graph, "norm_1/batchnorm/add/y", loosen))
    reweighted(folder / "chain_saved", folder / "reweighted_saved")
    (folder / "chain.pb").write_bytes(frozen(chain))
    (folder / "lowered.pb").write_bytes(frozen(chain, lowered=True))
    (folder / "three_ends.pb").write_bytes(graph_of(three_ends))
    (folder / "channels_first.pb").write_bytes(graph_of(channels_first))
    (folder / "unfrozen.pb").write_bytes(graph_of(unfrozen))
    session_era(folder / "signed_saved", signed=True)
    session_era(folder / "unsigned_saved", signed=False)
    signatures(folder / "signatures_saved")
    (folder / "memories.pb").write_bytes(frozen(memories()))
    memories().export(folder / "memories_saved", verbose=False)
    calls = {
        "capturing": capturing(),
        "writing": writing(folder),
        "python": calling_python(folder),
        "dataset": through_a_dataset,
        "saving": saving_again(folder),
    }
    for name, call in calls.items():
        tf.saved_model.save(Module(call), str(folder / f"{name}_saved"))
        graph = Module(call).call.get_concrete_function().graph.as_graph_def()
        (folder / f"{name}.pb").write_bytes(graph.SerializeToString())
