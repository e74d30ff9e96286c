"""Healthy pairs: every source of the zoo against every conversion of it that exists here.

``python benchmarks/pairs.py [SOURCE ...]`` derives what is not there yet, each conversion
in a process of its own, and lists what failed. A derived model lies beside its origin as
``<origin>+<conversion>.onnx``.
"""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from zoo import NARROW, SOURCES, Source, build

HERE = Path(__file__).resolve().parent
LIMIT = 600
"""Seconds one conversion may take."""

EXACT = (
    "onnxsim", "ort-basic", "ort-extended", "onnxscript", "onnxslim", "opset-up",
    "renamed",
)  # fmt: skip
LOSSY = ("fp16", "int8-static", "int8-dynamic")
CONVERSIONS = (*EXACT, *LOSSY)
ELSEWHERE = ("onnxsim", "onnxslim", "renamed")
"""What spellings other than a source's first are put through."""


@dataclass(frozen=True, slots=True)
class HealthyPair:
    """Two files that hold the same network.

    Attributes:
        source: The zoo's name of the network.
        left: The file that is right by definition.
        right: Its conversion.
        lossy: Whether the conversion rounds.
    """

    source: str
    left: Path
    right: Path
    lossy: bool

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"{self.source}:{self.left.name}>{self.right.name}"


def derive(source: Source, wanted: Iterable[str] = CONVERSIONS) -> None:
    """Derive the conversions of a source that are not there and have not failed."""
    spelt = [source.folder / f"{one}.onnx" for one in source.spellings]
    for origin in (path for path in spelt if path.exists()):
        closest = origin.stem == source.spellings[0]
        chosen = CONVERSIONS if closest else ELSEWHERE
        for conversion in (one for one in chosen if one in wanted):
            _convert(origin, conversion)


def _convert(origin: Path, conversion: str) -> None:
    result = origin.with_name(f"{origin.stem}+{conversion}.onnx")
    refused = result.with_suffix(".error")
    if result.exists() or refused.exists():
        return
    try:
        ended = subprocess.run(  # noqa: S603 - this folder's own script
            [sys.executable, HERE / "conversions.py", conversion, origin, result],
            capture_output=True, text=True, check=False, timeout=LIMIT,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        refused.write_text(f"not done in {LIMIT} s")
        return
    if ended.returncode != 0:
        result.unlink(missing_ok=True)
        refused.write_text(ended.stderr[-500:])


def pairs_of(source: Source) -> Iterator[HealthyPair]:
    """Yield the pairs of a source: its first spelling and every other file of it.

    The native file against its closest conversion comes first.
    """
    folder = source.folder
    first = folder / f"{source.spellings[0]}.onnx"
    if source.native and (folder / source.native).exists() and first.exists():
        yield HealthyPair(source.name, folder / source.native, first, lossy=False)
    for right in sorted(folder.glob("*.onnx")):
        conversion = right.stem.partition("+")[2]
        if right != first:
            yield HealthyPair(source.name, first, right, conversion in LOSSY)
    lite = folder / "model.tflite"
    if lite.exists():
        yield HealthyPair(source.name, first, lite, lossy=False)


def main(names: Iterable[str]) -> int:
    """Build and derive, then print the number of pairs and every refusal."""
    count = 0
    for name in tuple(names) or tuple(source.name for source in NARROW):
        source = SOURCES[name]
        if not build(source):
            continue
        derive(source)
        count += sum(1 for _ in pairs_of(source))
        for refused in sorted(source.folder.glob("*.error")):
            last = refused.read_text().strip().splitlines() or ["no reason given"]
            print(f"{name}: no {refused.stem}: {last[-1][:120]}")
    print(f"{count} pairs")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
