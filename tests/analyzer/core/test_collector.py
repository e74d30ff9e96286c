"""Building a lot starts no collection, and leaves none waiting."""

import gc

from analyzer.core.collector import uncollected


def test_what_was_built_is_old_afterwards() -> None:
    """No young collection walks over it once more."""
    with uncollected():
        built: list[list[int]] = [[]]

        assert not gc.isenabled()
    assert gc.isenabled()
    assert any(one is built for one in gc.get_objects(generation=2))


def test_what_an_application_froze_stays_frozen() -> None:
    """Its own choice is not undone."""
    gc.freeze()
    try:
        with uncollected():
            pass
        frozen = gc.get_freeze_count()
    finally:
        gc.unfreeze()

    assert frozen


def test_a_collector_that_is_off_stays_off() -> None:
    """A block inside another one gives it back as it was."""
    with uncollected():
        with uncollected():
            pass

        assert not gc.isenabled()
