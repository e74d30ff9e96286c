"""Write one Keras source of the zoo in every format: ``formats_keras.py NAME FOLDER``.

Beside each file stands what its own runtime makes of the first probes, ``FORMAT.npz``;
``parameters.npz`` has every variable of the model by its path.
"""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2,
)
from zoo import SOURCES, probes

PROBES = 4
"""Samples that each file is run on."""

CALIBRATION = 32
"""Samples that full integers take their ranges from."""

Arrays = list[np.ndarray]


def concrete(model: keras.Model, batch: int | None) -> object:
    """Return the model's inference as a function of a batch of so many samples."""
    shape = (batch, *model.inputs[0].shape[1:])
    signature = (tf.TensorSpec(shape, model.inputs[0].dtype, name="x"),)
    called = tf.function(lambda x: model(x, training=False), input_signature=signature)
    return called.get_concrete_function()


def to_frozen(model: keras.Model, path: Path) -> None:
    """Write the model's graph with its variables as constants."""
    frozen = convert_variables_to_constants_v2(concrete(model, None))
    path.write_bytes(frozen.graph.as_graph_def().SerializeToString())


def to_tflite(model: keras.Model, path: Path, samples: Arrays) -> None:
    """Write what TensorFlow Lite makes of the model, as precise as the file is named."""
    frozen = convert_variables_to_constants_v2(concrete(model, 1))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
    if path.stem != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if path.stem == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if path.stem == "int8":
        converter.representative_dataset = lambda: ([one] for one in samples)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    path.write_bytes(converter.convert())


def lite(path: Path, samples: Arrays) -> Arrays:
    """Return what LiteRT makes of samples."""
    interpreter = Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    given, made = (
        places[0]["index"]
        for places in (interpreter.get_input_details(), interpreter.get_output_details())
    )
    results = []
    for sample in samples:
        interpreter.set_tensor(given, sample)
        interpreter.invoke()
        results.append(interpreter.get_tensor(made).copy())
    return results


def files(
    model: keras.Model, folder: Path, shown: Arrays
) -> Iterator[tuple[str, Callable]]:
    """Yield each file's name with what writes it and gives its runtime's results."""

    def kept(path: Path) -> Arrays:
        model.save(path)
        return [np.asarray(model(one, training=False)) for one in shown]

    def saved(path: Path) -> Arrays:
        model.export(path, verbose=False)
        serve = tf.saved_model.load(str(path)).signatures["serving_default"]
        name = next(iter(serve.structured_input_signature[1]))
        return [next(iter(serve(**{name: one}).values())).numpy() for one in shown]

    def frozen(path: Path) -> Arrays:
        to_frozen(model, path)
        return [np.asarray(model(one, training=False)) for one in shown]

    def small(path: Path) -> Arrays:
        with np.load(folder / "calibration.npz") as drawn:
            to_tflite(model, path, list(drawn["in0"]))
        return lite(path, shown)

    yield from (("model.keras", kept), ("model.h5", kept), ("saved_model", saved))
    yield "frozen.pb", frozen
    for precision in ("float32", "float16", "dynamic", "int8"):
        yield f"{precision}.tflite", small


def main(name: str, folder: Path) -> None:
    """Write every format of one source into a folder."""
    source = SOURCES[name]
    model = keras.saving.load_model(source.folder / source.native, compile=False)
    drawn = probes(source)[0]
    shown = list(drawn[:PROBES])
    np.savez(folder / "probes.npz", in0=drawn[:PROBES])
    np.savez(folder / "calibration.npz", in0=drawn[PROBES : PROBES + CALIBRATION])
    variables = {value.path: np.asarray(value) for value in model.weights}
    np.savez(folder / "parameters.npz", **variables)
    write(model, folder, shown)


def write(model: keras.Model, folder: Path, shown: Arrays) -> None:
    """Write a model in every format; what a converter refuses stands beside it."""
    for file, make in files(model, folder, shown):
        refused = folder / f"{file}.error"
        refused.write_text("the converter ended its own process", encoding="utf-8")
        try:
            np.savez(folder / f"{file}.npz", out0=np.stack(make(folder / file)))
        except Exception as refusal:  # noqa: BLE001 - whatever a converter raises
            said = f"{type(refusal).__name__}: {refusal}"[:500]
            refused.write_text(said, encoding="utf-8")
        else:
            refused.unlink()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
