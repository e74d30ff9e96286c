"""What the documents tell a newcomer to type, open or click is there."""

import re
import subprocess
import sys
from pathlib import Path

DOCUMENTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md")


def found(root: Path, pattern: str) -> dict[str, set[str]]:
    """Return what a pattern's group matches in each document."""
    return {
        name: set(
            re.findall(pattern, (root / name).read_text(encoding="utf-8"), re.MULTILINE)
        )
        for name in DOCUMENTS
    }


def test_every_make_target_exists(root: Path) -> None:
    """A document names no target that the Makefile lacks."""
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = found(root, r"(?:^|`)make ([a-z-]+)")

    assert {name: words - targets for name, words in named.items() if words - targets} == {}


def test_every_command_exists(root: Path) -> None:
    """A document names no command that ``python cli.py --help`` does not list."""
    command = [sys.executable, "cli.py", "--help"]
    answer = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    named = set().union(*found(root, r"(?:pivotfix|python cli\.py) ([a-z]{4,})\b").values())

    assert {"diff", "repair"} <= named
    assert {word for word in named if word not in answer.stdout} == set()


def test_every_link_leads_somewhere(root: Path) -> None:
    """A relative link in a document points at a file or folder of the repository."""
    links = found(root, r"\]\((?!https?:)([^)#]+)\)")
    broken = {
        f"{name}: {link}"
        for name, targets in links.items()
        for link in targets
        if not (root / name).parent.joinpath(link).exists()
    }

    assert broken == set()
