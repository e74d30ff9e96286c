"""What `diff` of MobileNetV2 against its copy costs, beside the floor and Polygraphy."""

import subprocess
import sys

from measure import CACHE, HERE, ROOT, cost, publish
from polygraphy_rows import polygraphy_rows

FOLDER = CACHE / "mobilenetv2"
SOURCE, TARGET, INPUTS = (
    FOLDER / name for name in ("source.onnx", "target.onnx", "inputs.npz")
)


def main() -> None:
    """Measure every row, print the table and write the JSON."""
    if not INPUTS.exists():
        subprocess.run([sys.executable, HERE / "mobilenet.py", FOLDER], check=True)  # noqa: S603
    files = (SOURCE, TARGET, INPUTS)
    ours = [sys.executable, ROOT / "cli.py", "diff", SOURCE, TARGET, "--inputs", INPUTS]
    rows = (
        cost("two bare ONNX Runtime runs", [sys.executable, HERE / "bare_runs.py", *files]),
        cost("pivotfix diff", [*ours, "--no-progress"]),
        *polygraphy_rows(*files),
    )
    publish("polygraphy_ratio", rows, against="pivotfix diff")


if __name__ == "__main__":
    main()
