"""A framework's memory is read from outside, and bounded by the machine's."""

import os
from pathlib import Path

from analyzer.frontends.child.memory import (
    ceiling,
    container_memory,
    in_words,
    machine_memory,
    resident,
)


def test_resident_size_is_that_of_a_process() -> None:
    """This one holds more than a megabyte; one that is gone holds nothing."""
    assert 1_000_000 < resident(os.getpid()) < machine_memory()
    assert resident(1 << 30) == 0


def test_container_says_less_than_the_machine(tmp_path: Path) -> None:
    """A file that says ``max``, or is not there, leaves the machine's own memory."""
    stated, unbounded = tmp_path / "stated", tmp_path / "unbounded"
    stated.write_text("1000000\n")
    unbounded.write_text("max\n")

    assert container_memory(stated) == 1_000_000
    assert container_memory(unbounded) == machine_memory()
    assert container_memory(tmp_path / "absent") == machine_memory()


def test_ceiling_leaves_room_for_others() -> None:
    """A quarter of the machine is for the other model and for us."""
    assert 0 < ceiling() <= 0.75 * machine_memory()


def test_sizes_are_told_in_round_numbers() -> None:
    """As a memory's size is printed on it."""
    assert in_words(50_000_000) == "50 MB"
    assert in_words(17_700_000_000) == "17.7 GB"
