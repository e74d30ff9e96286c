"""The command line: parse, call, render, exit code."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from contextlib import nullcontext
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from signal import SIG_IGN, SIGINT, signal
from typing import TYPE_CHECKING, NoReturn

from analyzer.commandline import (
    MODELS,
    apply_options,
    as_diff,
    diff_options,
    file_options,
    hints_of,
    options_of,
    repair_options,
    rule_options,
    trust_and_loudness,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from analyzer.core.options import Judge, Progress
    from analyzer.core.report import Report
    from analyzer.core.types import Pivot
    from analyzer.reports.fix_report import Page
    from rewriter.bundle import Bundle

NEEDED = (
    "jinja2", "networkx", "numpy", "onnx", "onnx_graphsurgeon", "onnxruntime", "rich",
)  # fmt: skip
OLDEST = (3, 11)
USAGE, INTERRUPTED, PIPE_CLOSED = 2, 130, 141

ABOUT = "Is a converted model still the one you trained? Where it broke, why, and mended."
EXAMPLES = """\
  %(prog)s diff model.keras model.tflite               is it the same model?
  %(prog)s diff model.keras model.tflite --inputs x.npz --report out
  %(prog)s repair model.keras model.tflite -o mended.tflite
  %(prog)s demo                                        see it at work
exit codes: 0 equivalent or repaired, 1 not, 2 a file or option is wrong, 3 inconclusive,
            130 interrupted by Ctrl-C
