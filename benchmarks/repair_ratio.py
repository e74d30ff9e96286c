"""What `repair` of a single fault costs beside `diff`: processor seconds of one process.

``python benchmarks/repair_ratio.py [--seeds 0-9] [NETWORK ...]``: for each network and
seed, pairs with one fault are compared and repaired in turn, and their ratio is taken.
Without a name, all networks that are built.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import onnx
from broken import Broken, broken, write_inputs
from measure import RESULTS, ROOT
from zoo import DONE, SOURCES, Source

Row = dict[str, object]
LANES = ("rules", "blind")
HEADS = ("pairs", "diff s", "repair s", "median x", "worst x")


def row(made: Broken, source: Source) -> Row | None:
    """Return what both cost on a pair; None where nothing was repaired."""
    from analyzer.core.options import Options
    from analyzer.diff import diff
    from rewriter.repair import repair
    from rules.discovery import all_rules

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        target, out = folder / "target.onnx", folder / "out.onnx"
        write_inputs(folder / "inputs.npz", made.pair.left, source)
        onnx.save(made.model, target)
        pair, options = (
            (str(made.pair.left), str(target)),
            Options(inputs=folder / "inputs.npz"),
        )
        compared = spent(lambda: diff(*pair, options=options, rules=all_rules))
        mended = spent(lambda: repair(*pair, out, options=options, rules=all_rules()))
        if not out.exists():
            return None
    return {"pair": made.pair.name, "mutator": made.mutators[0], "diff": compared,
            "repair": mended, "ratio": mended / compared}  # fmt: skip


def spent(work: Callable[[], object]) -> float:
    """Return the processor seconds that something takes."""
    start = time.process_time()
    work()
    return time.process_time() - start


def rows(source: Source, seeds: Sequence[int]) -> list[Row]:
    """Return a row for each fault of a network that is repaired."""
    drawn = [broken([source], lane, seed, 0) for seed in seeds for lane in LANES]
    made = (one for one in drawn if isinstance(one, Broken))
    return [found for one in made if (found := row(one, source)) is not None]


def show(name: str, found: Sequence[Row]) -> None:
    """Print the line of a network."""
    ratios = [float(str(one["ratio"])) for one in found]
    cells = (
        f"{len(found):>10}",
        *(
            f"{statistics.median(float(str(o[k])) for o in found):>10.2f}"
            for k in ("diff", "repair")
        ),
        f"{statistics.median(ratios):>10.2f}{max(ratios):>10.2f}",
    )
    print(f"{name:24}{''.join(cells)}")


def main(words: Sequence[str]) -> int:
    """Measure every network asked for, print the table, write the JSON."""
    sys.path.insert(0, str(ROOT))
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NETWORK")
    parser.add_argument("--seeds", default="0-9", help="first-last")
    asked = parser.parse_args(words)
    first, _, last = asked.seeds.partition("-")
    built = [one.name for one in SOURCES.values() if (one.folder / DONE).exists()]
    print(f"{'':24}" + "".join(f"{head:>10}" for head in HEADS))
    every: list[Row] = []
    for name in asked.names or built:
        found = rows(SOURCES[name], range(int(first), int(last or first) + 1))
        every += found
        if found:
            show(name, found)
    show("all", every)
    RESULTS.mkdir(exist_ok=True)
    told = json.dumps(every, indent=1)
    (RESULTS / "repair_ratio.json").write_text(told + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
