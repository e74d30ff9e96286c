"""Write a small Keras network in every format, right and with each fault: ``... FOLDER``.

Every fault is the framework's own: the network is built with it and converted like any
other, but for a wrong grid, which is put into the ``.tflite`` files.
"""

import sys
from pathlib import Path

import keras
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import Builder
from formats_keras import to_frozen, to_tflite
from keras import layers

FAULTS = ("weight", "attribute", "activation", "padding", "missing", "extra", "layout")
PRECISIONS = ("float32", "float16", "dynamic", "int8")
SIZE = 16
WIDE = 128
"""Channels that make both last weights as large as the converter quantizes by itself: 1024
numbers."""

LOUD = 4.0
"""Factor of the normalised values, so that one in ten passes six: a wrong clip shows."""

WRONG_SCALE = 1.5
"""What a wrong grid's steps are too large by."""


def network(fault: str) -> keras.Model:
    """Return the network with one fault; an unknown word: without."""
    keras.utils.set_random_seed(3)
    image = keras.Input((SIZE, SIZE, 3), name="image")
    x = layers.Conv2D(8, 3, 2, "same", name="stem", use_bias=False)(image)
    x = layers.BatchNormalization(name="stem_bn")(x)
    x = layers.ReLU(None if fault == "activation" else 6.0, name="stem_relu")(x)
    if fault == "layout":
        x = layers.Permute((2, 1, 3), name="turned")(x)
    around = "valid" if fault == "padding" else "same"
    x = layers.DepthwiseConv2D(3, padding=around, name="dw")(x)
    x = layers.LeakyReLU(0.5 if fault == "attribute" else 0.1, name="dw_leaky")(x)
    if fault == "extra":
        x = layers.Activation("tanh", name="odd")(x)
    active = None if fault == "missing" else "relu"
    x = layers.Conv2D(WIDE, 1, name="pw", activation=active)(x)
    x = layers.MaxPooling2D(2, name="pool")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(image, layers.Dense(10, name="head")(x))


def weights(model: keras.Model, fault: str) -> None:
    """Give the network weights that matter, one wrong where that is the fault."""
    rng = np.random.default_rng(1)
    values = []
    for weight in model.weights:
        shape = weight.shape
        drawn = rng.uniform(0.5, 2.0, shape) * rng.choice([-1, 1], shape)
        if weight.name in {"gamma", "moving_variance"}:
            drawn = np.abs(drawn) * (LOUD if weight.name == "gamma" else 1.0)
        values.append(drawn if len(shape) == 1 else drawn / np.sqrt(np.prod(shape[:-1])))
    if fault == "weight":
        values[0][..., 3] *= -1.0
    model.set_weights(values)


def wrong_grid(path: Path, out: Path) -> None:
    """Write a ``.tflite`` file whose last layer's weight has steps too large."""
    content = bytearray(path.read_bytes())
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    graph = model.subgraphs[0]
    dense = schema.BuiltinOperator.FULLY_CONNECTED
    codes = [one.builtinCode for one in model.operatorCodes]
    operator = next(one for one in graph.operators if codes[one.opcodeIndex] == dense)
    grid = graph.tensors[operator.inputs[1]].quantization
    grid.scale = np.atleast_1d(grid.scale).astype(np.float32) * np.float32(WRONG_SCALE)
    builder = Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    out.write_bytes(bytes(builder.Output()))


def main(folder: Path) -> None:
    """Write every fault in every format."""
    drawn = np.random.default_rng(7).uniform(-1, 1, (32, 1, SIZE, SIZE, 3))
    samples = list(drawn.astype(np.float32))
    for fault in ("right", *FAULTS):
        model = network(fault)
        weights(model, fault)
        own = folder / fault
        own.mkdir(parents=True, exist_ok=True)
        model.save(own / "model.keras")
        model.save(own / "model.h5")
        model.export(own / "saved_model", verbose=False)
        to_frozen(model, own / "frozen.pb")
        for precision in PRECISIONS:
            to_tflite(model, own / f"{precision}.tflite", samples)
    grids = folder / "quantization"
    grids.mkdir(exist_ok=True)
    for precision in ("dynamic", "int8"):
        wrong_grid(folder / "right" / f"{precision}.tflite", grids / f"{precision}.tflite")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
