"""What the documents tell a newcomer to type, open or click is there."""

import re
import subprocess
import sys
from pathlib import Path

DOCUMENTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md")
CODE = re.compile(r"^```$(.*?)^```$|`([^`\n]+)`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)\)")


def code(root: Path) -> str:
    """Return every piece of code of all documents, a line or more each."""
    texts = [(root / name).read_text(encoding="utf-8") for name in DOCUMENTS]
    return "\n".join(block or span for text in texts for block, span in CODE.findall(text))


def test_every_make_target_exists(root: Path) -> None:
    """A document names no target that the Makefile lacks."""
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"^make ([a-z-]+)", code(root), re.MULTILINE))

    assert {"demo", "test"} <= named
    assert named - targets == set()


def test_every_command_exists(root: Path) -> None:
    """A document names no command that ``python cli.py --help`` does not list."""
    command = [sys.executable, "cli.py", "--help"]
    answer = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    pattern = r"^(?:pivotfix|python cli\.py) +([a-z]+)"
    named = set(re.findall(pattern, code(root), re.MULTILINE))

    assert {"diff", "repair"} <= named
    assert {word for word in named if word not in answer.stdout} == set()


def test_every_link_leads_somewhere(root: Path) -> None:
    """A relative link in a document points at a file or folder of the repository."""
    broken = {
        f"{name}: {link}"
        for name in DOCUMENTS
        for link in LINK.findall((root / name).read_text(encoding="utf-8"))
        if not (root / name).parent.joinpath(link).exists()
    }

    assert broken == set()
