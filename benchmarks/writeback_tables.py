"""Tables of what `writeback.py` found, as Markdown: ``writeback_tables.py [--tests]``."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results" / "writeback.json"
FORMATS = {
    "float32.tflite": "`.tflite`, float",
    "int8.tflite": "`.tflite`, int8",
    "float16.tflite": "`.tflite`, float16",
    "dynamic.tflite": "`.tflite`, dynamic range",
    "model.onnx": "`.onnx`",
    "saved_model": "SavedModel",
    "frozen.pb": "frozen `.pb`",
    "model.keras": "`.keras`",
    "model.h5": "`.h5`",
    "program.pt2": "torch `.pt2`",
    "script.pt": "TorchScript `.pt`",
    "weights.pt": "a state_dict `.pt`",
    "factory.py": "`file.py:factory`",
}
FAULTS = (
    "weight", "attribute", "activation", "padding",
    "missing", "extra", "layout", "quantization",
)  # fmt: skip
ON_GRIDS = ("int8.tflite", "dynamic.tflite")
Row = dict[str, object]
Cells = dict[tuple[str, str], Row]


def matrix(cells: Cells) -> Iterator[str]:
    """Yield the lines of the table of formats and faults."""
    yield f"| file | {' | '.join(FAULTS)} |"
    yield f"|---|{'---|' * len(FAULTS)}"
    for form, called in FORMATS.items():
        told = (word(cells.get((form, fault))) for fault in FAULTS)
        yield f"| {called} | {' | '.join(told)} |"


def word(row: Row | None) -> str:
    """Return how one cell is written, in a word or two."""
    if row is None:
        return ""
    return str(row["way"]) if row["verified"] else f"**{row['way']}**"


def tests(cells: Cells) -> Iterator[str]:
    """Yield the lines of the table that names each cell's test."""
    yield "| file | fault | test | written | error after | size |"
    yield "|---|---|---|---|---|---|"
    for form, called in FORMATS.items():
        for fault in FAULTS:
            if fault != "quantization" or form in ON_GRIDS:
                yield tested(form, called, fault, cells.get((form, fault)))


def tested(form: str, called: str, fault: str, row: Row | None) -> str:
    """Return the line of one cell."""
    test = f"`test_writeback.py::test_fault_is_mended[{form}-{fault}]`"
    if row is None:
        return f"| {called} | {fault} | {test} | not measured yet | | |"
    grown = "" if row["size"] is None else f"{row['size']:+.2%}"
    after = f"{row['error']:.1e}" if row["verified"] else "not right natively"
    return f"| {called} | {fault} | {test} | {row['way']} | {after} | {grown} |"


def main() -> None:
    """Print one of both."""
    told = json.loads(RESULTS.read_text(encoding="utf-8"))
    cells = {(row["format"], row["fault"]): row for row in told}
    print(*(tests if "--tests" in sys.argv else matrix)(cells), sep="\n")


if __name__ == "__main__":
    main()
