"""FetaFix's fifteen conversions, rebuilt with today's converters, and mended.

``python benchmarks/fetafix.py [--onnx2tf PROGRAM] [NUMBER ...]``: for each case the share
of 500 held-out images that both label differently, before and after `repair`, the
largest numeric error, the seconds of the whole command, and what was published.

Source: Louloudakis et al., FetaFix, EASE 2025, and the results in its repository. Its
models and images take a download: here backbones have random weights and calibrated batch
normalisations, heads are fitted, images are textures and patches of two photographs.
"""

import argparse
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from measure import CACHE, HERE, RESULTS, ROOT, once

NETWORKS = CACHE / "fetafix"
PROBES = 8
"""Images that `repair` is given, as many as it draws itself without any."""

SHOWN = 500
"""Images whose labels are compared."""

SHOWN_BARE = 100
"""The same for a target that lacks the scale on its pixels, before its repair: most of its
labels are wrong."""


@dataclass(frozen=True, slots=True)
class Case:
    """One conversion.

    Attributes:
        number: The row in the field's table.
        network: Its name here.
        route: From which framework to which.
        source: File of the network.
        target: File of its conversion; one that is ``bare`` lacks the scale on the pixels.
        cause: What was wrong: preprocessing, layout, quantization, or nothing.
        published: Share of labels that differed after FetaFix's repair, and its seconds.
    """

    number: int
    network: str
    route: str
    source: str
    target: str
    cause: str
    published: tuple[float, float]


