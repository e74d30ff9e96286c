"""Write one network of the zoo in every format that is read: ``formats_all.py FOLDER``.

The zoo's MobileNetV2 in torch, with its own weights also in Keras, TensorFlow, TFLite, ONNX
and JAX. ``parameters.npz`` has its weights, ``probes.npz`` its first probes.
"""

import json
import os
import sys
from pathlib import Path
from string import Template

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}

import formats_keras
import formats_torch
import numpy as np
import torch
from twin import in_keras, steps
from zoo_torch import RECIPES, calibrated_source, dynamo

HERE = Path(__file__).resolve().parent
NAME = "torch-mobilenetv2"
CALIBRATION = 32
LAST_TO_FIRST, FIRST_TO_LAST = (0, 3, 1, 2), (0, 2, 3, 1)

JAX = Template('''"""The network as a function of JAX."""

import sys
from pathlib import Path

sys.path.append($here)
from twin_jax import build


def factory():
    """Return the function, its parameters and an example of its input."""
    return build(Path(__file__).resolve().parent)
''')


def main(folder: Path) -> None:
    """Write every format into a folder."""
    formats_torch.main(NAME, folder)
    module, recipe = calibrated_source(NAME), RECIPES[NAME]
    sample = torch.from_numpy(recipe.draw(2, 2))
    dynamo(module, sample, recipe, folder / "model.onnx", optimize=True)
    with np.load(folder / "parameters.npz") as arrays:
        weights = {name: arrays[name] for name in arrays.files}
    with np.load(folder / "probes.npz") as drawn:
        shown = [one.transpose(FIRST_TO_LAST) for one in drawn["in0"]]
    given = list(steps(module))
    (folder / "steps.json").write_text(json.dumps(given), encoding="utf-8")
    (folder / "jax_function.py").write_text(
        JAX.substitute(here=repr(str(HERE))), encoding="utf-8"
    )
    images = recipe.draw(CALIBRATION, 4).transpose(FIRST_TO_LAST)
    np.savez(folder / "calibration.npz", in0=images[:, None])
    model = in_keras(given, weights, images.shape[1])
    formats_keras.write(model, folder, shown)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
