"""What a dumping session of a model costs in anonymous memory: ``session_memory.py MODEL``.

Weights that are mapped from their file are not in it; what the runtime copies is.
"""

import sys
from pathlib import Path

import onnx  # noqa: F401  # what is imported anyhow is no cost of the session
import onnxruntime  # noqa: F401

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from analyzer.runtime.dump import instrument  # noqa: E402
from analyzer.runtime.session import open_session  # noqa: E402
from analyzer.runtime.skeleton import read_skeleton  # noqa: E402


def anonymous_mib() -> float:
    """Return the anonymous memory of this process, in MiB."""
    rows = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
    return sum(int(row.split()[1]) for row in rows if row.startswith("Anonymous:")) / 1024


def main(path: Path) -> None:
    """Open the model as it is dumped and as it is run natively, and print both costs."""
    before = anonymous_mib()
    model = read_skeleton(path)
    dumping = open_session(instrument(model), path.parent)
    between = anonymous_mib()
    native = open_session(model, path.parent, optimize=True)
    after = anonymous_mib()
    del dumping, native
    size = path.stat().st_size / 2**20
    print(f"{path.name}: {size:.0f} MiB")
    print(f"a session with every tensor an output   {between - before:8.0f} MiB anonymous")
    print(f"a session as it is run natively         {after - between:8.0f} MiB anonymous")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
