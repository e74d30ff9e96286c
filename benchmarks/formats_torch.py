"""Write one torch source of the zoo in every format: ``formats_torch.py NAME FOLDER``.

Beside each file stands what torch makes of the first probes, ``FORMAT.npz``;
``parameters.npz`` has every floating-point entry of the state_dict.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from string import Template

import numpy as np
import torch
from torch import nn
from zoo import SOURCES, probes
from zoo_torch import RECIPES, calibrated_source, program

HERE = Path(__file__).resolve().parent
PROBES = 4
"""Samples that each file is run on."""

FACTORY = Template('''"""The network that its weights belong to."""

import sys

sys.path.append($here)
import torch
from zoo_torch import RECIPES


def build():
    """Return the module without its weights."""
    return RECIPES[$name].module().eval()


def factory():
    """Return the module and an example of its input."""
    module = build()
    module.load_state_dict(torch.load($weights, weights_only=True))
    return module, torch.from_numpy(RECIPES[$name].draw(2, 2))
''')


def files(
    name: str, module: nn.Module, sample: torch.Tensor
) -> Iterator[tuple[str, Callable[[Path], None]]]:
    """Yield each file's name with what writes it."""
    recipe = RECIPES[name]

    def factory(path: Path) -> None:
        weights = str(path.with_name("weights.pt"))
        told = FACTORY.substitute(
            here=repr(str(HERE)), name=repr(name), weights=repr(weights)
        )
        path.write_text(told, encoding="utf-8")

    yield "weights.pt", lambda path: torch.save(module.state_dict(), path)
    yield "factory.py", factory
    yield "program.pt2", lambda path: program(module, sample, recipe, path)
    yield "script.pt", lambda path: torch.jit.trace(module, sample).save(path)


def main(name: str, folder: Path) -> None:
    """Write every format of one source into a folder."""
    module = calibrated_source(name)
    shown = probes(SOURCES[name])[0][:PROBES]
    np.savez(folder / "probes.npz", in0=shown)
    entries = {key: value.numpy() for key, value in module.state_dict().items()}
    floats = {key: value for key, value in entries.items() if value.dtype.kind == "f"}
    np.savez(folder / "parameters.npz", **floats)
    with torch.no_grad():
        results = np.stack([module(torch.from_numpy(one)).numpy() for one in shown])
    for file, write in files(name, module, torch.from_numpy(RECIPES[name].draw(2, 2))):
        try:
            write(folder / file)
        except Exception as refusal:  # noqa: BLE001 - whatever an exporter raises
            said = f"{type(refusal).__name__}: {refusal}"[:500]
            (folder / f"{file}.error").write_text(said, encoding="utf-8")
        else:
            np.savez(folder / f"{file}.npz", out0=results)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
