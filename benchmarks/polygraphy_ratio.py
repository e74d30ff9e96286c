"""What `diff` of MobileNetV2 against its copy costs, beside the floor and Polygraphy."""

import subprocess
import sys

from measure import CACHE, HERE, ROOT, cost, publish

FOLDER = CACHE / "mobilenetv2"
SOURCE, TARGET, INPUTS = (
    FOLDER / name for name in ("source.onnx", "target.onnx", "inputs.npz")
)
PEER = HERE / ".venv-polygraphy" / "bin"


def dump(model: object, name: str) -> list[object]:
    """Return the command that saves every tensor of a model, as users type it."""
    loader = HERE / "polygraphy_inputs.py"
    return [
        PEER / "polygraphy", "run", model, "--onnxrt", "--onnx-outputs", "mark", "all",
        "--data-loader-script", loader, "--save-outputs", FOLDER / name,
    ]  # fmt: skip


def main() -> None:
    """Measure every row, print the table and write the JSON."""
    if not INPUTS.exists():
        subprocess.run([sys.executable, HERE / "mobilenet.py", FOLDER], check=True)  # noqa: S603
    files = (SOURCE, TARGET, INPUTS)
    ours = [sys.executable, ROOT / "cli.py", "diff", SOURCE, TARGET, "--inputs", INPUTS]
    load = ["--load-outputs", FOLDER / "source.json", FOLDER / "target.json"]
    judge = [PEER / "polygraphy", "run", *load]
    saved = [dump(SOURCE, "source.json"), dump(TARGET, "target.json"), judge]
    rows = (
        cost("two bare ONNX Runtime runs", [sys.executable, HERE / "bare_runs.py", *files]),
        cost("pivotfix diff", [*ours, "--no-progress"]),
        cost(
            "Polygraphy, one process",
            [PEER / "python", HERE / "polygraphy_runs.py", *files],
        ),
        cost("Polygraphy, two saved runs and a comparison", *saved, runs=1),
    )
    for left in FOLDER.glob("*.json"):
        left.unlink()  # half a gigabyte each
    publish("polygraphy_ratio", rows, against="pivotfix diff")


if __name__ == "__main__":
    main()
