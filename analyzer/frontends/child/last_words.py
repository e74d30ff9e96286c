"""What the log of a child says of its end: its last useful line, and where it was."""

import faulthandler
import re
import signal
from pathlib import Path, PurePath

TELL = signal.SIGUSR1
"""Asks a child that hangs to write down where it is."""

CHATTER = ("INFO", "WARNING", "I0", "W0", "W1", "I1", "2", "warnings.warn")
"""How lines begin that frameworks write while all is well."""

LAST_WORDS = 1 << 16
"""Bytes of a log that are searched: Python lists every compiled module after a crash."""

STACK = re.compile(
    r"^(Fatal Python error|Current thread|Thread 0x|Stack \(most recent)", re.MULTILINE
)
"""How what Python writes of a crash begins."""

FRAME = re.compile(r'File "(?P<file>[^"]+)", line \d+ in (?P<function>\S+)')

PLUMBING = frozenset({"<frozen runpy>", "threading.py", "execute.py", "traceback_utils.py"})
"""Files that are in every stack, whatever operator it ends in."""

OURS = "/analyzer/frontends/child/"


def tell_where() -> None:
    """Let this process write its stack into its log when it crashes, or `TELL` asks."""
    faulthandler.enable()
    faulthandler.register(TELL, all_threads=True)


def last_words(log: Path) -> str:
    """Return the last line of a log that says something, or nothing."""
    lines = (line.strip() for line in reversed(_split(log)[0].splitlines()))
    return next((line for line in lines if line and not line.startswith(CHATTER)), "")


def last_place(log: Path) -> str:
    """Return the innermost function of a framework that was running, or nothing.

    Frameworks call their functions as the operators are called: ``conv2d``, ``linear``.

    Args:
        log: Of a process in which `tell_where` was called.
    """
    for frame in FRAME.finditer(_split(log)[1]):
        file = PurePath(frame["file"]).name
        if OURS not in frame["file"] and file not in PLUMBING:
            return f" in {frame['function']} ({file})"
    return ""


def _split(log: Path) -> tuple[str, str]:
    """Return a log's own words, and the stack behind them."""
    content = log.read_bytes()[-LAST_WORDS:].decode("utf-8", "replace")
    stack = STACK.search(content)
    return (content[: stack.start()], content[stack.start() :]) if stack else (content, "")
