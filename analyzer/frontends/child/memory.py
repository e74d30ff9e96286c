"""What a framework's process holds, and how much of the machine's memory it may.

A limit of the address space, which the system would keep itself, breaks TensorFlow and
torch: they reserve far more than they use.
"""

import os
from functools import cache
from pathlib import Path

SHARE = 0.75
"""Of the machine's memory, what one framework may hold: the rest is for the other model,
whose framework lives beside it, and for ours. Beyond, the machine swaps, and the system
may end any program of the user's."""

CGROUP = Path("/sys/fs/cgroup/memory.max")
"""Where a container says what it may hold, in bytes, or ``max``."""

GIGABYTE = 1e9
MEGABYTE = 1e6


@cache
def ceiling() -> int:
    """Return how many bytes one framework may hold."""
    return int(SHARE * min(machine_memory(), container_memory(CGROUP)))


def machine_memory() -> int:
    """Return the machine's memory in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def container_memory(limit: Path) -> int:
    """Return the bytes that a container may hold, the machine's where nothing says less.

    Args:
        limit: The file that says it.
    """
    try:
        said = limit.read_text().strip()
    except OSError:
        return machine_memory()  # no container, or a system without them
    return int(said) if said.isdigit() else machine_memory()


def resident(process: int) -> int:
    """Return the bytes of memory that a process holds now; 0 where the system tells none.

    Args:
        process: Its number.
    """
    try:
        counts = Path(f"/proc/{process}/statm").read_text().split()
    except OSError:
        return 0  # it has ended, or the system has no such file
    return int(counts[1]) * os.sysconf("SC_PAGE_SIZE") if counts else 0


def in_words(count: int) -> str:
    """Return a number of bytes as a message can show it."""
    if count < GIGABYTE:
        return f"{count / MEGABYTE:.0f} MB"
    return f"{count / GIGABYTE:.1f} GB"
