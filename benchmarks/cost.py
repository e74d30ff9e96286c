"""What `diff` costs beside the floor, on networks of the size people convert.

``python benchmarks/cost.py [--runs N] [NAME ...]``: MobileNetV2, ResNet101 and a BERT-size
encoder, each against another conversion of itself, healthy and with one weight wrong.
"""

import argparse
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from measure import CACHE, HERE, ROOT, Cost, cost, publish
from polygraphy_rows import polygraphy_rows
from zoo import SOURCES, build

FLOOR = "floor: two bare runs, one read"


@dataclass(frozen=True, slots=True)
class Pair:
    """A network of the zoo and two of its spellings, which take the same array."""

    network: str
    source: str
    target: str

    @property
    def files(self) -> tuple[Path, Path]:
        """Source and target."""
        folder = SOURCES[self.network].folder
        return folder / f"{self.source}.onnx", folder / f"{self.target}.onnx"

    @property
    def folder(self) -> Path:
        """Where the broken target and the inputs are."""
        return CACHE / "cost" / self.network


PAIRS = (
    Pair("mobilenetv2-full", "tf2onnx", "tflite"),
    Pair("resnet101v2-full", "tf2onnx", "tflite"),
    Pair("bert-full", "dynamo", "torchscript"),
)


def ready(pair: Pair) -> bool:
    """Return whether everything that is measured of a pair is there, after making it."""
    if not build(SOURCES[pair.network]):
        return False
    if not (pair.folder / "sizes.json").exists():
        script = HERE / "cost_pair.py"
        subprocess.run([sys.executable, script, *pair.files, pair.folder], check=True)  # noqa: S603
    return True


def rows(pair: Pair, runs: int, *, peer: bool) -> tuple[Cost, ...]:
    """Return the cost of the floor, of `diff` healthy and broken, and of Polygraphy."""
    source, target = pair.files
    inputs, broken = pair.folder / "inputs.npz", pair.folder / "broken.onnx"
    diff = [sys.executable, ROOT / "cli.py", "diff", "--no-progress", "--inputs", inputs]
    sizes = pair.folder / "sizes.json"
    ours = (
        cost(
            FLOOR,
            [sys.executable, HERE / "floor.py", source, target, inputs, sizes],
            runs=runs,
        ),
        cost("diff, healthy", [*diff, source, target], runs=runs),
        cost("diff, one weight wrong", [*diff, source, broken], runs=runs, expected=(1,)),
    )
    return (*ours, *polygraphy_rows(source, target, inputs)) if peer else ours


def main() -> int:
    """Measure every pair asked for, print the tables and write the JSON."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("names", nargs="*", metavar="NAME")
    words.add_argument("--runs", type=int, default=3, help="(default: %(default)s)")
    words.add_argument("--peer", action="store_true", help="Polygraphy on the same pairs")
    given = words.parse_args()
    for pair in PAIRS:
        if (not given.names or pair.network in given.names) and ready(pair):
            table = rows(pair, given.runs, peer=given.peer)
            publish(f"cost_{pair.network}", table, against=FLOOR)
    return 0


if __name__ == "__main__":
    sys.exit(main())