LOST, LAID, COARSE, NONE = "preprocessing", "layout", "quantization", "none"
CASES = (
    Case(1, "mobilenetv2", "Keras→Torch", "trained.keras", "bare.pt2", LOST, (0.0, 81)),
    Case(2, "mobilenetv2", "TF→Keras", "trained.onnx", "bare.keras", LOST, (0.0, 84)),
    Case(
        3, "mobilenetv2", "Torch→TF", "trained.pt2", "bare-onnx2tf.tflite", LOST, (0.0, 142)
    ),
    Case(4, "mobilenetv2", "Torch→Keras", "trained.pt2", "trained.keras", LAID, (0.0, 199)),
    Case(
        5, "mobilenetv2", "TF→TFLite", "trained.onnx", "trained-quantized.tflite", COARSE,
        (0.0, 434),
    ),
    Case(
        6, "mobilenetv2", "Keras→TFLite", "trained.keras", "trained-quantized.tflite",
        COARSE, (0.0033, 800),
    ),
    Case(
        7, "resnet101", "Torch→TF", "trained.pt2", "bare-onnx2tf.tflite", LOST, (0.0, 474)
    ),
    Case(8, "resnet101", "TF→TFLite", "trained.onnx", "trained.tflite", NONE, (0.0, 733)),
    Case(
        9, "resnet101", "TFLite→Keras", "trained.tflite", "bare.keras", LOST, (0.0, 1074)
    ),
    Case(
        10, "resnet101", "TF→Keras", "trained-nchw.onnx", "trained.keras", LAID, (0.0, 1207)
    ),
    Case(
        11, "resnet101", "Torch→TFLite", "trained.pt2", "trained-onnx2tf.tflite", LAID,
        (0.0, 56),
    ),
    Case(12, "resnet101", "Keras→Torch", "trained.keras", "bare.pt2", LOST, (0.0, 391)),
    Case(
        13, "resnet101", "Keras→TFLite", "trained.keras", "trained-quantized.tflite",
        COARSE, (0.0151, 4667),
    ),
    Case(
        14, "inceptionv3", "Torch→Keras", "trained.pt2", "trained.keras", LAID, (0.0, 773)
    ),
    Case(
        15, "inceptionv3", "TF→TFLite", "trained.onnx", "trained-quantized.tflite", COARSE,
        (0.0, 2728),
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """What came of a case.

    Attributes:
        case: The case.
        before: Share of images on which the labels differ; None: the target does not take
            the source's array.
        after: The same with the written model.
        error: Largest deviation of its outputs, relative to the source's largest.
        seconds: Wall time of `repair`.
        work: Processor time of it and of the frameworks' processes, in seconds.
        verdict: Its verdict.
        rules: The rules whose edits are in the written model.
        option: What it was called with.
    """

    case: Case
    before: float | None
    after: float
    error: float
    seconds: float
    work: float
    verdict: str
    rules: tuple[str, ...]
    option: str = ""


def ready(network: str, onnx2tf: str, asked: Iterable[Case]) -> Path:
    """Return the folder of a network with every file of its cases that can be made."""
    folder = NETWORKS / network
    folder.mkdir(parents=True, exist_ok=True)
    script = HERE / "fetafix_networks.py"
    for last, words in (("fit.json", ()), ("bare.pt2", ("torch",))):
        if not (folder / last).exists():
            subprocess.run([sys.executable, script, network, folder, *words], check=True)  # noqa: S603
    script = HERE / "fetafix_conversions.py"
    mine = [one for one in asked if one.network == network]
    wanted = {file for one in mine for file in (one.source, one.target)}
    words = [sys.executable, script, folder, onnx2tf, *sorted(wanted)]
    subprocess.run(words, check=True)  # noqa: S603 - this folder's own
    return folder


def answers(model: Path, images: Path, count: int = SHOWN) -> np.ndarray:
    """Return what a model makes of images, kept by the model's bytes.

    Args:
        model: Its file.
        images: File of the images.
        count: How many of them.

    Returns:
        Scores, float32 [count, classes].
    """
    with model.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()[:16]
    out = images.parent / f"answers-{digest}-{count}{model.suffix}.npy"
    if not out.exists():
        words = [sys.executable, HERE / "fetafix_labels.py", model, images, out, count]
        subprocess.run([str(word) for word in words], check=True)  # noqa: S603
    return np.load(out)


def probes(folder: Path, source: str) -> Path:
    """Return the file of a few held-out images as the source takes them."""
    first = source.endswith((".pt2", "nchw.onnx"))
    path = folder / ("probes-nchw.npz" if first else "probes.npz")
    with np.load(folder / "held-out.npz") as held:
        images = held["image"][:PROBES].astype(np.float32)
    if first:
        images = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    np.savez(path, images[:, None])
    return path


def place(case: Case, folder: Path, options: tuple[str, ...]) -> tuple[Path, Path]:
    """Return where a case's mended model and its report go."""
    suffix = ".tflite" if case.target.endswith(".tflite") else ".onnx"
    name = f"{case.number}{''.join(options)}"
    return (folder / f"mended-{name}").with_suffix(suffix), folder / f"report-{name}"


def mend(case: Case, folder: Path, options: tuple[str, ...]) -> None:
    """Repair a case; what it cost stands beside its report."""
    out, report = place(case, folder, options)
    out.unlink(missing_ok=True)
    words = [
        sys.executable, ROOT / "cli.py", "repair", folder / case.source,
        folder / case.target, "-o", out, "--force", "--no-progress",
        "--report", report, "--inputs", probes(folder, case.source), *options,
    ]  # fmt: skip
    paid = once(f"case {case.number}", words, expected=(0, 1))
    (report / "cost.json").write_text(json.dumps(asdict(paid)), encoding="utf-8")


def judged(case: Case, folder: Path, options: tuple[str, ...]) -> Row:
    """Return what `repair` did to a case, and what that does to its labels."""
    source, target = folder / case.source, folder / case.target
    images = folder / "held-out.npz"
    out, report = place(case, folder, options)
    told = json.loads((report / "report.json").read_text(encoding="utf-8"))
    paid = json.loads((report / "cost.json").read_text(encoding="utf-8"))
    right = answers(source, images)
    found = answers(out if out.exists() else target, images)
    kept = [one for one in told["findings"] if _is_kept(one)]
    return Row(
        case,
        before(case, folder, right),
        _differing(right, found),
        float(np.abs(right - found).max() / np.abs(right).max()),
        paid["seconds"],
        paid["work"],
        told["verdict"],
        tuple(sorted({one["rule"] for one in kept})),
        " ".join(options),
    )


def before(case: Case, folder: Path, right: np.ndarray) -> float | None:
    """Return the share of labels that differ before; None: it takes other arrays."""
    if case.cause == LAID:
        return None
    count = SHOWN_BARE if case.cause == LOST else SHOWN
    wrong = answers(folder / case.target, folder / "held-out.npz", count)
    return _differing(right[:count], wrong)


def _is_kept(finding: dict[str, dict[str, str] | None]) -> bool:
    outcome = finding["outcome"]
    return outcome is not None and outcome["verdict"] == "kept"


def _differing(right: np.ndarray, found: np.ndarray) -> float:
    return float((right.argmax(-1) != found.argmax(-1)).mean())


def rows(case: Case, folder: Path, *, again: bool) -> Iterator[Row]:
    """Yield what came of a case; one whose converter refused has none."""
    if not ((folder / case.source).exists() and (folder / case.target).exists()):
        return
    for options in ((), ("--restore-precision",))[: 2 if case.cause == COARSE else 1]:
        if again:
            mend(case, folder, options)
        yield judged(case, folder, options)


def line(row: Row) -> str:
    """Return a row of the Markdown table."""
    one = row.case
    before = "does not fit" if row.before is None else f"{row.before:.1%}"
    after, seconds = one.published
    rules = ", ".join(row.rules) or "none"
    option = f" with `{row.option}`" if row.option else ""
    return (
        f"| {one.number} | {one.network} {one.route}{option} | {one.cause} | {after:.2%} "
        f"| {seconds:,.0f} | {before} | **{row.after:.1%}** | {row.error:.1e} "
        f"| {row.seconds:.0f} | {row.work:.0f} | {row.verdict}: {rules} |"
    )


def main() -> int:
    """Run the cases asked for, print the table and write the JSON."""
    words = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    words.add_argument("numbers", nargs="*", type=int, metavar="NUMBER")
    words.add_argument("--onnx2tf", default="", help="its program; else 3, 7 and 11 wait")
    words.add_argument("--kept", action="store_true", help="judge what the last run mended")
    given = words.parse_args()
    asked = [one for one in CASES if not given.numbers or one.number in given.numbers]
    folders = {one.network: ready(one.network, given.onnx2tf, asked) for one in asked}
    print(
        "| # | case | cause | published: labels | s | before | after | error | s | cpu s "
        "| what |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    done: list[Row] = []
    for case in asked:
        for row in rows(case, folders[case.network], again=not given.kept):
            done.append(row)
            print(line(row), flush=True)
    if not given.numbers:
        text = json.dumps([asdict(row) for row in done], indent=1, ensure_ascii=False)
        (RESULTS / "fetafix.json").write_text(f"{text}\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
