"""The zoo: every source, in every spelling its framework's own converters give.

``python benchmarks/zoo.py [NAME ...]`` builds what is not there yet; without a name, every
narrow source. Frameworks are imported in the builders' processes only.
"""

import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("PIVOTFIX_ZOO", HERE / ".cache" / "zoo"))
"""Where sources are built; another folder keeps a sample apart from the whole."""

DONE = "built"
"""The file that says a folder is complete: an interrupted build starts again."""

LIMIT = 1800
"""Seconds a full-size source may take to be built and converted."""


@dataclass(frozen=True, slots=True)
class Source:
    """A network of the zoo.

    Attributes:
        name: What tables call it, and its folder.
        builder: The script that builds it.
        spellings: What the script writes, the one closest to the framework first.
        native: The file in the framework's own format, empty where there is none.
        opset: Default-domain opset of its spellings.
    """

    name: str
    builder: str
    spellings: tuple[str, ...]
    native: str
    opset: int

    @property
    def folder(self) -> Path:
        """Where it is built."""
        return CACHE / self.name

    @property
    def full(self) -> bool:
        """Whether it is built only on request, at the size people use."""
        return self.name.endswith("-full")


def _keras(name: str, *, picture: bool) -> Source:
    nchw = ("tf2onnx-nchw",) if picture else ()
    spelt = ("tf2onnx", *nchw, "tflite")
    return Source(name, "zoo_keras.py", spelt, "model.keras", 18)


def _torch(name: str) -> Source:
    spelt = ("dynamo-raw", "dynamo", "torchscript")
    return Source(name, "zoo_torch.py", spelt, "model.pt2", 18)


def _graph(name: str) -> Source:
    return Source(name, "zoo_graphs.py", ("onnx",), "", 17)


NARROW = (
    _torch("resnet"), _torch("densenet"), _torch("unet"), _torch("vit"), _torch("bert"),
    _torch("lstm"), _torch("gru"), _torch("decoder"),
    _graph("detection"), _graph("if"), _graph("loop"),
    _keras("mobilenetv2", picture=True), _keras("inceptionv3", picture=True),
    _keras("resnet101v2", picture=True),
    _keras("keras-lstm", picture=False), _keras("keras-gru", picture=False),
)  # fmt: skip
FULL = (
    _keras("mobilenetv2-full", picture=True), _keras("resnet101v2-full", picture=True),
    _keras("inceptionv3-full", picture=True), _torch("resnet-full"), _torch("vit-full"),
    _torch("bert-full"),
)  # fmt: skip
DEPLOYED = (
    _torch("torch-mobilenetv2"), _torch("torch-resnet101"), _torch("torch-inceptionv3"),
    _torch("torch-memories"), _keras("keras-vit", picture=True),
    _keras("keras-transformer", picture=False), _keras("keras-memories", picture=False),
)  # fmt: skip
"""What the table of formats needs beside: each of its six networks in both frameworks."""

SOURCES = {source.name: source for source in (*NARROW, *FULL, *DEPLOYED)}


def build(source: Source) -> bool:
    """Build a source unless it is there; return whether it is there now."""
    if (source.folder / DONE).exists():
        return True
    source.folder.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"PYTHONWARNINGS": "ignore"}
    try:
        ended = subprocess.run(  # noqa: S603 - this folder's own scripts
            [sys.executable, HERE / source.builder, source.name, source.folder],
            env=environment, capture_output=True, text=True, check=False, timeout=LIMIT,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        print(f"{source.name}: not built in {LIMIT} s", file=sys.stderr)
        return False
    if ended.returncode != 0:
        print(f"{source.name}: not built\n{ended.stderr[-2000:]}", file=sys.stderr)
        return False
    (source.folder / DONE).touch()
    return True


def probes(source: Source) -> tuple[npt.NDArray[np.generic], ...]:
    """Return the arrays of a source's probes, one per input, samples first."""
    with np.load(source.folder / "probes.npz") as arrays:
        return tuple(arrays[name] for name in arrays.files)


def main(names: Iterable[str]) -> int:
    """Build sources and list what became of each spelling."""
    asked = tuple(names) or tuple(source.name for source in NARROW)
    built = [build(SOURCES[name]) for name in asked]
    for name in asked:
        folder = SOURCES[name].folder
        missing = sorted(path.stem for path in folder.glob("*.error"))
        there = sorted(path.name for path in folder.glob("*.onnx"))
        failed = f"; failed: {', '.join(missing)}" if missing else ""
        print(f"{name:20} {', '.join(there)}{failed}")
    return 0 if all(built) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
