"""Fixtures that more than one folder of tests uses."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the repository, where cli.py stands."""
    return ROOT
