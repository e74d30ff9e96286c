"""How truly is each format read? ``frameworks.py [--networks A,B] [--formats C,D]``.

Builds six networks in every format of their framework, reads each file in a process of its
own, and prints, for each, how far the pivot is from the file's own runtime, which share of
its parameters and layers it keeps, and the seconds. Of a ``.tflite`` file, each operator is
also fed the interpreter's own values: *right* are those within one step of their grid.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from zoo import CACHE, HERE, LIMIT, SOURCES, build

KERAS = (
    "model.keras", "model.h5", "saved_model", "frozen.pb",
    "float32.tflite", "float16.tflite", "dynamic.tflite", "int8.tflite",
)  # fmt: skip
TORCH = ("weights.pt", "factory.py", "program.pt2", "script.pt")
NETWORKS = {
    "MobileNetV2": ("mobilenetv2", "torch-mobilenetv2"),
    "ResNet101": ("resnet101v2", "torch-resnet101"),
    "InceptionV3": ("inceptionv3", "torch-inceptionv3"),
    "ViT": ("keras-vit", "vit"),
    "transformer": ("keras-transformer", "bert"),
    "LSTM and GRU": ("keras-memories", "torch-memories"),
}
"""Each network's source in the zoo, in Keras and in torch."""

Row = dict[str, object]


def formats(source: str) -> tuple[str, ...]:
    """Return the formats that a source is written in."""
    return TORCH if SOURCES[source].builder == "zoo_torch.py" else KERAS


def written(source: str) -> Path:
    """Return the folder of a source in every format; build it unless it is there."""
    folder = CACHE.parent / "formats" / source
    done = folder / "built"
    if done.exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    builder = "formats_torch.py" if formats(source) is TORCH else "formats_keras.py"
    if build(SOURCES[source]):
        ran(HERE / builder, source, folder)  # what it could not write says so beside it
        done.touch()
    return folder


def ran(script: Path, *arguments: object) -> bool:
    """Return whether a script ended well; what it said before it did not is printed."""
    ended = subprocess.run(  # noqa: S603 - this folder's own scripts
        [sys.executable, script, *map(str, arguments)],
        capture_output=True, text=True, check=False, timeout=LIMIT,
        env={**os.environ, "PYTHONPATH": str(HERE.parent)},
    )  # fmt: skip
    if ended.returncode != 0:
        print(f"{script.name} {arguments[0]}:\n{ended.stderr[-2000:]}", file=sys.stderr)
    return ended.returncode == 0


def cell(source: str, form: str) -> Row:
    """Return what came of reading a source in a format."""
    folder = written(source)
    result = folder / f"{form}.json"
    unwritten = folder / f"{form}.error"
    if unwritten.exists():
        return {"unwritten": unwritten.read_text(encoding="utf-8")}
    result.unlink(missing_ok=True)
    if not ran(HERE / "framework_cell.py", folder / form, result):
        return {"failed": "the process ended badly"}
    row: Row = json.loads(result.read_text(encoding="utf-8"))
    return row


def rows(networks: Sequence[str], asked: Sequence[str]) -> Iterator[Row]:
    """Yield a row for each network in each format."""
    for network in networks:
        for source in NETWORKS[network]:
            for form in (form for form in formats(source) if form in asked):
                row = {"network": network, "format": form, **cell(source, form)}
                show(row)
                yield row


def show(row: Row) -> None:
    """Print one cell."""
    head = f"{row['network']:14}{row['format']:16}"
    if "gap" not in row:
        why = row.get("unwritten") or row.get("refused") or row.get("failed")
        print(f"{head}{str(why).splitlines()[0]}", flush=True)
        return
    kept, of = row["parameters"]
    named, layers = row["layers"]
    within = "within" if row["gap"] <= row["floor"] else "beyond"
    right = "  right {}/{}".format(*row["right"]) if "right" in row else ""
    print(
        f"{head}{row['gap']:9.1e} {within} {row['floor']:.1e}{right}"
        f"  parameters {kept}/{of}  layers {named}/{layers}  {row['seconds']:.1f} s",
        flush=True,
    )


def main() -> int:
    """Print the table and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--formats", default=",".join((*KERAS, *TORCH)))
    asked = parser.parse_args()
    table = list(rows(asked.networks.split(","), asked.formats.split(",")))
    path = HERE / "results" / "frameworks.json"
    path.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
