"""Text that a repair wrote, signed: whether anyone has changed it since can be told."""

import hashlib
from pathlib import Path

MARK = "# written by pivotfix, and unchanged while the sha256 of all above is "
"""What the last line begins with."""


def marked(text: str) -> str:
    """Return a text with a last line that tells it from one that was changed since.

    Args:
        text: Python code, or whatever has such comments.
    """
    whole = text.rstrip("\n") + "\n\n"
    return f"{whole}{MARK}{_digest(whole)}\n"


def is_as_written(file: Path) -> bool:
    """Return whether a file is what a repair wrote, to the byte.

    Args:
        file: One that is there.
    """
    whole, mark, digest = file.read_bytes().rpartition(MARK.encode())
    return bool(mark) and digest == f"{hashlib.sha256(whole).hexdigest()}\n".encode()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
