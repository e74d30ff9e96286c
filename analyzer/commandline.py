"""The arguments of the commands, declared without loading anything that reads them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from analyzer.core.options import Options
    from analyzer.frontends.hints import Hints

MODELS = (
    "an .onnx, .keras, .pb, .tflite, .pt2 or .pt file, a SavedModel, or file.py:factory"
)
"""What can be compared, as the help says it."""

MODELS_OF_A_PAIR = 2

REPAIR_ONLY = {
    "-o": True, "--output": True, "--dry-run": False, "--force": False, "--patch": True,
    "--max-rounds": True, "--timeout": True, "--bundle": True, "--report": True,
    "--format": True, "--restore-precision": False, "--onnx2tf": False,
}  # fmt: skip
"""Options that look at no pair, and whether each takes a value."""


def diff_options(command: argparse.ArgumentParser) -> None:
    """Add what `diff` takes."""
    _pair(command)
    command.add_argument(
        "--simplify",
        action="store_true",
        help="put both pivots through onnxsim first (extra: optimize)",
    )
    _bundle(command)
    command.add_argument("--force", action="store_true", help="replace the bundle")
    _reporting(command)


def repair_options(command: argparse.ArgumentParser) -> None:
    """Add what `repair` takes."""
    _pair(command)
    add = command.add_argument
    add("-o", "--output", metavar="OUT", type=Path, help="TARGET's suffix, or .onnx")
    add("--dry-run", action="store_true", help="show the edits, write no model")
    add("--force", action="store_true", help="replace OUT, a patch or a bundle")
    add(
        "--patch",
        metavar="FILE",
        type=Path,
        help="write the kept edits, for apply on another export of TARGET",
    )
    add(
        "--onnx2tf",
        action="store_true",
        help="TARGET was made by onnx2tf, whether or not it says so: write its own "
        "param_replacement.json beside the patch",
    )
    _bundle(command)
    add(
        "--max-rounds",
        metavar="N",
        type=_read("count"),
        default=8,
        help="passes over what earlier fixes unmask (default: %(default)s)",
    )
    add(
        "--timeout",
        metavar="SECONDS",
        type=_read("seconds"),
        default=math.inf,
        help="try nothing more after that long; what is kept by then is proven and written",
    )
    add(
        "--restore-precision",
        action="store_true",
        help="undo a declared loss of precision too: quantization, half floats",
    )
    _reporting(command, "markdown")


def apply_options(command: argparse.ArgumentParser) -> None:
    """Add what `apply` takes."""
    add = command.add_argument
    add("patch", metavar="PATCH", type=Path, help="what repair --patch wrote")
    add("target", metavar="TARGET", help="another export of the model it was made for")
    add("-o", "--output", metavar="OUT", type=Path, required=True, help="the mended model")
    add("--force", action="store_true", help="replace OUT if it exists")
    file_options(command)
    trust_and_loudness(command)


def _bundle(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--bundle",
        metavar="DIR",
        type=Path,
        help="write a reproduction of each root fault for the converter's maintainers: "
        "both sides as small models, replay.py, issue.md",
    )


def as_diff(words: Sequence[str]) -> tuple[str, ...]:
    """Return the command line that looks at a pair as `repair` did, and changes nothing.

    Args:
        words: The command line of `repair`, without the program.
    """
    kept, rest = ["diff"], iter(words[1:])
    for word in rest:
        option, _, value = word.partition("=")
        if option not in REPAIR_ONLY:
            kept.append(word)
        elif REPAIR_ONLY[option] and not value:
            next(rest, None)
    return tuple(kept)


def _pair(command: argparse.ArgumentParser) -> None:
    """Add the two models and how they are probed and judged."""
    add = command.add_argument
    add("source", metavar="SOURCE", help=f"the model that is right: {MODELS}")
    add("target", metavar="TARGET", help="its conversion: likewise")
    add("--inputs", metavar="FILE.npz", type=Path, help="your own inputs, one array each")
    add(
        "--samples",
        metavar="N",
        type=_read("count"),
        help="inputs to draw without --inputs (default: 8, fewer where their runs would "
        "read more than 8 GiB of weights)",
    )
    add("--seed", metavar="N", type=_read("seed"), default=0, help="(default: %(default)s)")
    for name in ("--rtol", "--atol"):
        add(
            name,
            metavar="VALUE|TENSOR:VALUE",
            type=_read("tolerance"),
            action="append",
            default=[],
            help="tolerance of an output, instead of its noise floor",
        )
    add(
        "--val-range",
        metavar="NAME:[lo,hi]",
        type=_read("interval"),
        action="append",
        default=[],
        help="interval to draw an input from",
    )
    file_options(command)
    add(
        "--max-memory",
        metavar="SIZE",
        type=_read("size"),
        default=0,
        help="what tensors may take, as 500M or 2G; the rest waits in a file",
    )
    add(
        "--pairs",
        metavar="FILE.json",
        type=Path,
        help="what belongs together, by name",
    )
    rule_options(command)


def file_options(command: argparse.ArgumentParser) -> None:
    """Add what says of a model what its file may leave open."""
    command.add_argument(
        "--input-shapes",
        metavar="NAME:[1,3,224,224]",
        type=_read("shape"),
        action="append",
        default=[],
        help="shape of an input that leaves sizes open",
    )
    command.add_argument(
        "--model",
        dest="factory",
        metavar="FILE.py:FACTORY",
        default="",
        help="what builds the module that a state_dict belongs to; the file is run",
    )
    command.add_argument(
        "--signature",
        metavar="NAME",
        dest="signatures",
        action="append",
        default=[],
        help="signature of a SavedModel (default: serving_default, or the only one); where "
        "both models have several, give the source's, then the target's",
    )


def rule_options(command: argparse.ArgumentParser) -> None:
    """Add what every command that asks the rules takes."""
    command.add_argument(
        "--rules",
        metavar="FOLDER",
        type=Path,
        help="rules of your own, one a file; the files are run",
    )


def _read(kind: str) -> Callable[[str], object]:
    """Return a reader of one kind of word, loaded when there is a word to read."""

    def read(word: str) -> object:
        from analyzer import arguments

        return getattr(arguments, kind)(word)

    return read


def _reporting(command: argparse.ArgumentParser, *more: str) -> None:
    """Add what is shown and written, in more formats or less, and what is a failure."""
    add = command.add_argument
    add(
        "--report",
        metavar="DIR",
        type=Path,
        help="write report and pairs into DIR",
    )
    add(
        "--format",
        choices=("terminal", "json", *more),
        action="append",
        default=[],
        help="what to show (default: terminal), or to write into DIR; may be repeated",
    )
    add(
        "--fail-on",
        choices=("root", "any", "structure"),
        default="root",
        help="root: faults; any: drift and latent ones too; structure: all differences",
    )
    add("--exit-zero", action="store_true", help="exit 0 where it would be 1")
    add("--no-progress", action="store_true", help="show no progress bar")
    trust_and_loudness(command)


def trust_and_loudness(command: argparse.ArgumentParser) -> None:
    """Add what every command that opens a model takes."""
    command.add_argument(
        "--trust-code", action="store_true", help="run the code that a model comes with"
    )
    loudness = command.add_mutually_exclusive_group()
    add = loudness.add_argument
    add("-v", "--verbose", action="store_true", help="show all, harmless differences too")
    add("-q", "--quiet", action="store_true", help="show the verdict alone")


def options_of(given: argparse.Namespace) -> Options:
    """Return what the user typed as the analysis takes it.

    Args:
        given: What the user typed.
    """
    from dataclasses import replace

    from analyzer.core.options import Options

    options = Options(
        seed=given.seed,
        inputs=given.inputs,
        rtol=dict(given.rtol),
        atol=dict(given.atol),
        val_range=dict(given.val_range),
        input_shapes=dict(given.input_shapes),
        model=given.factory,
        signatures=signatures_of(given, MODELS_OF_A_PAIR),
        trust_code=given.trust_code,
        simplify=getattr(given, "simplify", False),
        pairs=given.pairs,
        max_memory=given.max_memory,
        harmless=given.verbose or given.fail_on == "structure",
    )
    if given.samples is None:
        return options
    return replace(options, samples=given.samples, most_read=0)


def hints_of(given: argparse.Namespace) -> Hints:
    """Return what the user says of a model whose file does not.

    Args:
        given: What the user typed.
    """
    from analyzer.frontends.hints import Hints

    (signature,) = signatures_of(given, 1) or ("",)
    return Hints(given.factory, dict(given.input_shapes), signature=signature)


def signatures_of(given: argparse.Namespace, models: int) -> tuple[str, ...]:
    """Return the signatures that the user typed.

    Args:
        given: What the user typed.
        models: How many models the command reads.

    Raises:
        UsageError: There are more signatures than models.
    """
    from analyzer.core.errors import UsageError

    if len(given.signatures) > models:
        raise UsageError(
            f"--signature is given {len(given.signatures)} times, for {models} "
            f"model{'s' if models > 1 else ''}",
            hint="give it once, or the source's and then the target's",
        )
    return tuple(given.signatures)
