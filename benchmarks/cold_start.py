"""How long `python cli.py --help` takes, and `diff` on two one-node models."""

import sys

from measure import CACHE, HERE, ROOT, cost, publish

FOLDER = CACHE / "one_node"
LIBRARIES = "import numpy, onnx, onnxruntime"


def main() -> None:
    """Measure every row, print the table and write the JSON."""
    pair = [FOLDER / "source.onnx", FOLDER / "target.onnx"]
    cli = [sys.executable, ROOT / "cli.py"]
    cost("the pair", [sys.executable, HERE / "one_node.py", FOLDER], runs=1)
    rows = (
        cost("python -c pass", [sys.executable, "-c", "pass"], runs=7),
        cost("python cli.py --help", [*cli, "--help"], runs=7),
        cost(LIBRARIES, [sys.executable, "-c", LIBRARIES], runs=7),
        cost("python cli.py diff, two one-node models", [*cli, "diff", *pair], runs=7),
    )
    publish("cold_start", rows, against="python -c pass")


if __name__ == "__main__":
    main()
