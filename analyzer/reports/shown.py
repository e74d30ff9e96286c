"""A report as the command line asks for it: on the terminal, as JSON, in a folder."""

import argparse
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from analyzer.core.errors import UsageError
from analyzer.core.report import Report, Written
from analyzer.verdict import is_root

WIDTH = 100
"""Columns of a report that no terminal shows."""

WRITTEN = frozenset({"repaired", "improved", "equivalent"})
"""Verdicts of a repair that left a file."""


WAYS = {
    "in place": ", the target's own file with the repair in it",
    "exported anew": ", exported anew",
    "as ONNX": "",
    "copied": ", a copy of the target",
}
"""How the ways of writing a model are said, as the end of a line."""


def conclude(report: Report, given: argparse.Namespace) -> int:
    """Show and write a report, and return its exit code.

    Args:
        report: What a run found.
        given: What the user typed.
    """
    from analyzer.reports.exit_code import exit_code

    if given.report is not None:
        from analyzer.reports.files import write_report

        write_report(report, given.report)
    if "terminal" in given.format or "json" not in given.format:
        _show(report, given)
    if "json" in given.format and given.report is None:
        from analyzer.reports.json_report import to_json

        print(to_json(report), end="")
    return exit_code(report, fail_on=given.fail_on, exit_zero=given.exit_zero)


def _show(report: Report, given: argparse.Namespace) -> None:
    from analyzer.reports.terminal import render

    shown = sys.stdout.isatty()
    colour = shown and "NO_COLOR" not in os.environ
    width = shutil.get_terminal_size((WIDTH, 24)).columns if shown else WIDTH
    print(render(report, width=width, colour=colour, verbosity=verbosity(given)), end="")


def tell_written(report: Report, given: argparse.Namespace) -> None:
    """Say what became of the mended model, on standard error where JSON has the other.

    Args:
        report: What a repair found.
        given: What the user typed.
    """
    from analyzer.reports.edits import edit_lines

    out = sys.stderr if "json" in given.format else sys.stdout
    if given.dry_run:
        print("\n".join(("edits:", *edit_lines(report), "nothing is written")), file=out)
        return
    if report.written is not None:
        print("\n".join(_written(report.written)), file=out)
    elif report.verdict.value in WRITTEN:
        print(f"written: {given.output}{_copied(given)}", file=out)
    if given.patch is not None and not edit_lines(report):
        print("no edit was kept, so no patch is written", file=out)


def _written(written: Written) -> Iterator[str]:
    """Yield what was written, and what it states otherwise than the target's own file."""
    yield f"written: {written.path}{WAYS[written.way]}"
    yield from (f"  {one}" for one in written.changed)


def _copied(given: argparse.Namespace) -> str:
    """Return, as the end of a line, what was written of a target with nothing to mend."""
    out, target = (Path(one).suffix.lower() for one in (given.output, given.target))
    same = out == target
    return f", a byte copy of {given.target}" if same else f": {given.target} as ONNX"


def tell_bundle(report: Report, given: argparse.Namespace) -> None:
    """Say what became of the reproductions, on standard error where JSON has the other.

    Args:
        report: What a run found.
        given: What the user typed.
    """
    out = sys.stderr if "json" in given.format else sys.stdout
    if any(map(is_root, report.findings)):
        print(f"written: {given.bundle}, a reproduction of each root fault", file=out)
    else:
        print("no root fault was found, so no bundle is written", file=out)


def refuse_two_on_stdout(given: argparse.Namespace) -> None:
    """Refuse formats that have no place to go.

    Args:
        given: What the user typed.

    Raises:
        UsageError: A file is asked for and no folder named, or two want standard output.
    """
    if "markdown" in given.format and given.report is None:
        raise UsageError(
            "--format markdown writes a file, and no folder is named for it",
            hint="add --report DIR",
        )
    if len(set(given.format)) > 1 and given.report is None:
        raise UsageError(
            "--format terminal and --format json both want standard output",
            hint="add --report DIR for the JSON, or ask for one of them",
        )


def verbosity(given: argparse.Namespace) -> int:
    """Return 1 where everything is to be shown, -1 where the verdict alone, else 0.

    Args:
        given: What the user typed.
    """
    return int(given.verbose) - int(given.quiet)
