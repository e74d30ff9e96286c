"""Python's own collector, kept from walking over what is only being built."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Give a block in which no collection starts; for code that builds and drops no cycles.

    A graph of 100,000 nodes is a million values that all stay: a third of the time to
    build it went into looking whether any of them was garbage. What was built counts as
    old afterwards, as it would once young collections had walked over it in vain.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():  # what an application froze stays frozen
            gc.freeze()
            gc.unfreeze()
        gc.enable()
