"""Fixtures that more than one folder of tests uses."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

Build = Callable[..., Path]


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the repository, where cli.py stands."""
    return ROOT


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Let scripts fill a folder, each in a process of its own with its own framework."""

    def built(*scripts: Path) -> Path:
        folder = tmp_path_factory.mktemp(scripts[0].stem)
        for script in scripts:
            done = subprocess.run(
                [sys.executable, script, folder], capture_output=True, check=False
            )
            assert done.returncode == 0, done.stderr.decode()[-800:]
        return folder

    return built
