"""Convert a network of FetaFix's cases: ``fetafix_conversions.py FOLDER ONNX2TF FILE ...``.

From ``trained.keras`` and ``bare.keras``: ``<name>.onnx`` by tf2onnx, which stands for the
TensorFlow function, with ``trained-nchw.onnx`` its input channels first; ``<name>.tflite``,
and ``trained-quantized.tflite`` with ``Optimize.DEFAULT``. From the two ``.pt2``, given
onnx2tf's program, which may be empty: ``<name>-onnx2tf.tflite``. Of these the files that
are named; each that exists is left as it is.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}

import numpy as np

OPSET = 18
CALIBRATION = "calibration_image_sample_data_20x128x128x3_float32.npy"
"""What onnx2tf would download: images from 0 to 1 to check itself on."""


def to_onnx(folder: Path, path: Path, *, first: bool = False) -> None:
    """Write what tf2onnx makes of a Keras model, its input channels first or last."""
    import keras
    import tensorflow as tf
    import tf2onnx

    model = keras.models.load_model(folder / f"{path.stem.removesuffix('-nchw')}.keras")
    shape = (None, *model.inputs[0].shape[1:])
    signature = (tf.TensorSpec(shape, tf.float32, name="image"),)
    called = tf.function(lambda x: model(x, training=False), input_signature=signature)
    tf2onnx.convert.from_function(
        called, signature, opset=OPSET, output_path=str(path),
        inputs_as_nchw=["image:0"] if first else None,
    )  # fmt: skip


def to_tflite(folder: Path, path: Path, *, quantized: bool = False) -> None:
    """Write what TensorFlow's own converter makes of a Keras model."""
    import keras
    import tensorflow as tf

    model = keras.models.load_model(
        folder / f"{path.stem.removesuffix('-quantized')}.keras"
    )
    with tempfile.TemporaryDirectory() as saved:
        model.export(saved, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(saved)
        if quantized:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        path.write_bytes(converter.convert())


def by_onnx2tf(folder: Path, path: Path, program: str) -> None:
    """Write what onnx2tf makes of torch's ONNX export."""
    import torch

    exported = torch.export.load(folder / f"{path.stem.removesuffix('-onnx2tf')}.pt2")
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        torch.onnx.export(exported, dynamo=True, verbose=False).save(place / "model.onnx")
        images = np.random.default_rng(0).uniform(0, 1, (20, 128, 128, 3))
        np.save(place / CALIBRATION, images.astype(np.float32))
        search = f"{Path(program).parent}{os.pathsep}{os.environ['PATH']}"
        subprocess.run(  # noqa: S603 - the program is named by the caller
            [program, "-i", "model.onnx", "-o", "made", "-n"], cwd=place, check=True,
            env=os.environ | {"PATH": search}, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        (place / "made" / "model_float32.tflite").replace(path)


def conversions(
    folder: Path, program: str
) -> Iterator[tuple[Path, Callable[[Path], None]]]:
    """Yield each file and what makes it."""
    for name in ("trained", "bare"):
        yield folder / f"{name}.onnx", lambda path: to_onnx(folder, path)
        yield folder / f"{name}.tflite", lambda path: to_tflite(folder, path)
        if program:
            made = folder / f"{name}-onnx2tf.tflite"
            yield made, lambda path: by_onnx2tf(folder, path, program)
    yield folder / "trained-nchw.onnx", lambda path: to_onnx(folder, path, first=True)
    quantized = folder / "trained-quantized.tflite"
    yield quantized, lambda path: to_tflite(folder, path, quantized=True)


def main(folder: Path, program: str, wanted: Collection[str]) -> None:
    """Make what is missing; a converter that refuses leaves its words in ``FILE.error``."""
    for path, make in conversions(folder, program):
        if path.exists() or path.name not in wanted:
            continue
        try:
            make(path)
        except Exception as refusal:  # noqa: BLE001 - each converter raises its own
            path.with_suffix(f"{path.suffix}.error").write_text(str(refusal))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