"""


class Parser(argparse.ArgumentParser):
    """A parser whose complaints look like every other message."""

    def error(self, message: str) -> NoReturn:
        """Refuse the command line with the next step.

        Raises:
            UsageError: Always.
        """
        from analyzer.core.errors import UsageError

        raise UsageError(message, hint=f"{self.prog} --help shows what it takes")


def main(argv: Sequence[str] | None = None) -> int:
    """Return the exit code of one command.

    Args:
        argv: The words after the program's name; None: those it was started with.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # an arrow must not end an ASCII run
    warnings.simplefilter("ignore", RuntimeWarning)  # NaN and infinity are findings here
    try:
        code = answer(argv)
        sys.stdout.flush()
    except KeyboardInterrupt:
        signal(SIGINT, SIG_IGN)  # a second Ctrl-C must not stop the tidying up
        print("pivotfix: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    return code


def answer(argv: Sequence[str] | None) -> int:
    """Return the exit code of one command, its problems told on standard error.

    Args:
        argv: The words after the program's name; None: those it was started with.
    """
    from analyzer.core.errors import PivotfixError

    try:
        given = parser().parse_args(argv)
        given.words = sys.argv[1:] if argv is None else list(argv)
        lacking = missing()
        if lacking:
            print(f"pivotfix: {lacking}", file=sys.stderr)
            return USAGE
        return int(given.command(given))
    except PivotfixError as problem:
        print(f"pivotfix: {problem}", file=sys.stderr)
        return USAGE


def missing() -> str:
    """Return what this interpreter lacks and what installs it, else nothing."""
    if sys.version_info < OLDEST:
        found = ".".join(str(part) for part in sys.version_info[:2])
        return f"Python {found} is too old\n  next: start it with Python 3.11 or newer"
    absent = [name for name in NEEDED if find_spec(name) is None]
    if not absent:
        return ""
    return (
        f"{sys.executable} lacks {', '.join(absent)}\n"
        "  next: make demo, or: python -m pip install -c constraints.txt ."
    )


def program() -> str:
    """Return what the user types to start this program."""
    return "python cli.py" if Path(sys.argv[0]).name == "cli.py" else "pivotfix"


def parser() -> argparse.ArgumentParser:
    """Return the parser of every command."""
    top = Parser(
        prog=program(),
        description=ABOUT,
        epilog=EXAMPLES,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action=Version)
    commands = top.add_subparsers(metavar="COMMAND", required=True)

    def command(
        run: Callable[[argparse.Namespace], int], name: str, summary: str
    ) -> argparse.ArgumentParser:
        added = commands.add_parser(
            name, help=summary, description=summary, allow_abbrev=False
        )
        added.set_defaults(command=run)
        return added

    diff_options(command(_diff, "diff", "is it the same model? where and why not?"))
    repair_options(command(_repair, "repair", "mend TARGET, write it in its own format"))
    apply_options(command(_apply, "apply", "replay a repair on another export of TARGET"))
    tour = command(_demo, "demo", "train, convert, break, diff and repair a real model")
    tour.add_argument(
        "folder",
        metavar="DIR",
        nargs="?",
        type=Path,
        default=Path("pivotfix-demo"),
        help="where the files go (default: %(default)s)",
    )
    one = command(_inspect, "inspect", "what is seen: pivot, inputs, operators, layers")
    one.add_argument("model", metavar="MODEL", help=MODELS)
    one.add_argument(
        "--emit", choices=("mlir",), help="the pivot itself, as torch-onnx MLIR text"
    )
    file_options(one)
    trust_and_loudness(one)
    page = command(_explain, "explain", "what a rule finds and how it cures")
    page.add_argument("rule", metavar="RULE", help="a word of a report, or a rule")
    listing = command(_rules, "rules", "every kind of fault that can be explained")
    for one in (page, listing):
        rule_options(one)
    return top


class Version(argparse.Action):
    """An option that prints the version, looked up only when it is asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="show the version and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print the version and end the program."""
        from analyzer.reports.json_report import tool_version

        parser.exit(message=f"pivotfix {tool_version()}\n")


def _diff(given: argparse.Namespace) -> int:
    """Return the exit code of a comparison."""
    from analyzer.diff import analyse
    from analyzer.reports.shown import conclude, refuse_two_on_stdout, tell_bundle

    refuse_two_on_stdout(given)
    bundle = _bundle(given)
    with _progress(given) as told:
        analysis = analyse(
            given.source,
            given.target,
            options=options_of(given),
            rules=_rule_book(given) if given.rules else partial(_rule_book, given),
            progress=told,
        )
    for note in (*analysis.source.notes, *analysis.target.notes):
        if not given.quiet:
            print(f"note: {note}", file=sys.stderr)
    code = conclude(analysis.report, given)
    if bundle is not None:
        from rewriter.bundle import write_bundle

        write_bundle(bundle, analysis.report, analysis)
        tell_bundle(analysis.report, given)
    return code


def _repair(given: argparse.Namespace) -> int:
    """Return the exit code of a repair."""
    from analyzer.reports.shown import (
        conclude,
        refuse_two_on_stdout,
        tell_bundle,
        tell_written,
    )
    from rewriter.repair import repair

    refuse_two_on_stdout(given)
    with _progress(given) as told:
        report = repair(
            given.source,
            given.target,
            given.output,
            options=options_of(given),
            rules=_rule_book(given),
            progress=told,
            dry_run=given.dry_run,
            force=given.force,
            patch=given.patch,
            max_rounds=given.max_rounds,
            timeout=given.timeout,
            bundle=_bundle(given),
            onnx2tf=given.onnx2tf,
            restore_precision=given.restore_precision,
        )
    if "markdown" in given.format:
        _write_fix_report(report, given)
    code = conclude(report, given)
    tell_written(report, given)
    _tell_replacement(report, given)
    if given.bundle is not None:
        tell_bundle(report, given)
    return code


def _tell_replacement(report: Report, given: argparse.Namespace) -> None:
    """Say what of a repair stands in onnx2tf's own file."""
    from analyzer.reports.edits import edit_lines

    if given.patch is None or not edit_lines(report):
        return
    from rewriter.replacement import told_beside

    said = told_beside(given.patch, report.target.sha256)
    if said:
        print(f"written: {said}", file=sys.stderr if "json" in given.format else sys.stdout)


def _bundle(given: argparse.Namespace) -> Bundle | None:
    """Return where reproductions go, nowhere unless asked for."""
    if given.bundle is None:
        return None
    from rewriter.bundle import Bundle, check_bundle

    bundle = Bundle(given.bundle, _pages(given))
    reports = () if given.report is None else (given.report,)
    check_bundle(bundle, (given.source, given.target, *reports), force=given.force)
    return bundle


def _pages(given: argparse.Namespace) -> dict[str, Page]:
    """Return what each rule says of the faults of its kind, by its name."""
    from analyzer.reports.fix_report import Page
    from rules.catalogue import sections
    from rules.discovery import all_rules

    known = sections(all_rules(given.rules), "Cause", "Prevention", "References")
    return {slug: Page(*texts) for slug, texts in known.items()}


def _write_fix_report(report: Report, given: argparse.Namespace) -> None:
    """Write the report of a repair for people into the folder of reports."""
    from analyzer.reports.files import write_text
    from analyzer.reports.fix_report import NAME, fix_report

    both = (as_diff(given.words), given.words)
    commands = [(*program().split(), *words) for words in both]
    write_text(given.report / NAME, fix_report(report, _pages(given), commands))


def _apply(given: argparse.Namespace) -> int:
    """Return 0 after replaying a patch on another export."""
    from rewriter.patch import apply_patch

    out, settings = given.output, {"trust_code": given.trust_code, "force": given.force}
    done = apply_patch(given.patch, given.target, out, hints=hints_of(given), **settings)
    for cure in done:
        print(f"{cure.rule}: {cure.title}")
    print(f"written: {out}; compare it with its source: {program()} diff SOURCE {out}")
    return 0


def _demo(given: argparse.Namespace) -> int:
    """Return 0 where the demo did what it promises."""
    from rewriter.demo import run

    return run(given.folder, command=main, program=program())


def _inspect(given: argparse.Namespace) -> int:
    """Return 0 after showing what a model looks like from here."""
    from analyzer.layerwise import in_steps
    from analyzer.pivot import load
    from analyzer.reports.inspection import render_pivot
    from analyzer.reports.shown import verbosity

    pivot = load(given.model, trust_code=given.trust_code, hints=hints_of(given))
    if given.emit == "mlir":
        return _print_mlir(pivot)
    print(render_pivot(in_steps(pivot), verbosity=verbosity(given)), end="")
    return 0


def _print_mlir(pivot: Pivot) -> int:
    """Return 0 after writing a pivot as MLIR text, line by line."""
    from analyzer.reports.mlir import mlir_lines

    for line in mlir_lines(pivot.model, pivot.folder):
        print(line)
    return 0


def _explain(given: argparse.Namespace) -> int:
    """Return 0 after showing what is known of a rule, or of a word in its place."""
    from difflib import get_close_matches

    from analyzer.core.errors import UsageError
    from rules.catalogue import entries, explanation, kind
    from rules.discovery import all_rules

    known = entries(all_rules(given.rules))
    if given.rule not in known:
        near = " or ".join(get_close_matches(given.rule, known))
        raise UsageError(
            f"there is no rule {given.rule}",
            hint=f"did you mean {near}?" if near else f"{program()} rules lists them",
        )
    rule = known[given.rule]
    print(f"{rule.slug} ({kind(rule)})\n\n{explanation(rule)}")
    return 0


def _rules(given: argparse.Namespace) -> int:
    """Return 0 after listing every rule with the first line of its documentation."""
    from analyzer.core.words import WORDS
    from rules.catalogue import APART, table
    from rules.discovery import all_rules

    known = sorted(table(all_rules(given.rules)), key=lambda row: (row[1], row[0]))
    widest = max((len(slug) for slug, _, _ in known), default=0)
    for slug, fault_class, summary in known:
        print(f"{slug:{widest}}  {fault_class:22}  {summary}")
    print(f"\n{APART}")
    for word in WORDS:
        print(f"{word.slug:{widest}}  {word.summary}")
    return 0


def _rule_book(given: argparse.Namespace) -> tuple[Judge, ...]:
    from rules.discovery import all_rules

    return all_rules(given.rules)


def _progress(given: argparse.Namespace) -> AbstractContextManager[Progress]:
    """Return what is told how far a run is: a bar, where there is anyone to see it."""
    if given.no_progress or given.quiet or not sys.stderr.isatty():
        from analyzer.core.options import silent

        return nullcontext(silent)
    from analyzer.reports.progress import Bar

    return Bar()


if __name__ == "__main__":
    sys.exit(main())
