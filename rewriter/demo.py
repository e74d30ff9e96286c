"""A real conversion, broken in three places, compared and mended, in front of the user."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from analyzer.core.errors import UsageError
from rewriter.digits import BROKEN, CONVERTED, PLANTED, PROBE_FILE, REPAIRED, SOURCE

Command = Callable[[Sequence[str]], int]
"""Runs the words of a command line, returns its exit code."""

NEEDED = ("ai_edge_litert", "sklearn", "tensorflow", "tf2onnx")
ROOT = Path(__file__).resolve().parent.parent
"""Where the packages stand: a step is started with them on its path."""

LAST_LINES = 5
"""Of what a failed step said, its end tells why."""


@dataclass(frozen=True, slots=True)
class Tour:
    """A folder, and how its commands are run and printed.

    Attributes:
        folder: Takes the files.
        command: Runs one command line of this program.
        program: What the user types to start it.
    """

    folder: Path
    command: Command
    program: str

    def step(self, name: str) -> dict[str, Any]:
        """Return what a step of `rewriter.digits` says, run in a process of its own.

        Args:
            name: ``train``, ``break`` or ``agree``.

        Raises:
            UsageError: The step fails.
        """
        words = ("-m", "rewriter.digits", name, str(self.folder))
        print(f"$ {shlex.join(('python', *words))}", flush=True)
        path = os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", "")))
        done = subprocess.run(  # noqa: S603 -- our own module
            [sys.executable, *words],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PYTHONPATH": path.rstrip(os.pathsep)},
        )
        if done.returncode:
            end = "\n  ".join(done.stderr.strip().splitlines()[-LAST_LINES:])
            raise UsageError(
                f"the demo's step {name} failed:\n  {end}",
                hint="is the folder writable, and TensorFlow whole? make demo installs it",
            )
        said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return said

    def pivotfix(self, name: str, target: str, *more: str, expected: int) -> bool:
        """Return whether a command on the source and a target ends with the expected code.

        Args:
            name: ``diff`` or ``repair``.
            target: A file of the folder.
            more: Further options.
            expected: Its exit code.
        """
        source, target, probes = (
            str(self.folder / file) for file in (SOURCE, target, PROBE_FILE)
        )
        words = (name, source, target, "--inputs", probes, *more)
        print(f"$ {self.program} {shlex.join(words)}", flush=True)
        code = self.command(words)
        print(f"exit code {code}, {expected} was expected\n", flush=True)
        return code == expected


def run(folder: Path, *, command: Command, program: str = "python cli.py") -> int:
    """Return 0 where each step ended as it should, 1 where one did not.

    Every command is printed as a user would type it, and run; all files stay in the folder.

    Args:
        folder: Takes the files; created if missing.
        command: Runs one command line of this program.
        program: What the user types to start this program.

    Raises:
        UsageError: The folder cannot be made, something is not installed, or a step fails.
    """
    _prepare(folder)
    tour = Tour(folder, command, program)
    told = [part(tour) for part in (_converts, _breaks, _mends, _agrees)]
    print(f"All files are in {folder}.")
    return 0 if all(told) else 1


def _prepare(folder: Path) -> None:
    """Make the folder, without the mended model of an earlier run."""
    absent = [name for name in NEEDED if find_spec(name) is None]
    if absent:
        raise UsageError(
            f"the demo needs {', '.join(absent)}, which this interpreter lacks",
            hint="make demo, or: python -m pip install -c constraints.txt '.[demo]'",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / REPAIRED).unlink(missing_ok=True)
    except OSError as surprise:
        raise UsageError(
            f"the demo cannot use {folder}: {surprise.strerror}",
            hint="name a folder that can be written: demo DIR",
        ) from surprise


def _converts(tour: Tour) -> bool:
    """Train and convert; return whether the conversion is equivalent."""
    print("1. A small MobileNetV2 learns scikit-learn's digits (half a minute);")
    print("   TensorFlow's own converter makes TFLite of it.")
    trained = tour.step("train")
    print(f"{trained['accuracy']:.1%} of {trained['images']} test images are right\n")
    print("2. Is the converted model still the one that was trained?")
    return tour.pivotfix("diff", CONVERTED, expected=0)


def _breaks(tour: Tour) -> bool:
    """Break a copy; return whether exactly what was broken is found."""
    print("3. A copy is broken in three places.")
    planted = tour.step("break")
    print("\n".join(f"   {layer}: {what}" for layer, what in planted.items()))
    print("\n4. What is wrong with the copy?")
    reports = tour.folder / "report-broken"
    divergent = tour.pivotfix("diff", BROKEN, "--report", str(reports), expected=1)
    report = json.loads((reports / "report.json").read_text(encoding="utf-8"))
    return divergent and found(report)


def _mends(tour: Tour) -> bool:
    """Repair the copy; return whether it is equivalent now."""
    print("5. Mend it, in its own format.")
    out = str(tour.folder / REPAIRED)
    return tour.pivotfix("repair", BROKEN, "--output", out, expected=0)


def _agrees(tour: Tour) -> bool:
    """Show label agreement; return whether the mended file agrees as the conversion did."""
    print("6. How often does LiteRT give the label that Keras gives to a test image?")
    shares = tour.step("agree")
    print("\n".join(f"   {name:24} {share:7.1%}" for name, share in shares.items()) + "\n")
    return bool(shares.get(REPAIRED, 0.0) >= shares[CONVERTED])


def found(report: Mapping[str, Any]) -> bool:
    """Return whether a report's faults are the planted ones, all and no other.

    Args:
        report: The parsed ``report.json``.
    """
    faults = [finding for finding in report["findings"] if finding["status"] == "fault"]
    hits = {
        fault.layer: [one["rule"] for one in faults if _is_at(one["native"], fault.layer)]
        for fault in PLANTED
    }
    for layer, rules in hits.items():
        print(f"   {layer}: {', '.join(rules) or 'not found'}")
    count = sum(bool(rules) for rules in hits.values())
    print(f"{count} of {len(PLANTED)} planted faults found, {len(faults)} reported\n")
    return count == len(PLANTED) == len(faults)


def _is_at(native: Mapping[str, str | None], layer: str) -> bool:
    """Return whether a finding's layer is the given one, or its activation."""
    return any((native[side] or "").startswith(layer) for side in ("source", "target"))
